package reducto

import (
	"encoding/xml"
	"net/http"
	"net/url"
	"strings"

	"github.com/reducto-go/reducto/internal/redact"
)

// decodeStorageError explains what storage answered to a presigned URL. Storage repeats
// in its answer what it was sent, in pieces and escaped in ways of its own (the signature,
// the token, what was signed), so that of XML only the code and the message are kept,
// and of what is neither JSON nor XML nothing.
func decodeStorageError(method, shown string, resp *http.Response, body []byte, link Link) *APIError {
	secrets := signedParts(string(link))
	if resp.Request != nil && resp.Request.URL != nil { // another URL after a redirect
		secrets = append(secrets, signedParts(resp.Request.URL.String())...)
	}
	e := decodeAPIError(method, shown, resp, body, secrets...)
	e.Body, e.storage, e.remedy = "", true, "the link does not work: get the job again for a fresh one"
	if method == http.MethodPut {
		e.remedy = "the link does not work: upload again, which asks for a fresh one"
	}
	var said struct {
		Code    string `xml:"Code"`
		Message string `xml:"Message"`
	}
	if e.Message == "" && xml.Unmarshal(body, &said) == nil {
		text := strings.TrimPrefix(said.Code+": "+said.Message, ": ")
		e.Message = redact.Head([]byte(strings.TrimSuffix(text, ": ")), maxShownBody, secrets...)
	}
	return e
}

// refusedAnew is the remedy where a fresh link has been asked for.
const refusedAnew = "a fresh link was refused too: does a proxy change what is sent to storage?"

// signedParts are the URL, and all of its query that is long enough to be a secret.
func signedParts(link string) []string {
	parts := []string{link}
	u, err := url.Parse(link)
	if err != nil || u.RawQuery == "" {
		return parts
	}
	parts = append(parts, u.RawQuery)
	for pair := range strings.SplitSeq(u.RawQuery, "&") {
		_, value, _ := strings.Cut(pair, "=")
		plain, err := url.QueryUnescape(value)
		if err != nil {
			plain = value
		}
		for _, v := range []string{value, plain} {
			if len(v) >= shortestSecret {
				parts = append(parts, v)
			}
		}
	}
	return parts
}

// shortestSecret keeps "GET" and "3600" readable.
const shortestSecret = 8
