package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"time"
)

// keepFacts writes the facts behind a ledger to a file. Records and bodies have only
// data of this program.
func keepFacts(dir string, f *facts) error {
	type delivery struct {
		Job, Body    string
		Attempt      int
		Status       int
		Err          string
		Lost, Forged bool
		Time         time.Time
	}
	kept := struct {
		Jobs, Records, Effects, Owners any
		Deliveries                     []delivery
	}{Jobs: f.Jobs, Records: f.Records, Effects: f.Effects, Owners: f.Owners}
	for i := range f.Deliveries {
		d := &f.Deliveries[i]
		one := delivery{
			Job: d.JobID, Body: string(d.Body), Attempt: d.Attempt, Status: d.StatusCode,
			Lost: d.Lost, Forged: d.Forged, Time: d.Time,
		}
		if d.Err != nil {
			one.Err = d.Err.Error()
		}
		kept.Deliveries = append(kept.Deliveries, one)
	}
	text, err := json.MarshalIndent(kept, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "facts.json"), text, 0o600)
}
