package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/reducto-go/reducto"
)

// swept is what a child needed for a sweep. Peak is of its memory, in MB.
type swept struct {
	Requests int64
	Seconds  float64
	Calls    int64
	Peak     float64
}

// sweep has a child sweep a table.
func (r *run) sweep(ctx context.Context, d *database) (s swept, err error) {
	api := new(jobList)
	rows, err := d.QueryContext(ctx, `SELECT jobs::json -> 0 ->> 'id', submitted_at FROM reducto_records
WHERE webhook IN (false, true) AND state = 'pending' ORDER BY submitted_at DESC`)
	if err != nil {
		return s, err
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		var at int64
		if err := rows.Scan(&id, &at); err != nil {
			return s, err
		}
		api.jobs = append(api.jobs, reducto.JobSummary{
			JobID: id, Status: reducto.JobStatusPending, Type: reducto.JobTypeParse, CreatedAt: reducto.Time{Time: time.UnixMicro(at).UTC()},
		})
	}
	if err := rows.Err(); err != nil {
		return s, err
	}
	server := httptest.NewServer(api)
	defer server.Close()
	c, err := startChild(ctx, order{Schema: d.schema, Sweep: true, URL: server.URL})
	if err != nil {
		return s, err
	}
	err = c.answer(&s)
	if err = errors.Join(err, c.end()); err != nil {
		return s, err
	}
	if s.Requests = api.requests.Load(); s.Requests == 0 || api.wrong.Load() > 0 {
		err = fmt.Errorf("of %d requests %d were not for jobs", s.Requests, api.wrong.Load())
	}
	return s, err
}

// sweepOnce runs an Inbox once, and tells out what it needed.
func sweepOnce(ctx context.Context, o order, out io.Writer) error {
	d, err := connect(ctx, o.Schema)
	if err != nil {
		return err
	}
	defer d.Close()
	var calls atomic.Int64
	in, err := newInbox(d.store, &calls)
	if err != nil {
		return err
	}
	client, err := reducto.NewClient(reducto.WithAPIKey("key"), reducto.WithBaseURL(o.URL))
	if err != nil {
		return err
	}
	debug.SetGCPercent(20) // the peak is then of memory in use, and not of garbage
	began := time.Now()
	if err := in.RunOnce(ctx, client); err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(swept{Seconds: time.Since(began).Seconds(), Calls: calls.Load(), Peak: peakMemory()})
}

// peakMemory returns the largest resident size of this process in MB, zero if the system
// does not tell.
func peakMemory() float64 {
	file, err := os.Open("/proc/self/status")
	if err != nil {
		return 0
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			kB, _ := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(text, "kB")), 64)
			return kB / 1000
		}
	}
	return 0
}

// jobList is an API whose jobs all run, the newest first. It counts requests.
type jobList struct {
	jobs            []reducto.JobSummary
	requests, wrong atomic.Int64
}

func (l *jobList) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.requests.Add(1)
	w.Header().Set("Content-Type", "application/json")
	if id, ok := strings.CutPrefix(r.URL.Path, "/job/"); ok {
		_ = json.NewEncoder(w).Encode(map[string]any{"job_id": id, "status": reducto.JobStatusPending})
		return
	}
	limit, err := strconv.Atoi(r.FormValue("limit"))
	if err != nil || r.URL.Path != "/jobs" {
		l.wrong.Add(1)
		w.WriteHeader(http.StatusNotFound)
		return
	}
	begin, _ := strconv.Atoi(r.FormValue("cursor")) // the first page has none
	end := min(begin+limit, len(l.jobs))
	page := reducto.JobPage{Jobs: l.jobs[begin:end]}
	if end < len(l.jobs) {
		page.NextCursor = strconv.Itoa(end)
	}
	_ = json.NewEncoder(w).Encode(page)
}
