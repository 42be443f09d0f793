package inbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/internal/safe"
)

// HistoryStore is a Store that also keeps the histories of its records. An Inbox with
// WithHistory writes them, and Inbox.History reads them.
type HistoryStore interface {
	// AppendHistory adds entries to the histories of their records. It drops entries of
	// records that do not exist. Of each record it keeps the first HistoryFirst and the
	// latest HistoryLatest entries. It may be called with up to 256 entries.
	AppendHistory(ctx context.Context, list []HistoryEntry) error

	// History returns the entries of a record by time. Entries of one time are in the
	// order in which they were added. When a record is removed, its history is removed.
	History(ctx context.Context, key string) ([]HistoryEntry, error)
}

// The number of entries that a HistoryStore keeps for each record.
const (
	// HistoryFirst is how many of the first entries are kept.
	HistoryFirst = 8
	// HistoryLatest is how many of the latest entries are kept.
	HistoryLatest = 56
)

// HistoryKind is what happened to a record.
type HistoryKind string

// The kinds of HistoryEntry.
const (
	// HistorySubmitted: the submission was recorded before it was sent, or the job was
	// tracked.
	HistorySubmitted HistoryKind = "submitted"
	// HistoryBound: the API's answer to the submission was recorded.
	HistoryBound HistoryKind = "bound"
	// HistoryDelivered: a delivery was the first that announced the job's end.
	HistoryDelivered HistoryKind = "delivered"
	// HistoryDuplicate: a delivery announced it again.
	HistoryDuplicate HistoryKind = "duplicate"
	// HistoryRefused: a delivery was not taken in.
	HistoryRefused HistoryKind = "refused"
	// HistoryPolled: the reconciler found the job's end.
	HistoryPolled HistoryKind = "polled"
	// HistoryClaimed: a worker claimed the record.
	HistoryClaimed HistoryKind = "claimed"
	// HistoryReleased: the worker gave the record back without a failed attempt.
	HistoryReleased HistoryKind = "released"
	// HistoryFailed: the function failed, and is called again.
	HistoryFailed HistoryKind = "failed"
	// HistoryFenced: the claim was lost, or its completion was refused.
	HistoryFenced HistoryKind = "fenced"
	// HistoryDone: the record became done.
	HistoryDone HistoryKind = "done"
	// HistoryDead: the record became dead.
	HistoryDead HistoryKind = "dead"
	// HistoryReplayed: Replay queued the record again.
	HistoryReplayed HistoryKind = "replayed"
)

// HistoryEntry is one event in the life of a record.
type HistoryEntry struct {
	// Key is the record's.
	Key string
	// At is when it happened, by the clock of the process that noted it. The times of a
	// Record are the store's, so the two can differ.
	At time.Time
	// Kind is what happened.
	Kind HistoryKind
	// JobID is the job that the answer, the delivery or the poll named. It is empty for
	// other kinds.
	JobID string
	// StatusCode is the answer to a delivery, zero for other kinds.
	StatusCode int
	// Attempt is the number of the attempt, zero if there is none.
	Attempt int
	// Detail is a reason, for people, of at most 500 bytes. It has no secrets, no
	// metadata and no document content, unless the function puts them into its errors.
	// URLs in errors have no password and no query.
	Detail string
}

// WithHistory makes the Inbox write the history of each record to the store: its
// submission, deliveries with their answers, and attempts with their errors. Package
// dashboard shows it. The store must be a HistoryStore, as MemoryStore and package
// sqlstore are.
//
// One goroutine writes entries in batches, after the deliveries and completions
// themselves. It is best effort: a crash loses the last batch, and entries are dropped
// while the store fails or is too slow (Stats.HistoryLost). A job has about five
// entries. Default: no history.
func WithHistory() Option {
	return func(c *config) error {
		c.history = true
		return nil
	}
}

// errNoHistory is the error of History if the store is no HistoryStore.
var errNoHistory = fmt.Errorf("inbox: the store keeps no history: use one that implements HistoryStore: %w", errors.ErrUnsupported)

// History returns the history of the record with this key, by time. It is empty if there
// is none, for example because no Inbox on this store has WithHistory. The error is
// errors.ErrUnsupported if the store is no HistoryStore.
func (in *Inbox) History(ctx context.Context, key string) ([]HistoryEntry, error) {
	s, ok := in.store.Store.(HistoryStore)
	if !ok {
		return nil, errNoHistory
	}
	return readHistory(ctx, s, Key(key))
}

func readHistory(ctx context.Context, s HistoryStore, key string) (list []HistoryEntry, err error) {
	defer contained(&err)
	return s.History(ctx, key)
}

const (
	// historyQueue is how many entries wait for a slow store. Further ones are dropped.
	historyQueue = 16 << 10
	// historyBatch is how many entries the store gets at a time.
	historyBatch = 256
	// historyPause is the time in which entries gather for a batch.
	historyPause = 200 * time.Millisecond
	// historyDetail is the longest Detail in bytes.
	historyDetail = 500
)

// historyWriter writes entries to the store. Its goroutine exists only while there are
// entries.
type historyWriter struct {
	store   HistoryStore
	timeout time.Duration
	log     *safe.Log
	faults  safe.Limiter // of log records
	calls   safe.Calls
	lost    atomic.Uint64
	wake    signal // write the next batch without a pause

	mu       sync.Mutex
	queue    []HistoryEntry
	draining bool
	flushing int // calls of flush that wait
}

func newHistoryWriter(s HistoryStore, timeout time.Duration, log *safe.Log) *historyWriter {
	return &historyWriter{
		store: s, timeout: timeout, log: log, faults: safe.Limiter{Every: time.Minute},
		calls: safe.Calls{Max: 1}, wake: newSignal(),
	}
}

func (h *historyWriter) add(e HistoryEntry) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.queue) >= historyQueue {
		h.lost.Add(1)
		return
	}
	h.queue = append(h.queue, e)
	if len(h.queue) >= historyBatch {
		h.wake.send()
	}
	h.start()
}

// start starts the goroutine if there is none. The lock is held.
func (h *historyWriter) start() {
	if !h.draining {
		h.draining = true
		h.calls.Do(h.drain)
	}
}

// drain writes batches until there are no entries.
func (h *historyWriter) drain(ctx context.Context) {
	defer func() { // even if the store ends the goroutine
		h.mu.Lock()
		defer h.mu.Unlock()
		h.draining = false
		if len(h.queue) > 0 {
			h.start()
		}
	}()
	for {
		h.pause()
		batch := h.take()
		if len(batch) == 0 {
			return
		}
		if err := h.write(ctx, batch); err != nil {
			h.lost.Add(uint64(len(batch)))
			if suppressed, ok := h.faults.Allow(time.Now()); ok {
				h.log.Log(ctx, slog.LevelWarn, "inbox: a part of the history could not be recorded; records are not affected",
					safe.Error(err), slog.Int("entries", len(batch)), slog.Int("suppressed", suppressed))
			}
		}
	}
}

// pause waits until a batch has gathered.
func (h *historyWriter) pause() {
	h.mu.Lock()
	hurry := h.flushing > 0 || len(h.queue) >= historyBatch
	h.mu.Unlock()
	if hurry {
		return
	}
	timer := time.NewTimer(historyPause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-h.wake:
	}
}

func (h *historyWriter) take() []HistoryEntry {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := min(len(h.queue), historyBatch)
	batch := h.queue[:n:n]
	if h.queue = h.queue[n:]; len(h.queue) == 0 {
		h.queue = nil
	}
	return batch
}

func (h *historyWriter) write(ctx context.Context, batch []HistoryEntry) (err error) {
	defer contained(&err)
	ctx, cancel := context.WithTimeoutCause(ctx, h.timeout, errStoreTimeout)
	defer cancel()
	return h.store.AppendHistory(ctx, batch)
}

// flush returns when all entries have been written or dropped, or with ctx's error.
func (h *historyWriter) flush(ctx context.Context) error {
	if h == nil {
		return nil
	}
	h.mu.Lock()
	h.flushing++
	h.mu.Unlock()
	h.wake.send()
	defer func() {
		h.mu.Lock()
		h.flushing--
		h.mu.Unlock()
	}()
	return h.calls.Wait(ctx)
}

// note adds an entry to the history, if there is one. Its time is now unless it is set.
func (in *Inbox) note(e HistoryEntry) {
	if in.history == nil || e.Key == "" {
		return
	}
	if e.At.IsZero() {
		e.At = time.Now()
	}
	e.At = e.At.UTC().Truncate(time.Microsecond)
	e.Detail = safe.Head(e.Detail, historyDetail)
	in.history.add(e)
}

// noteClaim adds what happened to a claim.
func (in *Inbox) noteClaim(c *claim, kind HistoryKind, detail string) {
	in.note(HistoryEntry{Key: c.record.Key, Kind: kind, Attempt: c.record.Attempt, Detail: detail})
}

// noteEnd adds how a claim ended.
func (in *Inbox) noteEnd(c *claim, done *Completion) {
	kind, detail := HistoryDone, done.Error
	switch {
	case done.State == StateDead:
		kind = HistoryDead
	case done.State == StateReceived && done.Attempt == c.record.Attempt:
		kind = HistoryFailed
	case done.State == StateReceived:
		kind = HistoryReleased
	case detail == "":
		detail = string(done.Outcome)
	}
	in.noteClaim(c, kind, detail)
}

// noteAnswer adds the API's answer to a submission.
func (in *Inbox) noteAnswer(a Answer, detail string) {
	if in.history == nil {
		return
	}
	switch {
	case detail != "" || a.JobID != "":
	case a.Jobs == 0:
		detail = "the API refused the submission"
	default:
		detail = "the answer was lost"
	}
	in.note(HistoryEntry{Key: Key(a.SubmissionID), Kind: HistoryBound, JobID: a.JobID, Detail: detail})
}

// noteDelivery adds a delivery that arrived at a time, and its answer.
func (in *Inbox) noteDelivery(e *webhook.Event, at time.Time, r ReceiveResult, code int, err error) {
	if in.history == nil {
		return
	}
	entry := HistoryEntry{Key: r.Key, At: at, Kind: HistoryDelivered, JobID: e.JobID, StatusCode: code, Detail: string(e.Status)}
	switch {
	case err != nil:
		entry.Kind, entry.Detail = HistoryRefused, "the store failed"
	case r.Kind == Duplicate:
		entry.Kind = HistoryDuplicate
	case r.Kind == Refused:
		entry.Kind, entry.Detail = HistoryRefused, "the job is not one of this submission"
	}
	if entry.Key == "" {
		entry.Key = Key(e.SubmissionID)
	}
	if entry.Key == "" {
		entry.Key = Key(e.JobID)
	}
	in.note(entry)
}
