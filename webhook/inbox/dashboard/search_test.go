package dashboard_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/dashboard"
)

var (
	rowKey   = regexp.MustCompile(`<th scope="row"><a class="id" href="record\?key=([^"]+)"`)
	nextPage = regexp.MustCompile(`rel="next" href="([^"]+)">(\w+)`)
)

// keysIn returns the keys of the records on a page.
func keysIn(page string) (keys []string) {
	for _, m := range rowKey.FindAllStringSubmatch(page, -1) {
		keys = append(keys, m[1])
	}
	return keys
}

// all follows the links to the next pages, and returns the keys, and the names of the links.
func (s *site) all(path string) (keys []string, links []string) {
	s.t.Helper()
	base, _, _ := strings.Cut(path, "?")
	for range 200 {
		page := s.get(path, 200)
		keys = append(keys, keysIn(page)...)
		m := nextPage.FindStringSubmatch(page)
		if m == nil {
			return keys, links
		}
		path, links = base+strings.ReplaceAll(m[1], "&amp;", "&"), append(links, m[2])
	}
	s.t.Fatal("the pages have no end")
	return nil, nil
}

func TestListsHavePagesByCursor(t *testing.T) {
	t.Parallel()
	s := newSite(t, dashboard.Options{})
	var want []string
	for i := range 120 {
		want = append([]string{s.submit(fmt.Sprint("job-", i))}, want...)
	}
	keys, links := s.all("/records")
	assert.Equal(t, want, keys)
	assert.Equal(t, []string{"Older", "Older"}, links)
	keys, _ = s.all("/records?state=pending")
	assert.Equal(t, want, keys)
	keys, _ = s.all("/records?state=done")
	assert.Empty(t, keys)
	assert.Contains(t, s.get("/records?after="+want[60], 200), `">Newest</a>`)
	keys, links = s.all("/records?type=Edit")
	assert.Empty(t, keys)
	assert.Empty(t, links)
}

func TestListsAreFiltered(t *testing.T) {
	t.Parallel()
	s := newSite(t, dashboard.Options{})
	pending, done, dead := s.submit("p"), s.finish("d", inbox.StateDone), s.finish("x", inbox.StateDead)
	edit := uuid.Must(uuid.NewV7()).String()
	require.NoError(t, s.store.Submit(t.Context(), inbox.Submission{ID: edit, Type: reducto.JobTypeEdit}))
	for query, want := range map[string][]string{
		"":                               {edit, dead, done, pending},
		"state=dead":                     {dead},
		"state=nonsense":                 nil,
		"outcome=completed":              {dead, done},
		"outcome=completed&state=done":   {done},
		"type=Edit":                      {edit},
		"type=Edit&state=done":           nil,
		"id=" + strings.ToUpper(done):    {done},
		"id=d":                           {done},
		"id=d&state=dead":                nil,
		"id=unknown":                     nil,
		"from=2020-01-01T00:00":          {edit, dead, done, pending},
		"from=2100-01-01T00:00":          nil,
		"to=2020-01-01T00:00":            nil,
		"to=2100-01-01T00:00":            {edit, dead, done, pending},
		"to=2100-01-01T00:00:00Z":        {edit, dead, done, pending},
		"state=dead&to=2100-01-01T00:00": {dead},
	} {
		assert.Equal(t, want, keysIn(s.get("/records?"+query, 200)), query)
	}
	assert.Equal(t, []string{dead}, keysIn(s.get("/dead?state=done", 200)), "the page's own state counts")
	assert.Contains(t, s.get("/records?from=yesterday", 400), "From is no time: use the form 2006-01-02T15:04.")
	assert.Contains(t, s.get("/records?type=Edit", 200), `<option selected>Edit</option>`)
}

// The key of a submission has its time, so a filter by time skips newer records.
func TestAFilterByTimeBeginsAtItsTime(t *testing.T) {
	t.Parallel()
	s := newSite(t, dashboard.Options{})
	at := func(i int) string { // a UUID of version 7, i hours ago
		ms := fmt.Sprintf("%012x", time.Now().Add(-time.Duration(i)*time.Hour).UnixMilli())
		return fmt.Sprintf("%s-%s-7000-8000-%012x", ms[:8], ms[8:], i)
	}
	var keys []string
	for i := range 48 {
		keys = append(keys, at(i))
		require.NoError(t, s.store.Submit(t.Context(), inbox.Submission{ID: keys[i], Type: reducto.JobTypeParse}))
	}
	v := url.Values{"to": {time.Now().Add(-10 * time.Hour).UTC().Format("2006-01-02T15:04")}}
	// The store's own times are now, so no record matches, and the search saw few.
	assert.Empty(t, keysIn(s.get("/records?"+v.Encode(), 200)))
	v = url.Values{"from": {time.Now().Add(-2*time.Hour - time.Minute).UTC().Format("2006-01-02T15:04")}}
	assert.Equal(t, keys[:3], keysIn(s.get("/records?"+v.Encode(), 200)), "it ends at the first older one")
}

// A search looks at a limited number of records. The page leads on.
func TestASearchHasALimitAndGoesOn(t *testing.T) {
	t.Parallel()
	s := newSite(t, dashboard.Options{})
	first := uuid.Must(uuid.NewV7()).String()
	require.NoError(t, s.store.Submit(t.Context(), inbox.Submission{ID: first, Type: reducto.JobTypeEdit}))
	for range 5600 {
		require.NoError(t, s.store.Submit(t.Context(), inbox.Submission{ID: uuid.Must(uuid.NewV7()).String(), Type: reducto.JobTypeParse}))
	}
	page := s.get("/records?type=Edit", 200)
	assert.Contains(t, page, "Nothing found so far.")
	assert.Regexp(t, `records searched\.</span> <a rel="next" href="[^"]+">Search further`, page)
	keys, links := s.all("/records?type=Edit")
	assert.Equal(t, []string{first}, keys)
	assert.NotEmpty(t, links)
	assert.Equal(t, "Search", links[0])
}

func TestTheOverviewLeadsToTheRecords(t *testing.T) {
	t.Parallel()
	s := newSite(t, dashboard.Options{})
	page := s.counted("/")
	for _, link := range regexp.MustCompile(`href="([^":]+)"`).FindAllStringSubmatch(page, -1) {
		if link[1] == "#main" {
			continue
		}
		w := s.do(httptest.NewRequest(http.MethodGet, "/"+strings.TrimPrefix(link[1], "./"), nil))
		assert.Equal(t, 200, w.Code, link[1])
	}
}
