// Package redact keeps secrets out of text that people read: it takes the
// signed part off URLs and keeps printable heads of bodies.
package redact

import (
	"fmt"
	"io"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Mark stands where a secret was.
const Mark = "[redacted]"

// URL is raw without user information, query and fragment: presigned URLs carry
// their permission in the query. What does not parse as a URL is not shown.
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

// Head is the beginning of a body as printable text of at most limit bytes,
// with Mark in place of every occurrence of a secret.
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

// Print writes the mark for a value that holds a secret, whatever verb and
// flags it is printed with. It is the body of such a type's Format method.
func Print(f fmt.State, name string) {
	_, _ = io.WriteString(f, name+"("+Mark+")")
}
