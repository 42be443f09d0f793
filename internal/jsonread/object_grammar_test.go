package jsonread

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/internal/members"
)

// record has members of every kind, with the names in the tables of the grammar.
// Package members, which uses encoding/json, decides which texts are records.
type record struct {
	A     float64                    `json:"a,omitzero"`
	B     bool                       `json:"b"`
	X     []record                   `json:"x,omitzero"`
	ID    string                     `json:"id"`
	Next  *record                    `json:"next"`
	Count int                        `json:"count,omitzero"`
	Any   any                        `json:"any,omitzero"`
	Extra map[string]json.RawMessage `json:"-"`
}

func (v *record) UnmarshalJSON(data []byte) error { return members.Decode(data, v) }

// withoutExtra returns v without unknown members.
func (v record) withoutExtra() record {
	v.Extra = nil
	v.X = append(v.X[:0:0], v.X...)
	for i := range v.X {
		v.X[i] = v.X[i].withoutExtra()
	}
	if v.Next != nil {
		next := v.Next.withoutExtra()
		v.Next = &next
	}
	return v
}

const aRecord = `{"a":1,"b":true,"x":[{"count":-2},{"new":null}],"id":"\u00e4","next":{"a":0.5} , "any":[1,{}], "new" :[2]}`

var recordFields = FieldsOf[record]()

func readRecord(r *Reader, v *record, keep bool) {
	var extra *map[string]json.RawMessage
	if keep {
		extra = &v.Extra
	}
	for o := r.Object(recordFields, extra); o.Next(); {
		switch o.Name {
		case "a":
			v.A = r.Float()
		case "b":
			v.B = r.Bool()
		case "x":
			m := r.Mark()
			list := []record{}
			for a := r.Array(); a.Next(); {
				list = append(list, record{})
				readRecord(r, &list[len(list)-1], keep)
			}
			if r.Err() == nil {
				v.X = list
			}
			r.Retry(m)
		case "id":
			v.ID = r.String()
		case "next":
			v.Next = new(record)
			readRecord(r, v.Next, keep)
		case "count":
			v.Count = r.Int()
		case "any":
			Decode(r, &v.Any)
		}
	}
}

// requireRecord checks that every way of reading the text as a record agrees with
// package members.
func requireRecord(t *testing.T, text []byte) {
	t.Helper()
	valid := json.Valid(text)
	var want record
	wrong := json.Unmarshal(text, &want)
	for _, keep := range []bool{true, false} {
		if !keep {
			want = want.withoutExtra()
		}
		eachWay(text, func(way string, r *Reader) {
			var got record
			readRecord(r, &got, keep)
			r.End()
			if wrong == nil {
				require.NoError(t, r.Err(), "%s: %.200q", way, text)
				require.Equal(t, want, got, "%s: %.200q", way, text)
				return
			}
			require.Error(t, r.Err(), "%s: %.200q", way, text)
			require.Equal(t, valid, r.Rest() == nil, "%s: %.200q: %v", way, text, r.Err())
			if valid {
				require.Equal(t, isDuplicate(wrong), isDuplicate(r.Err()), "%s: %.200q: %v", way, text, r.Err())
			}
		})
	}
}

func isDuplicate(err error) bool {
	_, twice := errors.AsType[*members.DuplicateError](err)
	return twice
}

// Every text of the tables, as the value of a member of each kind, next to others.
func TestGrammarOfMembers(t *testing.T) {
	t.Parallel()
	for _, text := range slices.Concat(accepted, refused, outOfRange) {
		for _, around := range []string{
			`{"b":true,"a":%s,"id":"i"}`, `{"count":%s}`, `{"any":%s,"new":1}`, `{ "id" : %s , "b" : true }`, `{"b":%s,"a":1}`, `{"next":%s,"a":1}`, `{"x":%s,"a":1}`, `{"x":[{"a":1},%s]}`, `{"new":%s,"a":1}`,
		} {
			requireRecord(t, fmt.Appendf(nil, around, text))
		}
	}
}

// The parts of a record, and a record with one wrong byte.
func TestGrammarOfRecords(t *testing.T) {
	t.Parallel()
	requireParts(t, aRecord, requireRecord)
}
