package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"github.com/reducto-go/reducto/webhook/inbox"
)

// mostGrowth is the goal: the cost beside that of the small table.
const mostGrowth = 1.3

// spread is the time in which the done records of a table were submitted: they are kept as
// long.
const spread = 48 * time.Hour

// sized is a table of a size.
type sized struct {
	*database
	done  int
	known [][2]string          // keys and jobs of some done records, in no order
	costs map[string][]float64 // by operation, in seconds, one for each round
}

// operation is a thing that the table is asked to do. do does it once, with the call's number.
type operation struct {
	name string
	do   func(ctx context.Context, i int) error
}

func measureSizes(ctx context.Context, r *run) (found report, err error) {
	var tables []*sized
	defer func() {
		for _, t := range tables {
			err = errors.Join(err, t.drop(ctx))
		}
	}()
	for _, n := range r.sizes {
		r.log("sizes: a table of %s done records", grouped(n))
		d, err := create(ctx)
		if err != nil {
			return report{}, err
		}
		t := &sized{database: d, done: n, costs: map[string][]float64{}}
		tables = append(tables, t)
		if err := r.prepare(ctx, t); err != nil {
			return report{}, err
		}
	}
	var names []string
	for round := range 1 + r.rounds { // the first one warms up
		r.log("sizes: round %d of %d", round, r.rounds)
		for k := range tables {
			t := tables[(k+round)%len(tables)]
			operations, err := r.operations(ctx, t)
			if err != nil {
				return report{}, err
			}
			names = names[:0]
			for _, o := range operations {
				names = append(names, o.name)
				var times []float64
				for i := range r.calls {
					began := time.Now()
					if err := o.do(ctx, i); err != nil {
						return report{}, fmt.Errorf("%s, %d records: %w", o.name, t.done, err)
					}
					times = append(times, time.Since(began).Seconds())
				}
				if round > 0 {
					t.costs[o.name] = append(t.costs[o.name], median(times))
				}
			}
			// Receive took as many pending records, without those that Submit has added.
			if err := t.fill(ctx, inbox.StatePending, r.calls*r.batch-1, time.Minute); err != nil {
				return report{}, err
			}
		}
	}
	sweeps := [][]string{{"Done records", "Requests of a sweep", "Time", "Peak memory", "Table and indexes", ""}}
	first := 0.0
	for _, t := range tables {
		r.log("sizes: a sweep beside %s done records", grouped(t.done))
		s, err := r.sweep(ctx, t.database)
		if err != nil {
			return report{}, err
		}
		if first == 0 {
			first = s.Peak
		}
		var bytes float64
		err = t.QueryRowContext(ctx, `SELECT pg_total_relation_size('reducto_records') + pg_total_relation_size('reducto_jobs')`).Scan(&bytes)
		if err != nil {
			return report{}, err
		}
		sweeps = append(sweeps, []string{
			grouped(t.done), fmt.Sprint(s.Requests), fmt.Sprintf("%.1f s", s.Seconds), fmt.Sprintf("%.0f MB", s.Peak),
			fmt.Sprintf("%.0f MB", bytes/1e6), verdictOf(s.Peak <= mostGrowth*first),
		})
	}
	buffers := ""
	if err := tables[0].QueryRowContext(ctx, `SHOW shared_buffers`).Scan(&buffers); err != nil {
		return report{}, err
	}
	costs, lines := growth(r, tables, names)
	return report{
		note: fmt.Sprintf("Each table also has %s pending and %s due records. Costs are multiples of those of the table with %s done records. "+
			"The goal is at most %.1f. PostgreSQL's shared_buffers are %s.", grouped(r.pending), grouped(r.due), grouped(r.sizes[0]), mostGrowth, buffers),
		tables: [][][]string{costs, sweeps},
		plot:   plot(r.sizes, lines),
	}, nil
}

// prepare fills a table.
func (r *run) prepare(ctx context.Context, t *sized) error {
	err := t.fill(ctx, inbox.StateDone, t.done, spread)
	if err == nil {
		err = t.fill(ctx, inbox.StateReceived, r.due, 5*time.Minute)
	}
	if err == nil {
		err = t.fill(ctx, inbox.StatePending, r.pending, 5*time.Minute)
	}
	if err == nil {
		err = t.do(ctx, `VACUUM (ANALYZE)`)
	}
	if err != nil {
		return err
	}
	// Purge removes the oldest ones meanwhile.
	part := min(100, 100*float64(400*r.rounds*r.calls)/float64(t.done))
	rows, err := t.QueryContext(ctx, fmt.Sprintf(`SELECT key, heard FROM reducto_records TABLESAMPLE SYSTEM (%g)
WHERE state = 'done' AND due_at > $1`, part), time.Now().Add(-spread/4).UnixMicro())
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var known [2]string
		if err := rows.Scan(&known[0], &known[1]); err != nil {
			return err
		}
		t.known = append(t.known, known)
	}
	if len(t.known) == 0 {
		return errors.Join(errors.New("the sample of the table is empty: try again"), rows.Err())
	}
	rand.Shuffle(len(t.known), func(i, j int) { t.known[i], t.known[j] = t.known[j], t.known[i] })
	return rows.Err()
}

// operations are those of a round. They leave as many records in each state as there were,
// except for the pending ones.
func (r *run) operations(ctx context.Context, t *sized) ([]operation, error) {
	targets, err := t.sample(ctx, r.calls*(r.batch+1))
	if err != nil {
		return nil, err
	}
	receive := func(n int) func(context.Context, int) error {
		return func(ctx context.Context, _ int) error {
			results, err := t.store.Receive(ctx, targets[:n])
			targets = targets[n:]
			for _, result := range results {
				if result.Kind != inbox.Accepted {
					return fmt.Errorf("it is %v", result)
				}
			}
			return err
		}
	}
	claims := make([][]inbox.Record, r.calls)
	list := func(f func() inbox.Filter) func(context.Context, int) error {
		return func(ctx context.Context, _ int) error {
			filter := f()
			filter.Newest, filter.WithoutMetadata = true, true
			records, err := t.store.List(ctx, filter)
			if err == nil && len(records) == 0 {
				err = errors.New("no record was found")
			}
			return err
		}
	}
	return []operation{
		{"Submit and Bind", func(ctx context.Context, _ int) error {
			return submit(ctx, t.store, newSubmission(), uuid.NewString())
		}},
		{"Receive 1", receive(1)},
		{fmt.Sprint("Receive ", r.batch), receive(r.batch)},
		{fmt.Sprint("Claim ", r.batch), func(ctx context.Context, i int) (err error) {
			if claims[i], _, err = t.store.Claim(ctx, r.batch, lease); err == nil && len(claims[i]) != r.batch {
				err = fmt.Errorf("%d were claimed", len(claims[i]))
			}
			return err
		}},
		{fmt.Sprint("Finish ", r.batch), func(ctx context.Context, i int) error {
			_, err := t.store.Finish(ctx, finish(claims[i]))
			return err
		}},
		{"Overdue", func(ctx context.Context, _ int) error {
			list, err := t.store.Overdue(ctx, 1000, func(*inbox.Record) time.Duration { return 0 })
			if err == nil && len(list) == 0 {
				err = errors.New("nothing is overdue")
			}
			return err
		}},
		{"List newest", list(func() inbox.Filter { return inbox.Filter{Limit: 51} })},
		{"List later page", list(func() inbox.Filter { return inbox.Filter{Limit: 51, After: t.next()[0]} })},
		{"List by key", list(func() inbox.Filter { return inbox.Filter{Limit: 1, Keys: []string{t.next()[0]}} })},
		{"List by job", list(func() inbox.Filter { return inbox.Filter{Limit: 1, JobID: t.next()[1]} })},
		{"List pending", list(func() inbox.Filter {
			return inbox.Filter{Limit: 51, States: []inbox.State{inbox.StatePending}}
		})},
		{"Stats", func(ctx context.Context, _ int) error {
			stats, err := t.store.Stats(ctx)
			if err == nil && (stats.Due == 0 || stats.Count[inbox.StatePending] == 0) {
				err = fmt.Errorf("it counts %v", stats)
			}
			return err
		}},
		{"Purge", func(ctx context.Context, _ int) error {
			n, err := t.store.Purge(ctx, time.Millisecond, lease, r.batch)
			if err == nil && n != r.batch {
				err = fmt.Errorf("%d records were removed", n)
			}
			return err
		}},
	}, nil
}

// next returns the key and the job of a done record.
func (t *sized) next() [2]string {
	known := t.known[0]
	t.known = append(t.known[1:], known)
	return known
}

// sample returns notifications for pending records in no order.
func (t *sized) sample(ctx context.Context, n int) (list []inbox.Notification, err error) {
	rows, err := t.QueryContext(ctx, `SELECT key, jobs::json -> 0 ->> 'id' FROM reducto_records
WHERE webhook IN (false, true) AND state = 'pending' ORDER BY random() LIMIT $1`, n)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var key, job string
		if err := rows.Scan(&key, &job); err != nil {
			return nil, err
		}
		list = append(list, notification(key, job))
	}
	if err == nil && len(list) < n {
		err = fmt.Errorf("%d records are pending", len(list))
	}
	return list, errors.Join(err, rows.Err())
}

// line is the cost of an operation beside that of the small table, for each size.
type line struct {
	name   string
	ratios []float64
}

// growth compares the costs.
func growth(r *run, tables []*sized, names []string) (rows [][]string, lines []line) {
	head := []string{"Operation", "Small table"}
	for _, n := range r.sizes[1:] {
		head = append(head, grouped(n))
	}
	rows = append(rows, append(head, ""))
	for _, name := range names {
		small := tables[0].costs[name]
		row, l, worst := []string{name, fmt.Sprintf("%.2f ms", median(small)*1000)}, line{name, []float64{1}}, 0.0
		for _, t := range tables[1:] {
			var ratios []float64
			for i, cost := range t.costs[name] {
				ratios = append(ratios, cost/small[i])
			}
			ratio := median(ratios)
			row, l.ratios, worst = append(row, fmt.Sprintf("%.2f", ratio)), append(l.ratios, ratio), max(worst, ratio)
		}
		rows, lines = append(rows, append(row, verdictOf(worst <= mostGrowth))), append(lines, l)
	}
	return rows, lines
}
