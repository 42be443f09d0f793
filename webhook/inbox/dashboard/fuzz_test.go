package dashboard_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/dashboard"
)

// Whatever an address and a form contain, the answer is a page without markup of theirs.
func FuzzRequests(f *testing.F) {
	for _, path := range []string{"", "/", "/records", "/dead", "/record", "/a/b/", "//evil.example", "/inbox", "/x.css", "/replay"} {
		f.Add(path, "state=dead&after=0195f3a0&from=2026-01-02T15:04&type=<script>", "one=k&key=a&key=b")
	}
	f.Add("/records", "id=<script>&to=9999-12-31T23:59&outcome=%00", "what=all&confirmed=yes&from=x")
	f.Add("/record", "key=%ff%00&job=../x&replayed=99999999999999999999", "record=<script>&one=%00")
	secret, err := webhook.NewSecret("4f0c0f3b9b2f4f6f8d7e6a5b4c3d2e1f")
	if err != nil {
		f.Fatal(err)
	}
	in, err := inbox.New(secret, inbox.NewMemoryStore(), func(context.Context, *webhook.Delivery) error { return nil })
	if err != nil {
		f.Fatal(err)
	}
	dash, err := dashboard.New(in, dashboard.Options{Authorize: func(*http.Request) error { return nil }})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(dash.Close)
	f.Fuzz(func(t *testing.T, path, query, form string) {
		if strings.HasSuffix(path, "live") {
			return // a stream
		}
		get := httptest.NewRequest(http.MethodGet, "/", nil)
		get.URL = &url.URL{Path: path, RawQuery: query}
		get.RequestURI = get.URL.RequestURI()
		post := httptest.NewRequest(http.MethodPost, "/replay", strings.NewReader(form))
		post.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for _, r := range []*http.Request{get, post} {
			w := httptest.NewRecorder()
			dash.ServeHTTP(w, r)
			if w.Code >= 500 || strings.Contains(w.Body.String(), "<script>") {
				t.Errorf("%s %q: %d %s", r.Method, r.URL, w.Code, w.Body)
			}
			if to := w.Header().Get("Location"); to != "" && !strings.HasPrefix(to, "./") {
				t.Errorf("%s %q leads to %q", r.Method, r.URL, to)
			}
		}
	})
}
