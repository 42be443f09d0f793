package reducto

import (
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/reducto-go/reducto/internal/jsonread"
)

var jobFields = jsonread.FieldsOf[Job]()

// readJob reads a job, its result by its type.
func readJob(r *jsonread.Reader, v *Job) {
	var j Job
	var late json.RawMessage // a result whose type is known when all is read
	for o := r.Object(jobFields, j.Extra.members()); o.Next(); {
		switch o.Name {
		case "job_id":
			j.ID = r.String()
		case "status":
			j.Status = JobStatus(r.String())
		case "result":
			if j.Result, late = readResult(r, j.Type); r.Err() != nil {
				o.Name = "" // the error has its type
			}
		case "progress":
			j.Progress = r.FloatPointer()
		case "reason":
			j.Reason = r.String()
		case "error":
			jsonread.Decode(r, &j.Error)
		case "type":
			j.Type = JobType(r.String())
		case "num_pages":
			j.NumPages = r.IntPointer()
		case "total_pages":
			j.TotalPages = r.IntPointer()
		case "source":
			j.Source = r.Raw()
		case "duration":
			j.Duration = r.FloatPointer()
		case "created_at":
			jsonread.Decode(r, &j.CreatedAt)
		case "raw_config":
			j.RawConfig = RawConfig(r.String())
		case "bucket":
			j.Bucket = r.Raw()
		}
	}
	if late != nil && r.Err() == nil {
		var err error
		if j.Result, err = decodeResult(late, j.Type); err != nil {
			r.Reject(err)
		}
	}
	if r.Err() == nil {
		*v = j
	}
}

// readResult reads a result of the type that response_type names or, without one, of
// the job's type. It decodes at once if the name comes before the content, or if the
// job's type is known and turns out to be right. Otherwise it returns the result as
// it is: its type depends on what may still follow.
func readResult(r *jsonread.Reader, job JobType) (Result, json.RawMessage) {
	if r.Kind() != '{' {
		return nil, r.Raw()
	}
	m := r.Mark()
	name, named := findResponseType(r, false)
	if !r.Rewind(m) {
		return nil, nil
	}
	if named {
		result := newResult(name)
		readInto(r, result)
		r.Label(typeLabel(name))
		return result, nil
	}
	if name = typeOfJob[job]; name == "" {
		return nil, r.Raw()
	}
	m = r.Mark()
	result := newResult(name)
	readInto(r, result)
	if got, _ := described(result); r.Err() == nil && got == "" {
		// It has no name, or one that is none.
		if r.Rewind(m); r.Err() == nil {
			m = r.Mark()
			_, named = findResponseType(r, true)
		}
	} else {
		named = got != "" && reflect.TypeOf(newResult(got)) != reflect.TypeOf(result)
	}
	switch {
	case r.Broken():
		r.Label(typeLabel(name))
	case !named && r.Err() == nil:
		r.Release(m)
		return result, nil
	case r.Rewind(m): // what it cannot be read as may not be what it is
		return nil, r.Raw()
	}
	return nil, nil
}

func typeLabel(name string) string { return fmt.Sprintf("result of type %q", name) }

// findResponseType looks for the name of a result, if before its content only, or
// anywhere. The first of two counts, and one that is no text is none.
func findResponseType(r *jsonread.Reader, anywhere bool) (name string, named bool) {
	seen := false
	r.Walk(func(member []byte) bool {
		switch string(member) {
		case "response_type":
			if !seen && r.Kind() == '"' {
				name, named = r.String(), true
			}
			seen = true
			return anywhere
		case "result":
			return anywhere
		}
		return true
	})
	return name, named
}

// readInto reads a result of the type that it has.
func readInto(r *jsonread.Reader, result Result) {
	switch v := result.(type) {
	case *ParseResult:
		readParse(r, v)
	case *ExtractResult:
		readExtract(r, v)
	case *SplitResult:
		readSplit(r, v)
	case *PipelineResult:
		readPipeline(r, v)
	case *EditResult:
		readEdit(r, v)
	case *ClassifyResult:
		readClassify(r, v)
	case *ChartResult:
		readChart(r, v)
	case *UnknownResult:
		readUnknown(r, v)
	}
}

// described is what every result says of itself: its name, as it came, and its job.
func described(result Result) (responseType, jobID string) {
	switch v := result.(type) {
	case *ParseResult:
		return v.responseType, v.JobID
	case *ExtractResult:
		return v.responseType, v.JobID
	case *SplitResult:
		return v.responseType, v.JobID
	case *PipelineResult:
		return v.responseType, v.JobID
	case *EditResult:
		return v.responseType, v.JobID
	case *ClassifyResult:
		return v.responseType, v.JobID
	case *ChartResult:
		return v.responseType, v.JobID
	case *UnknownResult:
		jobID, _ = text(object(v.Raw)["job_id"])
		return v.responseType, jobID
	}
	return "", ""
}

// readName reads a response_type; what is no text is none.
func readName(r *jsonread.Reader) string {
	if r.Kind() == '"' {
		return r.String()
	}
	r.Skip()
	return ""
}

// readContent keeps a value as it is, and finds out whether it is a link.
func readContent(r *jsonread.Reader) content {
	raw, in := readWith(r, "type", "url", "result_id")
	c := content{raw: raw}
	if isLink(in) {
		u, _ := text(in["url"])
		c.link = Link(u)
	}
	return c
}

// readWith reads a value as it is, in one pass, and returns those of an object's
// members too that names has. The first of two counts.
func readWith(r *jsonread.Reader, names ...string) (raw json.RawMessage, in map[string]json.RawMessage) {
	if r.Kind() != '{' {
		return r.Raw(), nil
	}
	m, start := r.Mark(), r.Offset()
	defer r.Release(m)
	type span struct{ from, to int64 }
	found := map[string]span{}
	r.Walk(func(member []byte) bool {
		for _, name := range names {
			if _, twice := found[name]; name == string(member) && !twice {
				from := r.Offset()
				r.Skip()
				found[name] = span{from - start, r.Offset() - start}
				break
			}
		}
		return true
	})
	raw = r.Since(m)
	if r.Err() != nil {
		return nil, nil
	}
	in = map[string]json.RawMessage{}
	for name, at := range found {
		in[name] = raw[at.from:at.to]
	}
	return raw, in
}
