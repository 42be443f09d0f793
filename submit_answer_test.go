package reducto

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/internal/wireid"
)

func TestAnswerInMemory(t *testing.T) {
	t.Parallel()
	for _, length := range []int{0, 1, 49, 50, 51, 511, 512, 5000} {
		text := strings.Repeat("x", length)
		// Right, unknown, and what a transport of the user's may announce.
		for _, size := range []int64{int64(length), -1, 0, 50, 511, 512, 1 << 40} {
			for name, body := range map[string]io.Reader{
				"at once":         strings.NewReader(text),
				"in bytes":        iotest.OneByteReader(strings.NewReader(text)),
				"end with data":   iotest.DataErrReader(strings.NewReader(text)),
				"in halves":       iotest.HalfReader(strings.NewReader(text)),
				"behind a limit":  &limitedBody{r: strings.NewReader(text), left: int64(length), limit: int64(length)},
				"nothing between": &lazyReader{r: strings.NewReader(text)},
			} {
				got, err := (&answer{body: body, size: size}).all()
				require.NoError(t, err, "%s, %d of %d", name, length, size)
				require.Equal(t, text, string(got), "%s, %d of %d", name, length, size)
			}
			lost := errors.New("lost")
			_, err := (&answer{body: io.MultiReader(strings.NewReader(text), iotest.ErrReader(lost)), size: size}).all()
			require.ErrorIs(t, err, lost)
			_, err = (&answer{body: io.MultiReader(strings.NewReader(text), iotest.ErrReader(io.ErrUnexpectedEOF)), size: size}).all()
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			if length > 0 {
				_, err = (&answer{body: &limitedBody{r: strings.NewReader(text), left: int64(length) - 1}, size: size}).all()
				require.ErrorIs(t, err, ErrTooLarge)
			}
		}
	}
}

// lazyReader returns nothing every other time, which a reader may do.
type lazyReader struct {
	r    io.Reader
	lazy bool
}

func (l *lazyReader) Read(p []byte) (int, error) {
	if l.lazy = !l.lazy; l.lazy {
		return 0, nil
	}
	return l.r.Read(p)
}

func TestJobIDOfAnAnswer(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		`{"job_id":"j1"}`:                    "j1",
		"\r\n\t { \"job_id\" : \"j1\" \n}\n": "j1",
		`{"job_id":"j1","job_id":"j2"}`:      "j2",
		`{"status":"Pending","job_id":"j1"}`: "j1",
		`{"job_id":"j\u0031"}`:               "j1",
		`{"JOB_ID":"j1"}`:                    "j1",
	} {
		got, err := readJobID(&answer{body: strings.NewReader(raw), size: int64(len(raw))})
		require.NoError(t, err, raw)
		assert.Equal(t, want, got, raw)
	}
	for _, raw := range []string{
		"", "null", "[]", `{}`, `{"job_id":1}`, `{"job_id":""}`, `{"job_id":"a/b"}`, `{"job_id":"j1"`, `{"job_id":"j1`,
		`{"job_id":"j1"}}`, `{"job_id":"j1"} {}`, `{"job_id" "j1"}`, `{job_id:"j1"}`, `{"job_id":"j1",}`, "<html>", "\v{}",
	} {
		_, err := readJobID(&answer{body: strings.NewReader(raw), size: int64(len(raw))})
		var bad *badAnswer
		require.ErrorAs(t, err, &bad, raw)
	}
}

// What is read without encoding/json is what encoding/json reads.
func FuzzJobIDOfAnAnswer(f *testing.F) {
	for _, raw := range []string{
		`{"job_id":"j1"}`, " {\n \"job_id\" :\t\"j1\"\r}\n", `{"job_id":"j1","job_id":"j2"}`, `{"job_id":"j\u0031"}`, `{"job_id":"j1"}}`,
	} {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		id := onlyJobID(raw)
		if id == "" {
			return
		}
		var members map[string]string
		require.NoError(t, json.Unmarshal(raw, &members))
		require.Equal(t, map[string]string{"job_id": id}, members)
		require.Empty(t, wireid.Check(id))
	})
}
