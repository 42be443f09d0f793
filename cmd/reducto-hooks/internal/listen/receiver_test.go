package listen_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/cmd/reducto-hooks/internal/listen"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
)

// verifiers are the ways to sign a webhook.
func verifiers(t *testing.T) map[string]webhook.Verifier {
	secret, err := webhook.NewSecret(testSecret)
	require.NoError(t, err)
	signer, err := webhook.NewSigner([]webhook.Key{{ID: "k1", Secret: []byte(testSecret)}})
	require.NoError(t, err)
	svix, err := webhook.NewSvix("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	require.NoError(t, err)
	return map[string]webhook.Verifier{"secret": secret, "signer": signer, "svix": svix}
}

func document(metadata any) reducto.ParseRequest {
	return reducto.ParseRequest{Input: reducto.URL("https://example.com/document.pdf"), Async: reducto.Async{Metadata: metadata}}
}

// An application on a laptop submits with its Inbox, and with a URL that nothing reaches.
func TestReceiversAcceptWhatIsForwarded(t *testing.T) {
	type seen struct {
		metadata string
		origin   listen.Origin
	}
	for name, tt := range map[string]struct {
		withRecords, hideConfig, tracked bool
		want                             seen
	}{
		"what the inbox recorded":            {withRecords: true, hideConfig: true, want: seen{`{"invoice":"7 & 8"}`, listen.OriginInbox}},
		"what the API repeats":               {want: seen{`{"invoice":"7 & 8"}`, listen.OriginJob}},
		"the secret alone of a recorded job": {hideConfig: true, want: seen{"", listen.OriginNone}},
		"the secret alone":                   {hideConfig: true, tracked: true, want: seen{"", listen.OriginNone}},
	} {
		for kind := range map[string]bool{"secret": true, "signer": true, "svix": true} {
			t.Run(name+", "+kind, func(t *testing.T) {
				inBubble(t, func(t *testing.T, e *env) {
					v := verifiers(t)[kind]
					// A token names a submission, and this one is not the job's.
					refused := kind == "signer" && tt.hideConfig && !tt.withRecords && !tt.tracked
					var mu sync.Mutex
					var handled, processed []webhook.Event
					handler, err := webhook.NewHandler(v, func(_ context.Context, d *webhook.Delivery) error {
						mu.Lock()
						defer mu.Unlock()
						handled = append(handled, d.Event)
						return nil
					})
					require.NoError(t, err)
					in, err := inbox.New(v, inbox.NewMemoryStore(), func(_ context.Context, d *webhook.Delivery) error {
						mu.Lock()
						defer mu.Unlock()
						processed = append(processed, d.Event)
						return nil
					}, inbox.WithoutRefetch())
					require.NoError(t, err)
					ctx, cancel := context.WithCancel(t.Context())
					ran := make(chan error, 1)
					go func() { ran <- in.Run(ctx, e.srv.Client()) }()

					e.serve(func(w http.ResponseWriter, r *http.Request) {
						text := body(r)
						for _, h := range []http.Handler{handler, in} {
							one := r.Clone(r.Context())
							one.Body = readCloser{strings.NewReader(string(text))}
							rec := &recorder{header: http.Header{}}
							h.ServeHTTP(rec, one)
							if refused && h == in {
								assert.Equal(t, http.StatusUnauthorized, rec.code)
							} else {
								assert.Equal(t, http.StatusOK, rec.code)
							}
						}
					})
					l := e.listener()
					l.Sign = v
					if tt.withRecords {
						l.Records = in
					}
					e.start(l)
					e.srv.SetProcessingTime(10 * time.Second)
					hook := reducto.DirectWebhook(e.srv.Mount("/nothing", nil))
					if kind == "svix" {
						hook = reducto.SvixWebhook()
					}
					var job string
					if tt.tracked {
						job = e.srv.SeedJob(reductotest.SeedJob{})
					} else {
						submitted, err := e.srv.Client(reducto.WithSubmitHook(in), reducto.WithWebhook(hook)).ParseAsync(t.Context(), document(map[string]string{"invoice": "7 & 8"}))
						require.NoError(t, err)
						job = submitted.JobID
					}
					if tt.hideConfig {
						e.srv.Fault("GET /job/"+job, reductotest.Status(200).JSON(`{"status":"Completed"}`).Always())
					}
					time.Sleep(time.Minute)
					mu.Lock()
					require.Len(t, handled, 1)
					if !refused {
						require.Len(t, processed, 1)
					}
					if want := tt.want.metadata; want == "" {
						assert.Empty(t, handled[0].Metadata)
					} else {
						assert.JSONEq(t, want, string(handled[0].Metadata))
					}
					if !tt.tracked && !refused { // the Inbox knows it from the submission
						assert.JSONEq(t, `{"invoice":"7 & 8"}`, string(processed[0].Metadata))
					}
					for _, event := range append(handled, processed...) {
						assert.Equal(t, job, event.JobID)
						assert.Equal(t, reducto.JobStatusCompleted, event.Status)
					}
					mu.Unlock()
					attempts, _ := e.reported()
					require.Len(t, attempts, 1)
					assert.Equal(t, tt.want.origin, attempts[0].Origin)
					cancel()
					<-ran
				})
			})
		}
	}
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

type recorder struct {
	header http.Header
	code   int
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(code int) {
	if r.code == 0 {
		r.code = code
	}
}

func (r *recorder) Write(p []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return len(p), nil
}

// What a body has for each form of the configuration and of the signature.
func TestForwardedBody(t *testing.T) {
	const theirs = `"secret":"of production","submission_id":"s1"`
	for name, tt := range map[string]struct {
		sign   string
		config string
		want   string
	}{
		"a secret":              {"secret", `{"async":{"metadata":{"a":1,` + theirs + `}}}`, `{"a":1,"secret":"` + testSecret + `","submission_id":"s1"}`},
		"no signature":          {"", `{"async":{"metadata":{"a":1,` + theirs + `}}}`, `{"a":1,"submission_id":"s1"}`},
		"svix":                  {"svix", `{"async":{"metadata":{"a":1,` + theirs + `}}}`, `{"a":1,"submission_id":"s1"}`},
		"an edit":               {"secret", `{"webhook":{"metadata":{"a":1}}}`, `{"a":1,"secret":"` + testSecret + `"}`},
		"no metadata":           {"secret", `{"async":{"metadata":null}}`, `{"secret":"` + testSecret + `"}`},
		"no metadata, unsigned": {"", `{"async":null}`, `null`},
		"an array":              {"secret", `{"async":{"metadata":[1]}}`, `{"secret":"` + testSecret + `"}`},
		"an odd submission":     {"secret", `{"async":{"metadata":{"submission_id":7}}}`, `{"submission_id":7,"secret":"` + testSecret + `"}`},
		"a cut configuration":   {"secret", `{"async":{"metadata":{"a":`, `{"secret":"` + testSecret + `"}`},
		"another form":          {"secret", `[7]`, `{"secret":"` + testSecret + `"}`},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, e *env) {
				var got map[string]json.RawMessage
				e.serve(func(_ http.ResponseWriter, r *http.Request) {
					assert.Equal(t, http.MethodPost, r.Method)
					assert.Equal(t, "application/json", r.Header.Get("Content-Type"))
					assert.NoError(t, json.Unmarshal(body(r), &got))
				})
				l := e.listener()
				l.Sign = verifiers(t)[tt.sign]
				e.start(l)
				job := e.job(func(s *reductotest.SeedJob) { s.Status = "Failed" })
				text, err := json.Marshal(tt.config)
				require.NoError(t, err)
				e.srv.Fault("GET /job/"+job, reductotest.Status(200).JSON(`{"status":"Failed","raw_config":`+string(text)+`}`).Always())
				time.Sleep(time.Minute)
				require.Len(t, got, 3)
				assert.JSONEq(t, `"`+job+`"`, string(got["job_id"]))
				assert.JSONEq(t, `"Failed"`, string(got["status"]))
				assert.JSONEq(t, tt.want, string(got["metadata"]))
			})
		})
	}
}
