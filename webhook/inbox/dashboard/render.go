package dashboard

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/internal/safe"
)

//go:embed assets
var assets embed.FS

// pages are the templates and files of the dashboard.
type pages struct {
	templates map[string]*template.Template
	version   string // of the style and the script
}

func parsePages() (*pages, error) {
	p := &pages{templates: map[string]*template.Template{}}
	layout, err := template.New("layout.html").Funcs(template.FuncMap{
		"ago": ago, "stamp": stamp, "span": span, "count": count, "firstLine": firstLine, "status": http.StatusText,
	}).ParseFS(assets, "assets/layout.html", "assets/live.html")
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"overview", "records", "record", "confirm", "failure"} {
		t, err := layout.Clone()
		if err == nil {
			t, err = t.ParseFS(assets, "assets/"+name+".html")
		}
		if err != nil {
			return nil, err
		}
		p.templates[name] = t
	}
	hash := sha256.New()
	for _, name := range []string{"dashboard.css", "dashboard.js", "icon.svg"} {
		text, err := assets.ReadFile("assets/" + name)
		if err != nil {
			return nil, err
		}
		hash.Write(text)
	}
	p.version = hex.EncodeToString(hash.Sum(nil))[:12]
	return p, nil
}

// asset serves a file. Its address has its version, so browsers may keep it.
func (p *pages) asset(w http.ResponseWriter, r *http.Request, name string) {
	text, err := assets.ReadFile("assets/" + name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	if r.URL.Query().Get("v") == p.version {
		w.Header().Set("Cache-Control", "private, max-age=31536000, immutable")
	}
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(text))
}

// view is what every page has.
type view struct {
	Title   string // of the dashboard
	Heading string
	Page    string // the current entry of the navigation
	Version string
	Links   []Link
	Dead    int // dead records, zero if unknown
	Notice  string
	Now     time.Time
	Data    any
}

func (h *Handler) show(w http.ResponseWriter, r *http.Request, status int, name string, v view) {
	v.Title, v.Version, v.Now = h.opts.Title, h.pages.version, time.Now()
	if name != "failure" { // which the unauthorized see, too
		v.Links = h.opts.Links
		last, _ := h.samples.last()
		v.Dead = last.stats.Store.Count[inbox.StateDead]
	}
	var page bytes.Buffer
	if err := h.pages.templates[name].ExecuteTemplate(&page, "layout.html", v); err != nil {
		http.Error(w, "The page could not be made: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = page.WriteTo(w)
	}
}

// fail answers with a page that says what is wrong.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, status int, text string, err error) {
	data := struct {
		Status int
		Text   string
		Error  string
	}{status, text, ""}
	if err != nil {
		data.Error = safe.Head(err.Error(), 500)
	}
	h.show(w, r, status, "failure", view{Heading: fmt.Sprintf("%d %s", status, http.StatusText(status)), Data: data})
}

// ago returns how long ago t was.
func ago(now, t time.Time) string {
	switch d := now.Sub(t); {
	case t.IsZero():
		return "–"
	case d < 0 && d > -time.Second, d >= 0 && d < time.Second:
		return "now"
	case d < 0:
		return "in " + span(-d)
	default:
		return span(d) + " ago"
	}
}

// stamp returns a time as it stands on pages.
func stamp(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.UTC().Format("2006-01-02 15:04:05.000 UTC")
}

// span returns a duration with its two largest units at most.
func span(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + span(-d)
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d d %d h", int(d.Hours())/24, int(d.Hours())%24)
}

// count returns a number with separators.
func count(n int) string {
	text := fmt.Sprint(max(n, -n))
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "\u202f" + text[i:]
	}
	if n < 0 {
		return "-" + text
	}
	return text
}

// firstLine returns the beginning of the first line.
func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return safe.Head(line, 140)
}
