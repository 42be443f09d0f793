package listen

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const head = `{"format":"reducto-hooks listen","version":1,"since":"2026-11-29T10:00:00Z"}` + "\n"

func lineOf(job string, k kind) string {
	return fmt.Sprintf(`{"job":%q,"state":%q,"created":%q}`, job, k, time.Now().UTC().Format(time.RFC3339)) + "\n"
}

func TestStateReadsWhatItCan(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		text string
		want map[string]kind
		err  string
	}{
		"no jobs":               {text: head},
		"an empty file":         {text: "", err: "not a state file"},
		"one of another tool":   {text: "#!/bin/sh\n", err: "not a state file"},
		"other JSON":            {text: "{\"jobs\":[]}\n", err: "not a state file"},
		"a newer version":       {text: strings.Replace(head, ":1,", ":2,", 1), err: "use a newer program"},
		"a header without end":  {text: strings.TrimSpace(head)},
		"a torn header":         {text: head[:20], err: "not a state file"},
		"a first line too long": {text: strings.Repeat("x", 1<<20) + "\n" + head, err: "not a state file"},
		"two jobs":              {text: head + lineOf("a", kindDelivered) + lineOf("b", kindFailed), want: map[string]kind{"a": kindDelivered, "b": kindFailed}},
		"a torn last line":      {text: head + lineOf("a", kindDelivered) + lineOf("b", kindFailed)[:20], want: map[string]kind{"a": kindDelivered}},
		"damage in the middle":  {text: head + "\x00\x00\x00\n" + lineOf("a", kindDelivered), want: map[string]kind{"a": kindDelivered}},
		"a line too long":       {text: head + strings.Repeat("x", 1<<20) + "\n" + lineOf("a", kindDelivered), want: map[string]kind{"a": kindDelivered}},
		"a job replayed":        {text: head + lineOf("a", kindFailed) + lineOf("a", kindDelivered), want: map[string]kind{"a": kindDelivered}},
		"a state of the future": {text: head + lineOf("a", "skipped"), want: map[string]kind{"a": "skipped"}},
		"jobs that were busy":   {text: head + lineOf("a", kindBusy) + lineOf("b", kindIgnored)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "state")
			require.NoError(t, os.WriteFile(path, []byte(tt.text), 0o600))
			for range 2 { // opening it once more changes nothing
				s, err := openState(path)
				if tt.err != "" {
					require.ErrorContains(t, err, tt.err)
					text, err := os.ReadFile(path)
					require.NoError(t, err)
					assert.Equal(t, tt.text, string(text), "the file is left alone")
					continue
				}
				require.NoError(t, err)
				got := map[string]kind{}
				for job, m := range s.marks {
					got[job] = m.kind
				}
				if tt.want == nil {
					tt.want = map[string]kind{}
				}
				assert.Equal(t, tt.want, got)
				since, _ := s.times()
				assert.Equal(t, 10, since.Hour())
				s.close()
			}
		})
	}
}

func TestStateSettlesConcurrently(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state")
	s, err := openState(path)
	require.NoError(t, err)
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			for j := range 100 {
				assert.NoError(t, s.settle(fmt.Sprintf("job-%d-%d", i, j), kindDelivered, time.Now()))
			}
		})
	}
	all.Wait()
	s.close()
	s, err = openState(path)
	require.NoError(t, err)
	defer s.close()
	assert.Len(t, s.marks, 6400)
}

func TestSettleFailsIfTheDiskDoes(t *testing.T) {
	t.Parallel()
	s, err := openState(filepath.Join(t.TempDir(), "state"))
	require.NoError(t, err)
	require.NoError(t, s.file.Close())
	require.Error(t, s.settle("job", kindDelivered, time.Now()))
	s.close()
}

func TestStateForgetsExpiredJobs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	synctest.Test(t, func(t *testing.T) {
		s, err := openState(path)
		require.NoError(t, err)
		most := 0
		for i := range 20 * spare { // a job each minute, for two weeks
			time.Sleep(time.Minute)
			s.hold(fmt.Sprint("ignored-", i), kindIgnored, time.Now())
			if i%8 == 0 {
				require.NoError(t, s.settle(fmt.Sprint("job-", i), kindDelivered, time.Now()))
			}
			most = max(most, len(s.marks))
		}
		assert.LessOrEqual(t, most, 2*(60*25*9/8+spare), "those of 25 hours, twice, and some")
		info, err := os.Stat(path)
		require.NoError(t, err)
		assert.Less(t, info.Size(), int64(1<<19))
		s.close()
	})
}

func TestStateIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &state{marks: map[string]mark{}}
		for i := range maxMarks + 1000 {
			s.hold(fmt.Sprint(i), kindDelivered, time.Now().Add(time.Duration(i)*time.Second/4))
		}
		s.hold("busy", kindBusy, time.Now())
		s.trim()
		assert.LessOrEqual(t, len(s.marks), maxMarks+1)
		assert.Equal(t, kindBusy, s.kind("busy"))
		_, floor := s.times()
		assert.WithinDuration(t, time.Now().Add(250*time.Second), floor, 2*time.Second, "what is forgotten is not forwarded again")
		assert.Empty(t, s.kind("0"))
		assert.Equal(t, kindDelivered, s.kind(fmt.Sprint(maxMarks)))
	})
}

func FuzzState(f *testing.F) {
	f.Add([]byte(head))
	f.Add([]byte(head + lineOf("a", kindDelivered) + lineOf("b", kindFailed)[:30]))
	f.Add([]byte(head + strings.Repeat("x", 2*maxLine) + "\n" + lineOf("c", "skipped")))
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "state")
		s := &state{path: path, marks: map[string]mark{}}
		if err := s.read(bytes.NewReader(text)); err != nil {
			return
		}
		require.NoError(t, s.rewrite())
		defer s.file.Close()
		again := &state{path: path, marks: map[string]mark{}}
		require.NoError(t, again.load())
		assert.Equal(t, s.marks, again.marks)
		assert.True(t, s.head.Since.Equal(again.head.Since) && s.head.Floor.Equal(again.head.Floor))
	})
}
