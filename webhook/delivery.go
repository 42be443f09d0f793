package webhook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"time"

	"github.com/reducto-go/reducto"
)

// Func processes the end of a job. It is called with every outcome: switch on
// d.Outcome, or on the type of the job's result.
//
// nil means that the job is done with. An error has it delivered again, unless it
// is Permanent or reducto.ErrExpired. A panic counts as an error.
//
// Effects are at least once: a process can die between your effect and the answer
// that says so. Make the effect idempotent, by the job's id for example.
type Func func(ctx context.Context, d *Delivery) error

// ErrNoClient is returned where a delivery's job is asked for, but nobody gave a
// client.
var ErrNoClient = errors.New("webhook: no client to fetch the job with: give the handler one with WithClient")

// Delivery is the end of a job, as a Func gets it. It is safe for concurrent use,
// and prints without its metadata, which can be personal data.
type Delivery struct {
	// Event is what the webhook said, verified.
	Event
	// Outcome is how the job ended: what the API says where there is a client, what
	// the webhook said otherwise. The two can differ; Event.Status is the webhook's.
	Outcome Outcome
	// Attempt counts the calls of the function for this job, from 1, as far as this
	// process knows.
	Attempt int
	// ReceivedAt is when the delivery arrived.
	ReceivedAt time.Time

	source    *jobSource // nil without a client
	completer *completer // nil without a store
}

// Job fetches the job, with its result if it completed. It is fetched once,
// however often and by however many goroutines it is asked for, so do not change
// it. A fetch that failed is repeated by the next call.
//
// If the job or its result is gone the error is reducto.ErrExpired: return it. If
// there is no client it is ErrNoClient. Others are those of reducto.Client.GetJob.
// Returning any of them from the Func does what is right.
func (d *Delivery) Job(ctx context.Context) (*reducto.Job, error) {
	if d.source == nil {
		return nil, ErrNoClient
	}
	return d.source.fetch(ctx)
}

// Format prints job, outcome, status and attempt, with every verb.
func (d Delivery) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "webhook.Delivery(job "+d.JobID+", outcome "+string(d.Outcome)+
		", status "+string(d.Status)+", attempt "+strconv.Itoa(d.Attempt)+")")
}

// LogValue logs what Format prints, and the ids of submission and key.
func (d Delivery) LogValue() slog.Value { return slog.GroupValue(d.attrs()...) }

func (d *Delivery) attrs() []slog.Attr {
	return append(d.Event.attrs(),
		slog.String("outcome", string(d.Outcome)), slog.Int("attempt", d.Attempt))
}
