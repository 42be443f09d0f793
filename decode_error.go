package reducto

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/reducto-go/reducto/internal/members"
	"github.com/reducto-go/reducto/internal/redact"
)

// maxShownBody is how much of a body an error shows, in bytes.
const maxShownBody = 1 << 10

// decodeAPIError reads whatever came with a status that is no success. It never
// fails: what it cannot read it shows.
func decodeAPIError(method, path string, resp *http.Response, body []byte, secrets ...string) *APIError {
	e := &APIError{
		Method:      method,
		Path:        path,
		StatusCode:  resp.StatusCode,
		ContentType: resp.Header.Get("Content-Type"),
	}
	hide := hider(secrets)
	if json.Valid(body) {
		e.decode(body)
	}
	if e.Message == "" && len(e.Fields) == 0 {
		e.Body = redact.Head([]byte(hide(string(body))), maxShownBody)
		if location := resp.Header.Get("Location"); location != "" && resp.StatusCode/100 == 3 {
			e.Message = "redirected to " + redact.URL(location)
		}
	}
	e.Message, e.Type, e.Name, e.JobID = hide(e.Message), hide(e.Type), ErrorName(hide(string(e.Name))), hide(e.JobID)
	for i := range e.Fields {
		f := &e.Fields[i]
		f.Message, f.Location, f.Type = hide(f.Message), hide(f.Location), hide(f.Type)
		if f.Context != nil {
			f.Context = hidden(f.Context, hide).(map[string]any)
		}
	}
	return e
}

// hider replaces secrets as they are and as they look within JSON: the API's
// validator repeats what it was sent.
func hider(secrets []string) func(string) string {
	// The longest first: one may be the beginning of another.
	secrets = slices.SortedFunc(slices.Values(secrets), func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, s := range secrets {
		if s == "" {
			continue
		}
		pairs = append(pairs, s, redact.Mark)
		quoted, _ := json.Marshal(s)
		if inner := string(quoted[1 : len(quoted)-1]); inner != s {
			pairs = append(pairs, inner, redact.Mark)
		}
	}
	return strings.NewReplacer(pairs...).Replace
}

// hidden hides secrets in all texts of a JSON value.
func hidden(v any, hide func(string) string) any {
	switch v := v.(type) {
	case string:
		return hide(v)
	case []any:
		for i := range v {
			v[i] = hidden(v[i], hide)
		}
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, inner := range v {
			out[hide(name)] = hidden(inner, hide)
		}
		return out
	}
	return v
}

// decode reads the JSON shapes: the service's {"error": {…}, "detail": …}, the
// validator's {"detail": […]}, the edge's {"message": …}, and mixtures.
func (e *APIError) decode(body []byte) {
	top := object(body)
	if detail := object(top["error"]); detail != nil {
		e.detail(detail)
	} else if text, ok := text(top["error"]); ok {
		e.Message = text
	}
	switch raw := top["detail"]; members.Kind(raw) {
	case '"':
		if text, _ := text(raw); e.Message == "" {
			e.Message = text
		}
	case '{':
		e.detail(object(raw))
	case '[':
		_ = members.Elements(raw, func(item []byte) error {
			if o := object(item); o != nil {
				e.Fields = append(e.Fields, fieldError(o))
			}
			return nil
		})
	}
	if text, ok := text(top["message"]); ok && e.Message == "" {
		e.Message = text
	}
	if id, ok := text(top["job_id"]); ok && e.JobID == "" {
		e.JobID = id
	}
}

// detail reads an error object, whose members differ between versions.
func (e *APIError) detail(o map[string]json.RawMessage) {
	if text, ok := text(o["message"]); ok && e.Message == "" {
		e.Message = text
	}
	if name, ok := text(o["name"]); ok && e.Name == "" {
		e.Name = ErrorName(name)
	}
	if class, ok := text(o["type"]); ok && e.Type == "" {
		e.Type = class
	}
	if id, ok := text(o["job_id"]); ok && e.JobID == "" {
		e.JobID = id
	}
	if code, err := strconv.Atoi(strings.Trim(string(o["code"]), `"`)); err == nil && e.Code == 0 {
		e.Code = code
	}
}

func fieldError(o map[string]json.RawMessage) FieldError {
	var f FieldError
	f.Message, _ = text(o["msg"])
	f.Type, _ = text(o["type"])
	if members.Kind(o["ctx"]) == '{' {
		_ = json.Unmarshal(o["ctx"], &f.Context)
	}
	var path []string
	if members.Kind(o["loc"]) == '[' {
		_ = members.Elements(o["loc"], func(item []byte) error {
			if s, ok := text(item); ok {
				path = append(path, s)
			} else {
				path = append(path, string(item))
			}
			return nil
		})
	}
	f.Location = strings.Join(path, ".")
	return f
}

// object is the object in raw; nil if there is none. The first of two members of
// one name counts.
func object(raw []byte) map[string]json.RawMessage {
	if members.Kind(raw) != '{' {
		return nil
	}
	o := map[string]json.RawMessage{}
	_ = members.Each(raw, func(name string, value []byte) error {
		if _, twice := o[name]; !twice {
			o[name] = value
		}
		return nil
	})
	return o
}

func text(raw []byte) (string, bool) {
	if members.Kind(raw) != '"' {
		return "", false
	}
	var s string
	err := json.Unmarshal(raw, &s)
	return s, err == nil
}
