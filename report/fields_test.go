package report_test

import (
	"encoding/json"
	"math"
	"math/big"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/report"
)

type base struct {
	ID int `json:"id"`
}

type loop struct {
	Name string
	Next *loop
	List []loop
	Any  any
}

func TestFieldsHaveTheirPathsAndValues(t *testing.T) {
	t.Parallel()
	var nothing *string
	cited := reducto.Cited[[]string]{Value: []string{"a", "b"}, Citations: cite("a, b", 0.1, "High")}
	got := report.Fields(&struct {
		base
		*line
		Skipped  string `json:"-"`
		private  int
		Untagged bool
		Renamed  float64                 `json:"renamed,omitempty"`
		Map      map[string]base         `json:"map"`
		Grid     [][]int                 `json:"grid"`
		Tags     reducto.Cited[[]string] `json:"tags"`
		Pointer  *reducto.Cited[int]     `json:"pointer"`
		Missing  *string                 `json:"missing"`
		Time     time.Time               `json:"time"`
		Addr     netip.Addr              `json:"addr"`
		Raw      json.RawMessage         `json:"raw"`
		Bytes    []byte                  `json:"bytes"`
		Any      any                     `json:"any"`
		Keys     map[int]bool            `json:"keys"`
		NaN      float64
		Empty    []int
	}{
		base: base{1}, Skipped: "x", private: 1, Renamed: 1e6,
		Map: map[string]base{"b c": {2}, "a": {3}}, Grid: [][]int{{1}, {2, 3}}, Tags: cited,
		Pointer: &reducto.Cited[int]{Value: 5}, Missing: nothing, Time: time.Unix(0, 0).UTC(), Addr: netip.MustParseAddr("10.0.0.1"),
		Raw: json.RawMessage(`{"a":"<b>"}`), Bytes: []byte("x"), Any: map[string]any{"n": nil, "s": "<i>"}, Keys: map[int]bool{7: true}, NaN: math.NaN(),
	})
	var flat []string
	for _, f := range got {
		flat = append(flat, f.Path+"="+f.Value)
	}
	assert.Equal(t, []string{
		"id=1", "Untagged=false", "renamed=1000000", `map["a"].id=3`, `map["b c"].id=2`, "grid[0][0]=1", "grid[1][0]=2", "grid[1][1]=3",
		"tags[0]=a", "tags[1]=b", "pointer=5", "missing=", "time=1970-01-01T00:00:00Z", "addr=10.0.0.1", `raw={"a":"<b>"}`, "bytes=eA==",
		`any["n"]=`, `any["s"]=<i>`, `keys["7"]=true`, "NaN=NaN", "Empty=",
	}, flat)
	assert.Equal(t, cited.Citations, got[9].Citations, "the elements have the citations of the list")
	assert.Equal(t, reducto.ConfidenceHigh, got[9].Confidence)
	assert.Empty(t, got[10].Confidence)
}

type created struct{ time.Time }

type changed struct{ time.Time }

func TestFieldsOfTypesThatMarshalByPointer(t *testing.T) {
	t.Parallel()
	got := report.Fields(struct {
		Pieces big.Int
		Total  reducto.Cited[big.Int]
	}{*big.NewInt(7), reducto.Cited[big.Int]{Value: *big.NewInt(8)}})
	assert.Equal(t, []report.Field{{Path: "Pieces", Value: "7"}, {Path: "Total", Value: "8"}}, got)
}

func TestFieldsOfUnexportedEmbeddedMarshalersDoNotPanic(t *testing.T) {
	t.Parallel()
	got := report.Fields(struct {
		created
		changed
		Number int
	}{Number: 7})
	assert.Equal(t, []report.Field{{Path: "Number", Value: "7"}}, got, "as encoding/json writes it")
}

func TestFieldsTakesTheLowestConfidence(t *testing.T) {
	t.Parallel()
	cites := append(append(cite("a", 0.1, "high"), cite("b", 0.2, "Medium")...), cite("c", 0.3, "superb")...)
	got := report.Fields(reducto.Cited[string]{Value: "x", Citations: cites})
	assert.Equal(t, []report.Field{{Value: "x", Citations: cites, Confidence: "medium"}}, got)
}

func TestFieldsEndsInValuesThatContainThemselves(t *testing.T) {
	t.Parallel()
	self := &loop{Name: "a"}
	self.Next, self.Any = self, []any{self}
	self.List = []loop{{Name: "b", Next: self}}
	m := map[string]any{}
	m["m"] = m
	assert.Len(t, report.Fields(self), 4, "Name, and the three others of List[0]")
	assert.Empty(t, report.Fields(m))
	assert.Len(t, report.Fields(nil), 1)
}

func TestBlocksYieldsParentsAndStops(t *testing.T) {
	t.Parallel()
	c := cite("a", 0.1, "high")
	c[0].ParentBlock = &reducto.Block{Content: "parent"}
	fields := []report.Field{{Citations: c}, {Citations: c}}
	var contents []string
	for b := range report.Blocks(fields) {
		if contents = append(contents, b.Content); len(contents) == 3 {
			break
		}
	}
	assert.Equal(t, []string{"a", "parent", "a"}, contents)
}
