package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// peerWorkers is how many functions run at a time.
const peerWorkers = 16

// pacedRate is how many jobs a second end while latencies are measured.
const pacedRate = 200

// peer is a way to process each job once that has ended.
type peer struct {
	id, name string
	// migrate makes the tables.
	migrate func(context.Context, *scratch) error
	// open starts the workers.
	open func(context.Context, *workplace) (*service, error)

	rates, receiving               []float64 // jobs a second, and those without the submissions
	cpu, receivingCPU, postgresCPU []float64 // seconds a job
	commits                        []float64 // a job
	median, p99                    []float64 // seconds from delivery to function
}

// peers are this library, first, and those that goals name.
func peers() []*peer {
	return []*peer{
		{id: "reducto", name: "reducto, Inbox on sqlstore (database/sql)", migrate: migrateInbox, open: openInbox},
		{id: "river pgx", name: "River, pgx", migrate: migrateRiver, open: openRiverPgx},
		{id: "river sql", name: "River, database/sql", migrate: migrateRiver, open: openRiverSQL},
		{id: "skip locked", name: "table + SKIP LOCKED by hand, pgx", migrate: migrateSkipLocked, open: openSkipLocked},
		{id: "asynq", name: "asynq on Redis, not transactional", migrate: migrateNothing, open: openAsynq},
	}
}

// goals returns the ids of the goals that a peer is compared in.
func (p *peer) goals() []string {
	ids := []string{p.id + " CPU", p.id + " p99"}
	if p.id == "river sql" {
		ids = append(ids, p.id+" rate")
	}
	return ids
}

// workplace is what a peer works with.
type workplace struct {
	postgres string // URL
	api      string // URL
	webhook  string // URL of the handler
	task     *task
}

// service is a peer at work.
type service struct {
	handler   http.Handler
	submitter submitter
	// stop waits for running functions, and closes connections.
	stop func(context.Context) error
	// clean removes what is not in the database; nil if there is nothing.
	clean func() error
}

// openPool opens a pool with all of its connections.
func openPool(ctx context.Context, url string) (*sql.DB, error) {
	db, err := sql.Open("pgx", url)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(poolSize)
	db.SetMaxIdleConns(poolSize)
	err = openAll(func() (func(), error) {
		conn, err := db.Conn(ctx)
		return func() { _ = conn.Close() }, err
	})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// openPgxPool is openPool with pgx's own pool.
func openPgxPool(ctx context.Context, url string) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	config.MaxConns = poolSize
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	err = openAll(func() (func(), error) {
		conn, err := pool.Acquire(ctx)
		return func() { conn.Release() }, err
	})
	if err != nil {
		pool.Close()
		return nil, err
	}
	return pool, nil
}

// openAll takes all connections of a pool, and gives them back.
func openAll(take func() (giveBack func(), err error)) error {
	for range poolSize {
		giveBack, err := take()
		if err != nil {
			return err
		}
		defer giveBack()
	}
	return nil
}

// measurePeers compares this library with other queues at the same work.
func measurePeers(ctx context.Context, r *run) error {
	list := peers()
	admin, server, err := connectPostgres(ctx)
	if errors.Is(err, errNoPostgres) {
		for _, p := range list[1:] {
			r.leaveOut(err.Error(), p.goals()...)
		}
		return nil
	}
	if err != nil {
		return err
	}
	defer admin.Close()
	if _, err := connectRedis(); errors.Is(err, errNoRedis) {
		last := list[len(list)-1]
		r.leaveOut(err.Error(), last.goals()...)
		list = list[:len(list)-1]
	} else if err != nil {
		return err
	}
	var api servedAPI
	child, err := startChild(ctx, order{Deliver: true}, &api)
	if err != nil {
		return err
	}
	for round := range 1 + r.peerRounds {
		if round == 0 && r.quick {
			continue
		}
		r.log("peers: round %d of %d", round, r.peerRounds)
		fast, paced := r.peerJobs, r.pacedJobs
		if round == 0 { // it warms up
			fast, paced = fast/10, paced/10
		}
		for k := range list {
			p := list[(round+k)%len(list)]
			if err := p.round(ctx, admin, server, api.Plain, fast, paced, round > 0); err != nil {
				return errors.Join(fmt.Errorf("%s: %w", p.name, err), child.end())
			}
		}
	}
	for _, p := range list[1:] {
		ours := list[0]
		r.record(p.id+" CPU", ratios(ours.cpu, p.cpu))
		r.record(p.id+" p99", ratios(ours.p99, p.p99))
		if p.id == "river sql" {
			r.record(p.id+" rate", ratios(ours.rates, p.rates))
		}
	}
	r.peers = append(r.peers, peersTable(r, list))
	return child.end()
}

func peersTable(r *run, list []*peer) peerTable {
	t := peerTable{
		area: "peers", main: true,
		title: fmt.Sprintf("%d jobs submitted, each delivered twice and worked once, %d workers, %d connections", r.peerJobs, peerWorkers, poolSize),
		header: []string{"queue", "jobs a second", "spread", "without submissions", "µs of CPU a job", "spread", "without submissions",
			"µs of PostgreSQL's CPU a job", "commits a job", "p50 in ms", "p99 in ms", "spread"},
		note: fmt.Sprintf("Only reducto keeps a record of each submission. p50 and p99 are from the first delivery to the function, at %d jobs a second.\n"+
			"CPU is that of the process that receives and works. Commits are those of PostgreSQL, also of transactions that only read.", pacedRate),
	}
	for _, p := range list {
		show := func(format string, scale float64, values []float64) string {
			if len(values) == 0 {
				return "-"
			}
			return fmt.Sprintf(format, scale*spreadOf(values).median)
		}
		between := func(format string, scale float64, values []float64) string {
			s := spreadOf(values)
			return fmt.Sprintf(format+" to "+format, scale*s.least, scale*s.most)
		}
		t.rows = append(t.rows, []string{p.name,
			show("%.0f", 1, p.rates), between("%.0f", 1, p.rates), show("%.0f", 1, p.receiving),
			show("%.0f", 1e6, p.cpu), between("%.0f", 1e6, p.cpu), show("%.0f", 1e6, p.receivingCPU),
			show("%.0f", 1e6, p.postgresCPU), show("%.2f", 1, p.commits),
			show("%.1f", 1e3, p.median), show("%.1f", 1e3, p.p99), between("%.1f", 1e3, p.p99)})
	}
	return t
}

// round has a peer do its work on a new database: some jobs as fast as it can, and then
// some at a pace.
func (p *peer) round(ctx context.Context, admin *sql.DB, server *url.URL, api string, fast, paced int, counts bool) (err error) {
	db, err := createScratch(ctx, admin, server)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.drop(ctx)) }()
	if err := p.migrate(ctx, db); err != nil {
		return err
	}
	for _, s := range []*session{
		{peer: p, jobs: fast, counts: counts},
		{peer: p, jobs: paced, rate: pacedRate, counts: counts},
	} {
		if err := s.run(ctx, db, api); err != nil {
			return err
		}
	}
	return db.use(ctx, func(db *sql.DB) error { return checkEffects(ctx, db, fast+paced) })
}

// session is a number of jobs that a peer submits, receives and processes.
type session struct {
	peer   *peer
	jobs   int
	rate   float64 // at which they end; zero for as fast as possible
	counts bool
}

func (s *session) run(ctx context.Context, db *scratch, api string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	commits, err := db.commits(ctx)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	address := listener.Addr().String()
	w := &workplace{postgres: db.url, api: api, webhook: "http://" + address + "/webhook", task: newTask(s.jobs)}
	service, err := s.peer.open(ctx, w)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	closeServer := serveOn(listener, &http.Server{Handler: service.handler, ReadHeaderTimeout: time.Minute})
	work := newCost(s.jobs)
	err = s.work(ctx, db, service, w, work, address)
	closeServer()
	service.submitter.close()
	stopping, cancelStop := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancelStop()
	err = errors.Join(err, service.stop(stopping))
	work.end()
	if service.clean != nil {
		err = errors.Join(err, service.clean())
	}
	if err != nil {
		return err
	}
	after, err := db.commits(ctx)
	if err != nil {
		return err
	}
	if s.counts {
		s.note(work, after-commits)
	}
	return nil
}

// cost is what a session took.
type cost struct {
	jobs                   float64
	cpu                    time.Duration // of this process
	submitCPU, postgresCPU time.Duration
	postgresUnknown        bool
	submitting, receiving  time.Duration
	latencies              []float64
}

func newCost(jobs int) *cost {
	runtime.GC() // what was left behind while this was prepared is not the peer's
	return &cost{jobs: float64(jobs), cpu: cpuTime()}
}

func (c *cost) end() { c.cpu = cpuTime() - c.cpu }

func (s *session) work(ctx context.Context, db *scratch, service *service, w *workplace, c *cost, address string) error {
	before, err := db.backends(ctx)
	if c.postgresUnknown = errors.Is(err, errNoBackends); err != nil && !c.postgresUnknown {
		return err
	}
	began := time.Now()
	if err := service.submitter.submitTimes(ctx, s.jobs, connections); err != nil {
		return err
	}
	c.submitting, c.submitCPU = time.Since(began), cpuTime()-c.cpu
	sent, err := orderDeliveries(ctx, w.api, deliverOrder{Address: address, Rate: s.rate})
	if err != nil {
		return err
	}
	if len(sent) != s.jobs {
		return fmt.Errorf("%d of %d jobs were delivered", len(sent), s.jobs)
	}
	if err := w.task.wait(ctx); err != nil {
		return err
	}
	first := int64(math.MaxInt64)
	for _, at := range sent {
		first = min(first, at)
	}
	c.receiving = w.task.last.Sub(time.Unix(0, first))
	if !c.postgresUnknown {
		after, err := db.backends(ctx)
		if err != nil {
			return err
		}
		c.postgresCPU = after.since(before)
	}
	c.latencies, err = w.task.latencies(sent)
	return err
}

// note keeps the figures of a session: latencies of one at a pace, and everything else of
// one that was as fast as possible.
func (s *session) note(c *cost, commits float64) {
	p := s.peer
	if s.rate > 0 {
		slices.Sort(c.latencies)
		p.median = append(p.median, quantile(c.latencies, 0.5))
		p.p99 = append(p.p99, quantile(c.latencies, 0.99))
		return
	}
	p.rates = append(p.rates, c.jobs/(c.submitting+c.receiving).Seconds())
	p.receiving = append(p.receiving, c.jobs/c.receiving.Seconds())
	p.cpu = append(p.cpu, c.cpu.Seconds()/c.jobs)
	p.receivingCPU = append(p.receivingCPU, (c.cpu-c.submitCPU).Seconds()/c.jobs)
	p.commits = append(p.commits, commits/c.jobs)
	if !c.postgresUnknown {
		p.postgresCPU = append(p.postgresCPU, c.postgresCPU.Seconds()/c.jobs)
	}
}

// quantile returns the least value of a sorted list that so much of the list is not above.
func quantile(sorted []float64, part float64) float64 {
	return sorted[max(0, int(math.Ceil(part*float64(len(sorted))))-1)]
}
