package dashboard_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/dashboard"
)

// process is the function that processes a job.
func process(context.Context, *webhook.Delivery) error { return nil }

func ExampleNew() {
	secret, err := webhook.NewSecret("4f0c0f3b9b2f4f6f8d7e6a5b4c3d2e1f")
	if err != nil {
		log.Fatal(err)
	}
	in, err := inbox.New(secret, inbox.NewMemoryStore(), process, inbox.WithHistory()) // or package sqlstore
	if err != nil {
		log.Fatal(err)
	}
	dash, err := dashboard.New(in, dashboard.Options{Authorize: dashboard.Public}) // on your own machine only
	if err != nil {
		log.Fatal(err)
	}
	defer dash.Close()
	mux := http.NewServeMux()
	mux.Handle("POST /webhook", in)
	mux.Handle("/inbox/", dash)
	// in.Serve(ctx, &http.Server{Addr: "127.0.0.1:8080", Handler: mux}, client)

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://localhost/inbox/", nil))
	fmt.Println(w.Code, w.Header().Get("X-Robots-Tag"))
	// Output: 200 noindex, nofollow
}

// operator is the mark that the middleware sets in the context of a request.
type operator struct{}

// onlyOperators stands for the middleware of your program, which knows who sends a request.
func onlyOperators(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, ok := r.BasicAuth(); ok && password == "correct horse" {
			r = r.WithContext(context.WithValue(r.Context(), operator{}, true))
		}
		next.ServeHTTP(w, r)
	})
}

func ExampleOptions_authorize() {
	secret, err := webhook.NewSecret("4f0c0f3b9b2f4f6f8d7e6a5b4c3d2e1f")
	if err != nil {
		log.Fatal(err)
	}
	in, err := inbox.New(secret, inbox.NewMemoryStore(), process, inbox.WithHistory())
	if err != nil {
		log.Fatal(err)
	}
	dash, err := dashboard.New(in, dashboard.Options{
		Authorize: func(r *http.Request) error {
			if r.Context().Value(operator{}) == nil {
				return errors.New("not an operator")
			}
			return nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer dash.Close()
	mux := http.NewServeMux()
	mux.Handle("/admin/inbox/", onlyOperators(dash))

	r := httptest.NewRequest(http.MethodGet, "/admin/inbox/dead", nil)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	fmt.Println(w.Code)
	r.SetBasicAuth("ann", "correct horse")
	w = httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	fmt.Println(w.Code)
	// Output:
	// 403
	// 200
}
