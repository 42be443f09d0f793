package webhook_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/internal/cputime"
	"github.com/reducto-go/reducto/webhook"
)

// byHand is the webhook that a handler written by hand decodes.
type byHand struct {
	Status   string `json:"status"`
	JobID    string `json:"job_id"`
	Metadata struct {
		Secret string `json:"secret"`
	} `json:"metadata"`
}

// readAllUnmarshal is the peer of the handler: it reads and decodes, and does
// nothing else.
func readAllUnmarshal(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	var body byHand
	if err == nil {
		err = json.Unmarshal(raw, &body)
	}
	if err != nil || body.JobID == "" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusOK)
}

// svixByHand verifies as the scheme's description says, step by step.
type svixByHand struct{ key []byte }

func (s svixByHand) verify(h http.Header, body []byte) error {
	id, stamp, signatures := h.Get("svix-id"), h.Get("svix-timestamp"), h.Get("svix-signature")
	if id == "" || stamp == "" || signatures == "" {
		return errors.New("missing headers")
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return err
	}
	at, now := time.Unix(seconds, 0), time.Now()
	if now.Sub(at) > 5*time.Minute || at.Sub(now) > 5*time.Minute {
		return errors.New("too old or from the future")
	}
	mac := hmac.New(sha256.New, s.key)
	mac.Write(fmt.Appendf(nil, "%s.%d.%s", id, at.Unix(), body))
	want := []byte(base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	for _, signature := range strings.Split(signatures, " ") {
		version, encoded, _ := strings.Cut(signature, ",")
		if version == "v1" && hmac.Equal([]byte(encoded), want) {
			return nil
		}
	}
	return errors.New("no signature fits")
}

func (s svixByHand) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	if err == nil {
		err = s.verify(r.Header, raw)
	}
	var body byHand
	if err == nil {
		err = json.Unmarshal(raw, &body)
	}
	if err != nil || body.JobID == "" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusOK)
}

// delivery has a handler answer one delivery again and again, without a network.
type delivery struct {
	r      *http.Request
	body   []byte
	reader benchReader
	w      benchWriter
}

func newDelivery(tb testing.TB, body []byte, header http.Header) *delivery {
	r, err := http.NewRequestWithContext(tb.Context(), http.MethodPost, "http://app.test/webhook", nil)
	require.NoError(tb, err)
	if header != nil {
		r.Header = header
	}
	r.ContentLength = int64(len(body))
	return &delivery{r: r, body: body, w: benchWriter{header: http.Header{}}}
}

func (d *delivery) to(h http.Handler) int {
	d.reader.Reset(d.body)
	d.r.Body = &d.reader
	h.ServeHTTP(&d.w, d.r)
	return d.w.status
}

func (d *delivery) side(tb testing.TB, h http.Handler) cputime.Side {
	return func(n int) {
		for range n {
			if status := d.to(h); status != http.StatusOK {
				tb.Fatalf("answered %d", status)
			}
		}
	}
}

// hotCase is a delivery of a kind, its handler and the peer.
type hotCase struct {
	name    string
	handler *webhook.Handler
	peer    http.Handler
	body    []byte
	header  http.Header
	allocs  float64 // at most
}

func hotCases(tb testing.TB) []hotCase {
	nothing := func(context.Context, *webhook.Delivery) error { return nil }
	handler := func(v webhook.Verifier, err error) *webhook.Handler {
		require.NoError(tb, err)
		h, err := webhook.NewHandler(v, nothing)
		require.NoError(tb, err)
		return h
	}
	secret := `{"status":"Completed","job_id":"204a39e4-dd10-4c83-a978-0cee4af8cde2","metadata":{"secret":"` + testSecret + `"}}`
	unsigned := `{"status":"Completed","job_id":"204a39e4-dd10-4c83-a978-0cee4af8cde2","metadata":{"user_id":"123","environment":"test"}}`

	signer, err := webhook.NewSigner([]webhook.Key{{ID: "k1", Secret: bytes.Repeat([]byte("k"), 32)}})
	require.NoError(tb, err)
	signed := webhook.NewTestRequest("http://app.test/webhook", signer, jobA, reducto.JobStatusCompleted, nil)
	token, err := io.ReadAll(signed.Body)
	require.NoError(tb, err)

	key := bytes.Repeat([]byte("s"), 32)
	svix := handler(webhook.NewSvix("whsec_" + base64.StdEncoding.EncodeToString(key)))
	id, stamp := "msg_2Lh9KRb0pzN4LePd3XiA4v12Axj", strconv.FormatInt(time.Now().Unix(), 10)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + stamp + "." + unsigned))
	svixHeader := http.Header{
		"Svix-Id": {id}, "Svix-Timestamp": {stamp},
		"Svix-Signature": {"v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))},
	}
	unmarshal := http.HandlerFunc(readAllUnmarshal)
	return []hotCase{
		{"Secret", handler(webhook.NewSecret(testSecret)), unmarshal, []byte(secret), nil, 2},
		{"Secret with metadata", handler(webhook.NewSecret(testSecret)), unmarshal, []byte(benchBody), nil, 3},
		{"Signer", handler(signer, nil), unmarshal, token, nil, 2},
		{"Svix", svix, svixByHand{key}, []byte(unsigned), svixHeader, 3},
	}
}

// BenchmarkDeliveryRatio compares the CPU time of a handler, with all that it
// checks, to that of one written by hand. Every delivery but the first is a
// duplicate, as it is read, verified, parsed and found.
func BenchmarkDeliveryRatio(b *testing.B) {
	for _, c := range hotCases(b) {
		b.Run(c.name, func(b *testing.B) {
			d := newDelivery(b, c.body, c.header)
			for b.Loop() {
				cputime.Compare(d.side(b, c.handler), d.side(b, c.peer)).Report(b)
			}
		})
	}
}

// What a delivery allocates is the same on every machine, and easily lost.
func TestDeliveryAllocations(t *testing.T) { // not parallel: it counts
	if raceEnabled {
		t.Log("the race detector makes sync.Pool forget")
		return
	}
	for _, c := range hotCases(t) {
		d := newDelivery(t, c.body, c.header)
		require.Equal(t, http.StatusOK, d.to(c.handler), c.name)
		allocs := testing.AllocsPerRun(2000, func() { d.to(c.handler) })
		require.LessOrEqual(t, allocs, c.allocs, c.name)
	}
}
