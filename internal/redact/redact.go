// Package redact removes secrets from text for people: the signed parts of URLs, and
// secrets in the beginning of a body.
package redact

import (
	"fmt"
	"io"
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Mark replaces a secret.
const Mark = "[redacted]"

// URL returns raw without user information, query and fragment, because the query of a
// presigned URL grants access. It does not show text that is no URL.
func URL(raw string) string {
	if raw == "" {
		return ""
	}
	u, err := url.Parse(raw)
	if err != nil {
		return "[unreadable URL]"
	}
	if u.Opaque != "" {
		return u.Scheme + ":" + Mark
	}
	signed := u.RawQuery != ""
	u.User, u.RawQuery, u.Fragment, u.RawFragment, u.ForceQuery = nil, "", "", "", false
	if signed {
		return u.String() + "?" + Mark
	}
	return u.String()
}

// urls are the URLs in a text that have user information or a query.
var urls = regexp.MustCompile(`[a-zA-Z][a-zA-Z0-9+.-]*://[^\s"'<>\x60]*[?@][^\s"'<>\x60]*`)

// Text returns a text with its URLs as URL returns them. It is for errors of other
// packages: those of net/http and of database drivers repeat URLs.
func Text(text string) string { return urls.ReplaceAllStringFunc(text, URL) }

// Head returns the beginning of a body as printable text of at most limit bytes. It
// replaces every secret by Mark.
func Head(body []byte, limit int, secrets ...string) string {
	text := string(body)
	for _, s := range secrets {
		if s != "" {
			text = strings.ReplaceAll(text, s, Mark)
		}
	}
	cut := false
	if len(text) > limit {
		limit = max(0, limit-len("…"))
		for limit > 0 && !utf8.RuneStart(text[limit]) {
			limit--
		}
		text, cut = text[:limit], true
	}
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case r == utf8.RuneError || !unicode.IsPrint(r):
			return '.'
		}
		return r
	}, text)
	if cut {
		text += "…"
	}
	return text
}

// Print writes the name of a type and Mark, for every verb and flag. The Format method
// of a type that holds a secret calls it.
func Print(f fmt.State, name string) {
	_, _ = io.WriteString(f, name+"("+Mark+")")
}
