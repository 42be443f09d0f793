package reducto

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Four secrets that must never be visible, in any form.
const (
	canaryKey       = "sk-canary-5a1e77"
	canaryHook      = "hook-canary-5a1e77"
	canaryPassword  = "pass-canary-5a1e77"
	canarySignature = "sig-canary-5a1e77"
)

const (
	canaryLink   Link = "https://bucket.example.com/result.json?X-Amz-Signature=" + canarySignature
	canaryConfig      = RawConfig(`{"async":{"metadata":{"secret":"` + canaryHook + `"}},"settings":{"document_password":"` + canaryPassword + `"}}`)
)

// canaryShapes returns a secret in the forms in which fmt could print it.
var canaryShapes = func() []string {
	const tail = "canary-5a1e77"
	return []string{
		tail, strings.ToUpper(tail),
		fmt.Sprintf("%x", tail), fmt.Sprintf("%X", tail), fmt.Sprintf("% x", tail), fmt.Sprintf("%# x", tail),
		strings.Trim(fmt.Sprintf("%v", []byte(tail)), "[]"), strings.Trim(fmt.Sprintf("%#v", []byte(tail)), "[]byte{}"), fmt.Sprintf("%U", []byte(tail))[1:20],
		strings.Trim(fmt.Sprintf("%o", []byte(tail)), "[]"), strings.Trim(fmt.Sprintf("%b", []byte(tail)), "[]"),
	}
}()

func assertNoCanary(t *testing.T, text string, what ...any) {
	t.Helper()
	for _, shape := range canaryShapes {
		if strings.Contains(text, shape) {
			assert.Fail(t, "a secret is shown", "%v: %.300q", fmt.Sprintln(what...), text)
			return
		}
	}
}

// shown returns every text that fmt and slog make of a value. Two ways cannot be
// closed. For %p, fmt calls no method. slog's JSON of a slice of values is the JSON of
// the values, which is sent to the API.
func shown(v any) map[string]string {
	texts := map[string]string{"Sprint": fmt.Sprint(v), "Sprintln": fmt.Sprintln(v)}
	for _, verb := range []string{"v", "+v", "#v", "s", "+s", "q", "+q", "#q", "d", "x", "X", "# x", "o", "b", "c", "U", "t", "e", "T", "30v", "!"} {
		texts["%"+verb] = fmt.Sprintf("%"+verb, v)
	}
	texts["in a slice"] = fmt.Sprintf("%+v %#v %s %d", []any{v}, []any{v}, []any{v}, []any{v})
	texts["in a struct"] = fmt.Sprintf("%+v %#v %s", struct{ V any }{v}, struct{ V any }{v}, struct{ V any }{v})
	texts["in an error"] = fmt.Errorf("refused: %v: %w", v, io.EOF).Error()
	for name, handler := range map[string]func(io.Writer) slog.Handler{
		"slog as text": func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, nil) },
		"slog as JSON": func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, nil) },
	} {
		var b bytes.Buffer
		logger := slog.New(handler(&b))
		logger.Info("m", "v", v)
		logger.Info("m", slog.Group("g", slog.Any("v", v)))
		logger.With("v", v).WithGroup("g").Error("m")
		if kind := reflect.TypeOf(v).Kind(); kind != reflect.Slice || name == "slog as text" {
			texts[name] = b.String()
		}
	}
	return texts
}

type canaryHooks struct{ secret string }

func (h canaryHooks) BeforeSubmit(_ context.Context, s *Submission) error {
	return s.AddMetadata(MetadataSecret, h.secret)
}
func (canaryHooks) AfterSubmit(context.Context, *Submission, SubmitResult) {}

func canaryClient(t *testing.T) *Client {
	return newTestClient(t, WithAPIKey(canaryKey), WithSubmitHook(canaryHooks{canaryHook}),
		WithWebhook(DirectWebhook("https://example.com/webhook?token="+canaryHook)))
}

// canaryResults returns results of every type, with many links.
func canaryResults(t *testing.T) []Result {
	var results []Result
	for _, name := range wireNames(t, "job_*.json") {
		text := strings.ReplaceAll(string(wire(t, name)), "X-Amz-Signature=5a1e", "X-Amz-Signature="+canarySignature)
		var job Job
		require.NoError(t, json.Unmarshal([]byte(text), &job))
		if job.Result != nil {
			job.Result.bind(source{client: canaryClient(t), jobID: "j1"})
			results = append(results, job.Result)
		}
	}
	require.Greater(t, len(results), 15)
	unknown := &UnknownResult{}
	require.NoError(t, json.Unmarshal([]byte(`{"response_type":"translate","result":{"url":"`+string(canaryLink)+`"}}`), unknown))
	return append(results, unknown)
}

func TestSecretsAreNeverShown(t *testing.T) {
	t.Parallel()
	client := canaryClient(t)
	handle := Attach[*ParseResult](client, "j1")
	submission := prepared(t, map[string]string{"user": canaryHook})
	require.NoError(t, submission.AddMetadata(MetadataSecret, canaryHook))
	submission.Webhook = client.cfg.webhook

	job := Job{JobID: "j1", Status: JobStatusCompleted, RawConfig: canaryConfig, Result: canaryResults(t)[0]}
	summary := JobSummary{JobID: "j1", RawConfig: canaryConfig}
	echo := []byte(`{"error":{"message":"` + canaryKey + ` ` + canaryHook + `","name":"` + canaryKey + `"},"detail":[{"msg":"` + canaryHook + `","loc":["` + canaryKey + `"]}]}`)
	api := apiError(422, "application/json", echo, canaryKey, canaryHook)
	storage := decodeStorageError("GET", "https://bucket.example.com/result.json", &http.Response{StatusCode: 403, Header: http.Header{}}, []byte("<Error>"+canaryLink+"</Error>"), canaryLink)
	lost := client.lost(&call{method: "GET", path: "/jobs", query: "cursor=" + canarySignature}, io.EOF)
	_, detached := resultOf[*ParseResult](t, "job_parse_url.json").Load(t.Context())

	values := []any{
		client, *client, []*Client{client}, map[string]*Client{"c": client},
		handle, *handle,
		submission, *submission, []*Submission{submission}, []Submission{*submission},
		DirectWebhook("https://user:" + canaryHook + "@example.com/webhook?token=" + canaryHook), Async{Webhook: client.cfg.webhook},
		URL(string(canaryLink)), URLs(string(canaryLink), "reducto://x"), []Input{URL(string(canaryLink))},
		canaryLink, []Link{canaryLink}, new(canaryLink),
		canaryConfig, new(canaryConfig), []RawConfig{canaryConfig},
		job, &job, summary, &summary,
		ParseRequest{Input: URL(string(canaryLink)), Settings: Settings{DocumentPassword: canaryPassword}, Async: Async{Webhook: client.cfg.webhook}},
		&ParseRequest{Input: URL(string(canaryLink)), Settings: Settings{DocumentPassword: canaryPassword}},
		ExtractRequest{Input: URL(string(canaryLink)), Parsing: ParseOptions{Settings: Settings{DocumentPassword: canaryPassword}}},
		SplitRequest{Input: URL(string(canaryLink)), Parsing: ParseOptions{Settings: Settings{DocumentPassword: canaryPassword}}},
		PipelineRequest{Input: URL(string(canaryLink)), Settings: PipelineSettings{DocumentPassword: canaryPassword}},
		EditRequest{Input: URL(string(canaryLink))}, ClassifyRequest{Input: URL(string(canaryLink))},
		ParseOptions{Settings: Settings{DocumentPassword: canaryPassword}}, PipelineSettings{DocumentPassword: canaryPassword},
		Settings{DocumentPassword: canaryPassword}, &Settings{DocumentPassword: canaryPassword},
		Upload{FileID: "reducto://x", PresignedURL: canaryLink}, &Upload{PresignedURL: canaryLink},
		Block{ImageURL: canaryLink, ChartData: []Link{canaryLink}}, &Block{ImageURL: canaryLink}, Chunk{Blocks: []Block{{ImageURL: canaryLink}}},
		Block{Attributes: Extra{"page_image_url": quoteOrNone(string(canaryLink))}, Extra: Extra{"a": quoteOrNone(string(canaryLink))}},
		Chunk{Blocks: []Block{{Attributes: Extra{"page_image_url": quoteOrNone(string(canaryLink))}}}}, Extra{"a": quoteOrNone(string(canaryLink))},
		Citation{Block: Block{ImageURL: canaryLink}, ParentBlock: &Block{ImageURL: canaryLink}}, &Citation{ParentBlock: &Block{ImageURL: canaryLink}},
		Password(canaryPassword), Settings{DocumentPassword: canaryPassword}.DocumentPassword,
		api, *api, storage, lost, *lost, detached,
		&RequestError{Op: "ParseAsync", Err: URL(string(canaryLink) + "\x7f").check("Input")},
		&UnknownOutcomeError{SubmissionID: "s1", Err: api},
		&JobError{Job: &job},
		&WaitError{JobID: "j1", Last: &job, Err: lost},
		&ResultTypeError{JobID: "j1", Want: "a", Got: "b"},
		SubmitResult{Outcome: SubmitOutcomeUnknown, Err: &UnknownOutcomeError{Err: api}},
		fmt.Errorf("wrapped: %w", errors.Join(api, &JobError{Job: &job})),
	}
	for _, r := range canaryResults(t) {
		values = append(values, r, []Result{r})
		switch r := r.(type) {
		case *SplitResult:
			values = append(values, *r)
		case *ClassifyResult:
			values = append(values, *r)
		}
	}
	for _, v := range values {
		for how, text := range shown(v) {
			assertNoCanary(t, text, fmt.Sprintf("%T", v), how)
		}
	}
	// JSON, unless it is sent to the API.
	for _, v := range []any{
		client, handle, *handle, submission, *submission, client.cfg.webhook, Async{Webhook: client.cfg.webhook}, api, storage, lost,
		&RequestError{Err: api}, &UnknownOutcomeError{Err: api}, &ResultTypeError{}, SubmitResult{Err: api},
	} {
		raw, err := json.Marshal(v)
		require.NoError(t, err, "%T", v)
		assertNoCanary(t, string(raw), fmt.Sprintf("%T", v), "json.Marshal")
	}
	assert.Len(t, slices.Compact(slices.Clone(canaryShapes)), len(canaryShapes))
}

// An unusable answer with a job is not shown, neither if it is truncated nor if
// something follows it.
func TestUnusableAnswerIsNotShown(t *testing.T) {
	t.Parallel()
	whole := `{"status":"Completed","raw_config":` + string(quoteOrNone(string(canaryConfig))) + `,"result":{"response_type":"parse","job_id":"j1",` +
		`"duration":1,"usage":{},"result":{"type":"url","url":"` + string(canaryLink) + `"}}}`
	for _, body := range []string{whole[:len(whole)-1], whole + "}", whole + whole, "\n [" + whole, `"` + string(canaryLink)} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }))
		c := newTestClient(t, WithBaseURL(srv.URL), WithMaxRetries(0))
		_, err := c.GetJob(t.Context(), "j1")
		require.ErrorContains(t, err, "unusable answer")
		assertNoCanary(t, err.Error(), body)
		srv.Close()
	}
}

// Storage repeats the request in its answers in various ways.
func TestStorageRefusalIsNotRepeated(t *testing.T) {
	t.Parallel()
	const token = "tok%2Fcanary-5a1e77"
	query := "X-Amz-Expires=60&X-Amz-Security-Token=" + token + "&X-Amz-Signature=" + canarySignature
	for name, tt := range map[string]struct{ body, want string }{
		"signature":   {`<?xml version="1.0" encoding="UTF-8"?><Error><Code>SignatureDoesNotMatch</Code><Message>No match.</Message><SignatureProvided>` + canarySignature + `</SignatureProvided></Error>`, "403 Forbidden: SignatureDoesNotMatch: No match."},
		"token":       {`<Error><Code>ExpiredToken</Code><Message>It is over: tok/canary-5a1e77</Message><Token-0>tok/canary-5a1e77</Token-0></Error>`, "403 Forbidden: ExpiredToken: It is over: [redacted]"},
		"escaped URL": {`<Error><Message>` + strings.ReplaceAll(query, "&", "&amp;") + `</Message></Error>`, "403 Forbidden: [redacted]"},
		"JSON":        {`{"error":{"code":403,"message":"expired: ` + token + `"}}`, "expired: [redacted]"},
		"text":        {"/result.json?" + query, "403 Forbidden"},
	} {
		refuse := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, tt.body)
		}))
		redirect := httptest.NewServer(http.RedirectHandler(refuse.URL+"/b?"+query, http.StatusFound))
		for _, url := range []string{refuse.URL + "/result.json?" + query, redirect.URL + "/a"} {
			r := linkedTo(t, url)
			r.src.jobID = "" // no fresh link
			_, err := r.Load(t.Context())
			require.ErrorContains(t, err, tt.want, name)
			assertNoCanary(t, err.Error(), name)
			apiErr, ok := errors.AsType[*APIError](err)
			require.True(t, ok)
			assertNoCanary(t, fmt.Sprintf("%+v %s", *apiErr, apiErr.Body), name)
		}
		refuse.Close()
		redirect.Close()
	}
}

// Storage never receives the API key, and the user did not choose its URL. Its errors
// must not ask the user to check them.
func TestStorageRefusalSaysWhatToDo(t *testing.T) {
	t.Parallel()
	for status, hint := range map[int]string{
		http.StatusUnauthorized:        "get the job again",
		http.StatusForbidden:           "get the job again",
		http.StatusNotModified:         "get the job again",
		http.StatusTemporaryRedirect:   "get the job again", // without a Location
		http.StatusInternalServerError: "",
	} {
		r := storage(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(status)
		})
		r.src.jobID = "" // no fresh link
		_, err := r.Load(t.Context())
		require.ErrorContains(t, err, hint, status)
		if hint == "" {
			assert.NotContains(t, err.Error(), "(", status)
		}
		assert.NotContains(t, err.Error(), "API key", status)
		assert.NotContains(t, err.Error(), "base URL", status)
		assert.NotErrorIs(t, err, ErrUnauthorized, status)
	}
}

// The JSON for the API has the hidden values, so nothing is lost.
func TestHiddenValuesAreInTheJSON(t *testing.T) {
	t.Parallel()
	assert.Contains(t, string(canaryLink), canarySignature)
	assert.Contains(t, string(canaryConfig), canaryHook)
	for _, v := range []any{URL(string(canaryLink)), canaryLink, Block{ImageURL: canaryLink}, &EditResult{DocumentURL: canaryLink}} {
		raw, err := json.Marshal(v)
		require.NoError(t, err)
		assert.Contains(t, string(raw), canarySignature, "%T", v)
	}
	raw, err := json.Marshal(Job{RawConfig: canaryConfig})
	require.NoError(t, err)
	assert.Contains(t, string(raw), canaryHook)
	assert.Contains(t, DirectWebhook("https://example.com/?t="+canaryHook).URL(), canaryHook)
}

func TestTypesPrintWithoutSecrets(t *testing.T) {
	t.Parallel()
	client := canaryClient(t)
	for want, v := range map[string]any{
		"reducto.Client(https://reducto.example.com)": client,
		"<nil>": (*Client)(nil),
		"https://bucket.example.com/result.json?[redacted]":     canaryLink,
		"[redacted] (108 bytes)":                                canaryConfig,
		"[redacted]":                                            Password("p"),
		"job j1 (Parse): Failed":                                &Job{JobID: "j1", Status: JobStatusFailed, Type: JobTypeParse},
		"job j2 (): Pending":                                    JobSummary{JobID: "j2", Status: JobStatusPending},
		"submission s1 (Parse)":                                 &Submission{ID: "s1", Type: JobTypeParse},
		"parse result of job j1":                                &ParseResult{JobID: "j1"},
		"v3_extract result":                                     &ExtractResult{},
		"split result of job j1":                                SplitResult{JobID: "j1"},
		"pipeline result of job j1":                             &PipelineResult{JobID: "j1"},
		"edit result of job j1":                                 &EditResult{JobID: "j1"},
		"classify result of job j1":                             ClassifyResult{JobID: "j1"},
		"chart result of job j1":                                &ChartResult{JobID: "j1"},
		"translate result":                                      &UnknownResult{resultBase: resultBase{responseType: "translate"}},
		"unknown result":                                        &UnknownResult{},
		"{ {0 0 0 0 0 0 map[]} text  []  <nil> [] map[] map[]}": Block{Content: "text"},
	} {
		assert.Equal(t, want, fmt.Sprint(v))
		if l, ok := v.(slog.LogValuer); ok && !strings.HasPrefix(want, "job ") && want[0] != '{' {
			assert.Equal(t, want, l.LogValue().String())
		}
	}
	assert.Contains(t, fmt.Sprintf("%+v", Citation{Block: Block{Content: "a"}, ParentBlock: &Block{Content: "b"}}), "Content:a")
	for _, r := range []any{(*ParseResult)(nil), (*ExtractResult)(nil), (*SplitResult)(nil), (*PipelineResult)(nil), (*EditResult)(nil), (*ClassifyResult)(nil), (*ChartResult)(nil), (*UnknownResult)(nil)} {
		assert.Equal(t, "<nil>", fmt.Sprint(r))
		assert.Equal(t, "<nil>", r.(slog.LogValuer).LogValue().String())
	}
	want := slog.GroupValue(slog.String("job_id", "j1"), slog.String("status", "Failed"), slog.String("type", "Parse"))
	assert.True(t, want.Equal(Job{JobID: "j1", Status: JobStatusFailed, Type: JobTypeParse}.LogValue()))
	assert.True(t, want.Equal(JobSummary{JobID: "j1", Status: JobStatusFailed, Type: JobTypeParse}.LogValue()))
}
