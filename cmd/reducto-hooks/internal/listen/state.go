package listen

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// rememberFor is how long a job is remembered after its submission. It is longer
	// than life, as clocks may differ.
	rememberFor = life + time.Hour
	// maxMarks is how many jobs are remembered. If there are more, the Listener does not
	// forward jobs that are older than these.
	maxMarks = 200_000
	// maxLine is the longest line of the file.
	maxLine = 4 << 10
	// spare is how much the file may grow before it is written anew.
	spare = 1024
)

// kind is what became of a job.
type kind string

// The kinds. Busy and ignored jobs are not written to the file.
const (
	kindDelivered kind = "delivered"
	kindFailed    kind = "failed"
	kindBusy      kind = "busy"
	kindIgnored   kind = "ignored"
)

func (k kind) durable() bool { return k != kindBusy && k != kindIgnored }

// ErrLocked is the error of Run if another Listener uses the state file.
var ErrLocked = errors.New("listen: another listener with the same key and URL is running: stop it, or forward to another URL")

// StatePath returns the path of the state file in dir. It differs for each API, key and
// URL to forward to, so that runs do not mix. The file does not contain them.
func StatePath(dir, baseURL, key string, forward *url.URL) string {
	hash := sha256.New()
	for _, part := range []string{strings.TrimRight(baseURL, "/"), key, forward.String()} {
		sum := sha256.Sum256([]byte(part))
		_, _ = hash.Write(sum[:])
	}
	return filepath.Join(dir, "listen-"+hex.EncodeToString(hash.Sum(nil)[:16])+".jsonl")
}

// header is the first line of the file.
type header struct {
	Format  string    `json:"format"`
	Version int       `json:"version"`
	Since   time.Time `json:"since,omitzero"`
	Floor   time.Time `json:"floor,omitzero"`
}

const (
	formatName    = "reducto-hooks listen"
	formatVersion = 1
)

// line is one of the other lines.
type line struct {
	Job     string    `json:"job"`
	Kind    kind      `json:"state"`
	Created time.Time `json:"created"`
}

// mark is what is remembered of a job.
type mark struct {
	kind    kind
	created int64 // Unix seconds
}

// state remembers which jobs were forwarded. The file is JSON lines, a header and then
// one for each job, and the last line of a job counts. It is written anew by a rename
// when it is opened, and when it has grown.
type state struct {
	path string
	lock io.Closer

	mu    sync.Mutex
	file  *os.File
	head  header
	marks map[string]mark
	lines int
	limit int // of lines or marks, then the file is written anew
}

// openState locks and reads the file. If there is none, it makes one.
func openState(path string) (*state, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("listen: the directory of the state file cannot be made: %w", err)
	}
	lock, err := lockFile(path + ".lock")
	if err != nil {
		return nil, err
	}
	s := &state{path: path, lock: lock, marks: map[string]mark{}}
	if err = s.load(); err == nil {
		err = s.rewrite()
	}
	if err != nil {
		_ = lock.Close()
		return nil, err
	}
	return s, nil
}

func (s *state) load() error {
	f, err := os.Open(s.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil {
		defer f.Close()
		err = s.read(f)
	}
	if err != nil {
		return fmt.Errorf("listen: the state file %s: %w", s.path, err)
	}
	return nil
}

// read reads the lines of a file. It skips lines that are damaged, such as the last one
// after a crash.
func (s *state) read(file io.Reader) error {
	r := bufio.NewReaderSize(file, maxLine)
	for first := true; ; first = false {
		text, err := r.ReadSlice('\n')
		long := errors.Is(err, bufio.ErrBufferFull)
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = r.ReadSlice('\n')
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		var l line
		switch {
		case first:
			var h header
			if long || json.Unmarshal(text, &h) != nil || h.Format != formatName {
				return errors.New("it is not a state file of listen, or is damaged: move it away, and jobs of the last day can be forwarded again")
			}
			if h.Version != formatVersion {
				return fmt.Errorf("it has version %d, and this program knows %d: use a newer program", h.Version, formatVersion)
			}
			s.head = h
		case !long && json.Unmarshal(text, &l) == nil && l.Job != "" && l.Kind != "" && l.Kind.durable() && l.Created.Year() < 9000:
			s.marks[l.Job] = mark{l.Kind, l.Created.Unix()}
			if len(s.marks) > 2*maxMarks {
				s.trim()
			}
		}
		if err != nil {
			return nil
		}
	}
}

// trim forgets old jobs. The caller holds mu.
func (s *state) trim() {
	oldest := time.Now().Add(-rememberFor).Unix()
	maps.DeleteFunc(s.marks, func(_ string, m mark) bool { return m.created < oldest && m.kind != kindBusy })
	if len(s.marks) <= maxMarks {
		return
	}
	keys := slices.SortedFunc(maps.Keys(s.marks), func(a, b string) int { return cmp.Compare(s.marks[a].created, s.marks[b].created) })
	for _, key := range keys[:len(keys)-maxMarks] {
		if at := time.Unix(s.marks[key].created+1, 0); at.After(s.head.Floor) {
			s.head.Floor = at
		}
		if s.marks[key].kind != kindBusy {
			delete(s.marks, key)
		}
	}
}

// rewrite writes the whole file and replaces the old one. The caller holds mu.
func (s *state) rewrite() error {
	s.trim()
	s.head.Format, s.head.Version = formatName, formatVersion
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	err := encoder.Encode(s.head)
	lines := 0
	for key, m := range s.marks {
		if m.kind.durable() && err == nil {
			err = encoder.Encode(line{key, m.kind, time.Unix(m.created, 0).UTC()})
			lines++
		}
	}
	if err != nil {
		return err
	}
	temp := s.path + ".new"
	f, err := os.OpenFile(temp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("listen: the state file cannot be written: %w", err)
	}
	if _, err = f.Write(text.Bytes()); err == nil {
		err = f.Sync()
	}
	if err == nil && s.file != nil {
		_ = s.file.Close() // Windows does not replace a file that is open
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(temp, s.path)
	}
	if err == nil {
		syncDir(filepath.Dir(s.path))
		s.file, err = os.OpenFile(s.path, os.O_APPEND|os.O_WRONLY, 0o600)
	}
	if err != nil {
		return fmt.Errorf("listen: the state file cannot be written: %w", err)
	}
	s.lines, s.limit = lines, 2*len(s.marks)+spare
	return nil
}

// syncDir makes a rename durable where directories can be synced.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}

// kind returns what became of a job, empty if it is not known.
func (s *state) kind(key string) kind {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.marks[key].kind
}

// hold remembers a job until the process ends.
func (s *state) hold(key string, k kind, created time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.marks[key] = mark{k, created.Unix()}
	if len(s.marks) > s.limit {
		s.trim()
		s.limit = max(s.limit, 2*len(s.marks)+spare)
	}
}

// forget forgets all jobs of a kind until the process ends.
func (s *state) forget(k kind) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.marks, func(_ string, m mark) bool { return m.kind == k })
}

// settle remembers what became of a job. It returns when the disk has it.
func (s *state) settle(key string, k kind, created time.Time) error {
	if created.IsZero() {
		created = time.Now()
	}
	text, err := json.Marshal(line{key, k, created.UTC().Truncate(time.Second)})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.marks[key] = mark{k, created.Unix()}
	if s.lines++; max(s.lines, len(s.marks)) > s.limit {
		return s.rewrite()
	}
	if _, err := s.file.Write(append(text, '\n')); err != nil {
		return err
	}
	return s.file.Sync()
}

func (s *state) times() (since, floor time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.head.Since, s.head.Floor
}

func (s *state) setTimes(since, floor time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.head.Since, s.head.Floor = since, floor
	return s.rewrite()
}

func (s *state) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.file.Close()
	_ = s.lock.Close()
}
