package reducto

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"slices"
	"strings"

	"github.com/reducto-go/reducto/internal/members"
	"github.com/reducto-go/reducto/internal/redact"
	"github.com/reducto-go/reducto/internal/wireid"
)

// Input is the document of a request. Make one with URL, URLs, FromUpload or FromJob.
// The zero value is invalid. An Input prints its URLs without their queries, because
// a presigned URL grants access.
type Input struct {
	refs []string
	list bool
}

// The schemes that are references within the service.
const (
	uploadScheme = "reducto://"
	jobScheme    = "jobid://"
)

// URL returns an Input for a document that the service downloads: a public or
// presigned URL, or a reducto:// or jobid:// reference.
func URL(u string) Input { return Input{refs: []string{u}} }

// URLs returns an Input for one document made of several, in order. Not all endpoints
// accept a list.
func URLs(us ...string) Input { return Input{refs: slices.Clone(us), list: true} }

// FromUpload returns an Input for an uploaded file. An upload is valid for 24 hours.
func FromUpload(u *Upload) Input {
	if u == nil {
		return Input{}
	}
	return URL(u.FileID)
}

// FromJob returns an Input for the parsed document of an earlier parse job. Extract
// and split it without paying for parsing again.
func FromJob(jobID string) Input { return URL(jobScheme + jobID) }

// IsZero reports whether there is no document.
func (in Input) IsZero() bool { return len(in.refs) == 0 }

// MarshalJSON writes a string or a list of strings.
func (in Input) MarshalJSON() ([]byte, error) {
	switch {
	case in.list:
		return json.Marshal(in.refs)
	case len(in.refs) == 1:
		return json.Marshal(&in.refs[0]) // a pointer avoids a copy
	}
	return []byte("null"), nil
}

// UnmarshalJSON reads each form of a document in the API: a string, a list of strings,
// or an object with a file_id.
func (in *Input) UnmarshalJSON(data []byte) error {
	if members.IsNull(data) {
		return nil
	}
	var one string
	if json.Unmarshal(data, &one) == nil {
		*in = URL(one)
		return nil
	}
	var many []string
	if json.Unmarshal(data, &many) == nil {
		*in = URLs(many...)
		return nil
	}
	var upload struct {
		FileID string `json:"file_id"`
	}
	if err := json.Unmarshal(data, &upload); err != nil || upload.FileID == "" {
		return fmt.Errorf("reducto: an input must be a string, a list of strings or an upload")
	}
	*in = URL(upload.FileID)
	return nil
}

// String returns the URLs without their queries.
func (in Input) String() string {
	shown := make([]string, len(in.refs))
	for i, ref := range in.refs {
		shown[i] = redact.URL(ref)
	}
	if in.list {
		return "[" + strings.Join(shown, " ") + "]"
	}
	return strings.Join(shown, " ")
}

// Format prints String with every verb.
func (in Input) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, in.String()) }

// LogValue logs String.
func (in Input) LogValue() slog.Value { return slog.StringValue(in.String()) }

func (in Input) isList() bool { return in.list }

// check refuses an input that no endpoint accepts.
func (in Input) check(field string) error {
	if len(in.refs) == 0 {
		return &RequestError{Field: field, Reason: "no document: use URL, URLs, FromUpload or FromJob"}
	}
	for _, ref := range in.refs {
		if reason := checkRef(ref); reason != "" {
			return &RequestError{Field: field, Reason: reason}
		}
	}
	return nil
}

// plainURL reports whether u is a simple http or https URL. Its host has only letters,
// digits, '-' and '.', and there is no escape before the query. plainURL saves
// url.Parse for most submissions.
func plainURL(u string) bool {
	rest, ok := strings.CutPrefix(u, "https://")
	if !ok {
		if rest, ok = strings.CutPrefix(u, "http://"); !ok {
			return false
		}
	}
	host := 0
	for host < len(rest) && isHostByte(rest[host]) {
		host++
	}
	if host == 0 || host < len(rest) && rest[host] != '/' {
		return false
	}
	query := false
	for i := host; i < len(rest); i++ {
		c := rest[i]
		if c <= ' ' || c > '~' || c == '#' || c == '%' && !query {
			return false
		}
		query = query || c == '?'
	}
	return true
}

func isHostByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.'
}

func checkRef(ref string) string {
	if strings.TrimSpace(ref) == "" {
		return "the URL is empty: use URL, URLs, FromUpload or FromJob"
	}
	if id, ok := strings.CutPrefix(ref, jobScheme); ok {
		if wrong := wireid.Check(id); wrong != "" {
			return "the job id of FromJob " + wrong
		}
		return ""
	}
	if id, ok := strings.CutPrefix(ref, uploadScheme); ok {
		if id == "" {
			return "the upload has no file id"
		}
		return ""
	}
	if plainURL(ref) {
		return ""
	}
	u, err := url.Parse(ref)
	switch {
	case err != nil:
		return "the URL cannot be parsed"
	case u.Scheme == "":
		return fmt.Sprintf("%q is no URL: upload a local file with UploadFile and use FromUpload", redact.Head([]byte(redact.URL(ref)), 60))
	case u.Host == "" && (u.Scheme == "http" || u.Scheme == "https"):
		return "the URL has no host"
	}
	return ""
}
