package storetest

import (
	"context"
	"reflect"
	"slices"
	"time"

	"github.com/reducto-go/reducto/webhook"
)

// compare compares everything that the store has with the model, and adopts from
// it what the model cannot know.
func (p *player) compare() {
	if p.wrong != "" || p.slow {
		return
	}
	p.tick()
	got := p.list()
	want := make([]string, 0, len(p.m.records))
	for _, mr := range p.m.records {
		want = append(want, mr.Key)
	}
	if !slices.Equal(keysOf(got), want) {
		p.wrongf("there are the records %q, want %q", keysOf(got), want)
		return
	}
	for i, r := range got {
		p.compareRecord(r, p.m.records[i])
	}
	p.compareStats()
}

func (p *player) compareRecord(r webhook.Record, mr *modelRecord) {
	want := mr.Record
	for _, j := range mr.jobs {
		want.JobIDs = append(want.JobIDs, j.id)
		if !j.stated {
			want.Unconfirmed = append(want.Unconfirmed, j.id)
		}
	}
	switch {
	case mr.State != webhook.StatePending:
		if mr.accepted != "" {
			want.JobID = mr.job(mr.accepted).id
		}
	case slices.ContainsFunc(mr.jobs, func(j modelJob) bool { return j.stated && j.id == r.JobID }):
		want.JobID = r.JobID // any of them
	default:
		if i := slices.IndexFunc(mr.jobs, func(j modelJob) bool { return j.stated }); i >= 0 {
			want.JobID = mr.jobs[i].id
		}
	}
	got := normal(r)
	got.SubmittedAt, got.ReceivedAt, got.FinishedAt, got.DueAt, got.ReadAt = want.SubmittedAt, want.ReceivedAt, want.FinishedAt, want.DueAt, want.ReadAt
	if want = normal(want); !reflect.DeepEqual(got, want) {
		p.wrongf("there is  %s\nwant      %s", describe(got), describe(want))
		return
	}

	p.compareTime(r, "SubmittedAt", r.SubmittedAt, mr.submitted)
	p.compareTime(r, "ReceivedAt", r.ReceivedAt, mr.received)
	p.compareTime(r, "FinishedAt", r.FinishedAt, mr.finished)
	switch {
	case mr.State == webhook.StateDone || mr.State == webhook.StateDead:
	case mr.spread:
		due := p.m.now + r.DueAt.Sub(r.ReadAt)
		if due < mr.dueFrom-tolerance || due > mr.dueTo+tolerance {
			p.wrongf("%s is due in %v, want %v to %v", r.Key, due-p.m.now, mr.dueFrom-p.m.now, mr.dueTo-p.m.now)
		}
		mr.due, mr.spread = moment{at: due, set: true}, false
	default:
		p.compareTime(r, "DueAt", r.DueAt, mr.due)
	}
}

func (p *player) compareTime(r webhook.Record, name string, got time.Time, want moment) {
	if got.IsZero() == want.set {
		p.wrongf("%s of %s is set: %v, want %v", name, r.Key, !got.IsZero(), want.set)
		return
	}
	if d, w := got.Sub(r.ReadAt), want.at-p.m.now; want.set && (d-w).Abs() > tolerance {
		p.wrongf("%s of %s is %v from now, want %v", name, r.Key, d, w)
	}
}

func (p *player) compareStats() {
	var got webhook.StoreStats
	if !p.ok(func(ctx context.Context) (err error) { got, err = p.store.Stats(ctx); return err }) {
		return
	}
	count := map[webhook.State]int{}
	var due, pending, unfinished time.Duration
	for _, r := range p.m.records {
		count[r.State]++
		began := r.received.at
		if r.submitted.set {
			began = r.submitted.at
		}
		switch r.State {
		case webhook.StatePending:
			pending = max(pending, p.m.now-began)
			unfinished = max(unfinished, p.m.now-began)
		case webhook.StateReceived, webhook.StateClaimed:
			unfinished = max(unfinished, p.m.now-began)
			if p.m.over(r.due) {
				due = max(due, p.m.now-r.due.at)
			}
		}
	}
	for _, s := range []webhook.State{webhook.StatePending, webhook.StateReceived, webhook.StateClaimed, webhook.StateDone, webhook.StateDead} {
		if got.Count[s] != count[s] {
			p.wrongf("Stats counts %d %s, want %d", got.Count[s], s, count[s])
		}
	}
	// What became due since the last call is not counted by all in the same way.
	if p.close(nil) {
		return
	}
	if want := len(p.m.claimable()); got.Due != want {
		p.wrongf("Stats counts %d due, want %d", got.Due, want)
	}
	for _, d := range []struct {
		name      string
		got, want time.Duration
	}{
		{"OldestDue", got.OldestDue, due},
		{"OldestPending", got.OldestPending, pending},
		{"OldestUnfinished", got.OldestUnfinished, unfinished},
	} {
		if (d.got - d.want).Abs() > tolerance {
			p.wrongf("%s is %v, want %v", d.name, d.got, d.want)
		}
	}
}
