package reductotest

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	printedBody = 1000 // bytes of a body that are printed
	redacted    = "[redacted]"
)

// Body is the body of a request, a webhook or a response. Use string(b) for the
// exact text.
//
// The verbs %v, %s and %q print it as text, so failed assertions do too. The text is
// cut after 1,000 bytes and does not show secrets.
type Body []byte

// Format implements fmt.Formatter.
func (b Body) Format(f fmt.State, verb rune) {
	if !strings.ContainsRune("vsq", verb) {
		fmt.Fprintf(f, fmt.FormatString(f, verb), []byte(b))
		return
	}
	text := string(b[:min(len(b), printedBody)])
	if len(b) > printedBody {
		text = strings.ToValidUTF8(text, "")
	}
	text = secretMember.ReplaceAllString(text, `"$1":"`+redacted+`"`)
	switch {
	case text == "":
		text = "(empty)"
	case !utf8.ValidString(text) || strings.ContainsRune(text, 0):
		text = fmt.Sprintf("%q", text)
	}
	if len(b) > printedBody {
		text += fmt.Sprintf("… (%d bytes)", len(b))
	}
	_, _ = io.WriteString(f, text)
}

// secretMember matches a JSON member with a secret. The value may be cut.
var secretMember = regexp.MustCompile(`"(secret|document_password)"\s*:\s*(?:"(?:[^"\\]|\\.)*(?:"|\\?$)|[^",}\]\s]+)`)

// Format implements fmt.Formatter. It prints one line without secrets.
func (d Delivery) Format(f fmt.State, _ rune) {
	printMembers(f, "Delivery", "JobID", d.JobID, "Attempt", d.Attempt, "URL", withoutQuery(d.URL), "StatusCode", d.StatusCode,
		"Lost", d.Lost, "Forged", d.Forged, "Duplicate", d.Duplicate, "Err", d.Err, "Time", d.Time,
		"Header", d.Header, "Body", d.Body, "Answer", d.Answer)
}

// Format implements fmt.Formatter. It prints one line without secrets.
func (r Request) Format(f fmt.State, _ rune) {
	printMembers(f, "Request", "Method", r.Method, "Host", r.Host, "Path", r.Path, "Query", http.Header(r.Query),
		"StatusCode", r.StatusCode, "Authorized", r.Authorized, "Time", r.Time, "BodySize", r.BodySize,
		"Header", r.Header, "Body", r.Body)
}

// Format implements fmt.Formatter. It prints one line without secrets.
func (j JobInfo) Format(f fmt.State, _ rune) {
	printMembers(f, "JobInfo", "ID", j.ID, "Type", j.Type, "Status", j.Status, "Sync", j.Sync, "Metadata", Body(j.Metadata),
		"WebhookMode", j.WebhookMode, "WebhookURL", withoutQuery(j.WebhookURL), "WebhookChannels", strings.Join(j.WebhookChannels, " "),
		"RawConfig", Body(j.RawConfig), "CreatedAt", j.CreatedAt, "FinishedAt", j.FinishedAt,
		"Expired", j.Expired, "Deleted", j.Deleted)
}

// printMembers prints a value with its members that are not empty. The members are
// alternating names and values.
func printMembers(w io.Writer, name string, members ...any) {
	var shown []string
	for i := 0; i < len(members); i += 2 {
		var text string
		switch v := members[i+1].(type) {
		case http.Header:
			text = printedHeader(v)
		case time.Time:
			if !v.IsZero() {
				text = v.Format(time.RFC3339Nano)
			}
		case Body:
			if len(v) > 0 {
				text = fmt.Sprint(v)
			}
		default:
			if text = fmt.Sprint(v); text == "0" || text == "false" || text == "<nil>" {
				text = ""
			}
		}
		if text != "" {
			shown = append(shown, fmt.Sprintf("%s: %s", members[i], text))
		}
	}
	fmt.Fprintf(w, "%s{%s}", name, strings.Join(shown, ", "))
}

// printedHeader lists the lines of a header, or the parameters of a query, without
// the values that authorize or sign.
func printedHeader(h http.Header) string {
	var lines []string
	for _, key := range slices.Sorted(maps.Keys(h)) {
		value := strings.Join(h[key], ", ")
		if secretKey.MatchString(key) {
			value = redacted
		}
		lines = append(lines, key+"="+value)
	}
	return strings.Join(lines, " ")
}

var secretKey = regexp.MustCompile(`(?i)authorization|signature|secret|token|api-?key|cookie`)
