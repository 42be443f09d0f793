package redact

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
)

func TestURLHidesUserQueryAndFragment(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"":                            "",
		"https://example.com/a/b.pdf": "https://example.com/a/b.pdf",
		"https://example.com/a?X-Amz-Signature=5a1e":      "https://example.com/a?[redacted]",
		"https://example.com/a?":                          "https://example.com/a",
		"https://user:5a1e@example.com/a":                 "https://example.com/a",
		"https://5a1e@example.com/a#5a1e":                 "https://example.com/a",
		"https://example.com/a%2Fb?x=1#y":                 "https://example.com/a%2Fb?[redacted]",
		"reducto://5a1e.pdf":                              "reducto://5a1e.pdf",
		"jobid://3d4b0e5a-9c1f-4f63-8a57-1f0c6f6f1a01":    "jobid://3d4b0e5a-9c1f-4f63-8a57-1f0c6f6f1a01",
		"mailto:5a1e@example.com":                         "mailto:[redacted]",
		"http://example.com:port/5a1e":                    "[unreadable URL]",
		"http://example.com/%zz?5a1e":                     "[unreadable URL]",
		"http://exa\nmple.com/5a1e":                       "[unreadable URL]",
		"report.pdf":                                      "report.pdf",
		"//example.com/a?token=5a1e":                      "//example.com/a?[redacted]",
		"https://example.com/a?x=https://example.org/?y#": "https://example.com/a?[redacted]",
	} {
		assert.Equal(t, want, URL(raw), raw)
	}
}

func TestTextHidesSecretsOfURLs(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`Get "https://s3.example/a.json?X-Amz-Signature=abc": EOF`: `Get "https://s3.example/a.json?[redacted]": EOF`,
		"dial postgres://app:pass@db:5432/app: refused":            "dial postgres://db:5432/app: refused",
		"<a href='http://u@h/x?y'>, http://h/x: no":                "<a href='http://h/x?[redacted]'>, http://h/x: no",
		"who? me@example.com, a://b":                               "who? me@example.com, a://b",
		"http://%zz?secret":                                        "[unreadable URL]",
		"":                                                         "",
	} {
		assert.Equal(t, want, Text(text))
	}
}

func TestHeadIsPrintableAndHidesSecrets(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		body    string
		limit   int
		secrets []string
		want    string
	}{
		"short":              {"abc", 3, nil, "abc"},
		"empty":              {"", 3, nil, ""},
		"cut":                {"abcdefgh", 6, nil, "abc…"},
		"cut within a rune":  {"abäxxxxx", 6, nil, "ab…"},
		"no room":            {"abcdef", 2, nil, "…"},
		"one line":           {"a\r\nb\tc", 10, nil, "a  b c"},
		"not printable":      {"a\x00b\x1b[2Jc\u2028d", 20, nil, "a.b.[2Jc.d"},
		"not UTF-8":          {"a\xff\xfeb", 20, nil, "a..b"},
		"other scripts":      {"Gebühr 船", 20, nil, "Gebühr 船"},
		"secret":             {"key=sk-5a1e, again sk-5a1e", 50, []string{"sk-5a1e"}, "key=[redacted], again [redacted]"},
		"secret at the cut":  {"0123456789sk-5a1e", 16, []string{"sk-5a1e"}, "0123456789[re…"},
		"empty secret":       {"abc", 3, []string{""}, "abc"},
		"two secrets":        {"one two", 40, []string{"two", "one"}, "[redacted] [redacted]"},
		"secret of newlines": {"a\nb", 40, []string{"a\nb"}, "[redacted]"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, test.want, Head([]byte(test.body), test.limit, test.secrets...))
		})
	}
	body := []byte(strings.Repeat("ä\xff船\n", 1000))
	for limit := 3; limit < 200; limit++ {
		head := Head(body, limit)
		assert.LessOrEqual(t, len(head), limit)
		assert.True(t, utf8.ValidString(head))
	}
}

type secret struct{ value string }

func (secret) Format(f fmt.State, _ rune) { Print(f, "secret") }

func TestPrintHidesTheValueWithEveryVerb(t *testing.T) {
	t.Parallel()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%20s"} {
		assert.Contains(t, fmt.Sprintf(verb+" ", secret{"5a1e"}), "secret([redacted])", verb)
	}
}
