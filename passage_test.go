package reducto

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func passagesOf(t testing.TB, r *ParseResult, opts PassageOptions) []*Passage {
	t.Helper()
	var all []*Passage
	for p, err := range r.Passages(t.Context(), opts) {
		require.NoError(t, err)
		all = append(all, p)
	}
	return all
}

func textsOf(passages []*Passage) []string {
	var texts []string
	for _, p := range passages {
		texts = append(texts, p.Text)
	}
	return texts
}

// words counts words.
func words(s string) int { return len(strings.Fields(s)) }

func TestPassagesKeepBlocksWhole(t *testing.T) {
	t.Parallel()
	block := func(page int, kind BlockType, content string) Block {
		return Block{Type: kind, BBox: BoundingBox{Page: page}, Content: content}
	}
	r := parsedAs([]Chunk{{Blocks: []Block{
		block(1, BlockTypePageNumber, "1"),
		block(1, BlockTypeTitle, "Harbour rules"),
		block(1, BlockTypeSectionHeader, "Dues"),
		block(1, BlockTypeText, "one two three"),
		block(2, BlockTypeListItem, "four five"),
		block(2, BlockTypeListItem, "six seven"),
		block(2, BlockTypeText, "eight nine"),
		block(3, BlockTypeSectionHeader, "### Boats"),
		block(3, BlockTypeText, "ten"),
		block(3, BlockTypeSectionHeader, "Entry"),
		block(3, BlockTypeText, "eleven"),
		block(3, BlockTypeTitle, "Annex"),
	}}})
	all := passagesOf(t, r, PassageOptions{MaxTokens: 14, CountTokens: words, WithoutMargins: true})
	type shown struct {
		Text        string
		First, Last int
		Headings    string
		Boxes       int
	}
	var got []shown
	ids := map[string]bool{}
	for _, p := range all {
		got = append(got, shown{p.Text, p.FirstPage, p.LastPage, strings.Join(p.Headings, "/"), len(p.Boxes)})
		assert.Equal(t, words(p.Text), p.Tokens)
		assert.Equal(t, "j1", p.JobID)
		_, err := uuid.Parse(p.ID)
		require.NoError(t, err)
		ids[p.ID] = true
	}
	assert.Equal(t, []shown{
		{"# Harbour rules\n\n## Dues\n\none two three\n\n- four five\n- six seven", 1, 2, "", 5},
		{"eight nine", 2, 2, "Harbour rules/Dues", 1},
		{"### Boats\n\nten", 3, 3, "Harbour rules/Dues", 2},
		{"## Entry\n\neleven", 3, 3, "Harbour rules", 2},
		{"# Annex", 3, 3, "", 1},
	}, got)
	assert.Len(t, ids, len(all))
	assert.Equal(t, all, passagesOf(t, r, PassageOptions{MaxTokens: 14, CountTokens: words, WithoutMargins: true}), "ids too")
	r.JobID = "j2"
	assert.NotEqual(t, all[0].ID, passagesOf(t, r, PassageOptions{MaxTokens: 14, CountTokens: words, WithoutMargins: true})[0].ID)
}

func TestPassagesSplitLargeBlocks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		max  int
		want []string
	}{
		{"a b c d\n\ne f. g h", 6, []string{"a b c d", "e f. g h"}},
		{"a b c. d e f! g h? i", 7, []string{"a b c. d e f!", "g h? i"}},
		{"一二三。四五六。七", 6, []string{"一二三。", "四五六。七"}},
		{"a b c d e f g", 3, []string{"a b c", "d e f", "g"}},
		{"a 1234567890123", 3, []string{"a", "123456789012", "3"}},
		{"ééééé", 2, []string{"éé", "éé", "é"}},
		{"é", 1, []string{"é"}},
	} {
		count := words
		if c.max < 7 && !strings.Contains(c.text, "b") {
			count = estimateTokens
		}
		r := parsedAs([]Chunk{{Blocks: []Block{{Type: BlockTypeText, Content: c.text}}}})
		got := passagesOf(t, r, PassageOptions{MaxTokens: c.max, CountTokens: count})
		assert.Equal(t, c.want, textsOf(got))
		for _, p := range got {
			assert.LessOrEqual(t, p.Tokens, c.max)
		}
	}
	long := strings.Repeat("a日", 1000)
	for _, most := range []int{1, 2, 3, 5, 1000} {
		all := passagesOf(t, parsedAs([]Chunk{{Blocks: []Block{{Content: long}}}}), PassageOptions{MaxTokens: most})
		assert.Equal(t, long, strings.Join(textsOf(all), ""))
	}
	r := parsedAs([]Chunk{{Blocks: []Block{{Content: "日本"}}}})
	assert.Equal(t, []string{"日", "本"}, textsOf(passagesOf(t, r, PassageOptions{MaxTokens: 1, CountTokens: func(s string) int { return len(s) }})),
		"no character is cut")
}

func TestPassagesSplitTablesBetweenRows(t *testing.T) {
	t.Parallel()
	csv, html := "Flag,Meaning\n", "<table><tr><th>Flag</th><th>Meaning</th></tr>"
	for i := range 5 {
		csv += fmt.Sprintf("F%d,diver %d below\n", i, i)
		html += fmt.Sprintf("<tr><td>F%d</td><td>diver %d below</td></tr>", i, i)
	}
	header := "| Flag | Meaning |\n| --- | --- |\n"
	count := func(s string) int { return words(s) + strings.Count(s, "<") }
	want := []string{
		header + "| F0 | diver 0 below |\n| F1 | diver 1 below |",
		header + "| F2 | diver 2 below |\n| F3 | diver 3 below |",
		header + "| F4 | diver 4 below |",
	}
	for _, content := range []string{csv, html, header + strings.ReplaceAll(strings.Join(want, "\n"), header, "")} {
		r := parsedAs([]Chunk{{Blocks: []Block{{Type: BlockTypeTable, Content: content}}}})
		got := passagesOf(t, r, PassageOptions{MaxTokens: 24, CountTokens: count})
		assert.Equal(t, want, textsOf(got))
		assert.Len(t, passagesOf(t, r, PassageOptions{MaxTokens: 100, CountTokens: count}), 1)
	}
	r := parsedAs([]Chunk{{Blocks: []Block{{Type: BlockTypeTitle, Content: "Flags"}, {Type: BlockTypeTable, Content: csv}}}})
	got := passagesOf(t, r, PassageOptions{MaxTokens: 24, CountTokens: count})
	assert.Equal(t, "# Flags\n\n"+header+"| F0 | diver 0 below |", got[0].Text, "the heading stays with rows")
	assert.Equal(t, []string{"Flags"}, got[1].Headings)
	// Neither the header nor the row fits.
	r = parsedAs([]Chunk{{Blocks: []Block{{Type: BlockTypeTable, Content: csv}}}})
	for _, p := range passagesOf(t, r, PassageOptions{MaxTokens: 4, CountTokens: words}) {
		assert.LessOrEqual(t, p.Tokens, 4)
	}
}

func TestPassagesCountTokensBoundedly(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("It is a text without end, ", 40_000) // 1 MB
	for name, blocks := range map[string][]Block{
		"one block":   {{Content: text}},
		"many blocks": slices.Repeat([]Block{{Content: text[:25]}}, 40_000),
	} {
		counted, calls := 0, 0
		r := parsedAs([]Chunk{{Blocks: blocks}})
		all := passagesOf(t, r, PassageOptions{MaxTokens: 200, CountTokens: func(s string) int {
			counted += len(s)
			calls++
			return estimateTokens(s)
		}})
		t.Logf("%s: %d passages, %d calls, %.1f times the text", name, len(all), calls, float64(counted)/float64(len(text)))
		assert.Less(t, counted, 10*len(text), name)
	}
}

// The sum of the parts is less than the whole for some tokenizers.
func TestPassagesNeverExceedMaxTokens(t *testing.T) {
	t.Parallel()
	odd := func(s string) int { return estimateTokens(s) + strings.Count(s, "\n\n")*7 }
	blocks := []Block{}
	for i := range 50 {
		blocks = append(blocks, Block{Content: fmt.Sprint("block ", i)})
	}
	seen := 0
	for _, p := range passagesOf(t, parsedAs([]Chunk{{Blocks: blocks}}), PassageOptions{MaxTokens: 16, CountTokens: func(s string) int {
		if s == "\n\n" {
			return 0
		}
		return odd(s)
	}}) {
		assert.LessOrEqual(t, odd(p.Text), 16)
		seen += len(p.Boxes)
	}
	assert.Equal(t, len(blocks), seen)
}

func TestPassagesTakeAnyCount(t *testing.T) {
	t.Parallel()
	for _, count := range []int{0, -7, math.MinInt, math.MaxInt} {
		r := parsedAs([]Chunk{{Blocks: []Block{{Content: "one two"}, {Content: "three"}, {Type: BlockTypeTable, Content: "a,b\n1,2\n3,4"}}}})
		for _, p := range passagesOf(t, r, PassageOptions{MaxTokens: 5, CountTokens: func(string) int { return count }}) {
			assert.GreaterOrEqual(t, p.Tokens, 0)
			assert.True(t, count <= 0 || utf8.RuneCountInString(p.Text) == 1, "%d: %q", count, p.Text)
		}
	}
}

func TestPassagesLeaveOutUnknownPages(t *testing.T) {
	t.Parallel()
	r := parsedAs([]Chunk{{Blocks: []Block{{Content: "a"}, {Content: "b", BBox: BoundingBox{Page: 4}}, {Content: "c", BBox: BoundingBox{Page: 3}}, {Content: "d"}}}})
	p := passagesOf(t, r, PassageOptions{MaxTokens: 50})[0]
	assert.Equal(t, []int{3, 4}, []int{p.FirstPage, p.LastPage})
}

// Both documents begin with the same text.
func TestPassagesOfDocumentsOfAPipelineHaveTheirOwnIDs(t *testing.T) {
	t.Parallel()
	const document = `{"result":{"type":"full","chunks":[{"content":"","embed":"","blocks":[{"type":"Text","content":"Invoice"}]}]}}`
	var stored PipelineResult
	require.NoError(t, json.Unmarshal([]byte(`{"response_type":"pipeline","job_id":"j","result":{"parse":[`+document+`,`+document+`]}}`), &stored))
	first := passagesOf(t, stored.Parse[0], PassageOptions{MaxTokens: 50})[0]
	second := passagesOf(t, stored.Parse[1], PassageOptions{MaxTokens: 50})[0]
	assert.NotEqual(t, first.ID, second.ID)

	parse := &ParseResult{JobID: "p1", full: &fullResult{Chunks: []Chunk{{Blocks: []Block{{Content: "a"}}}}}}
	before := passagesOf(t, parse, PassageOptions{MaxTokens: 50})
	parse.bind(source{jobID: "pipeline"})
	assert.Equal(t, before, passagesOf(t, parse, PassageOptions{MaxTokens: 50}), "stored JSON has no job around it")
}

func TestWritePassagesWritesLinesOfJSON(t *testing.T) {
	t.Parallel()
	r := parsedAs(textDocument())
	var out bytes.Buffer
	require.NoError(t, r.WritePassages(t.Context(), &out, PassageOptions{MaxTokens: 50}))
	golden(t, "passages.jsonl", out.String())
	want := passagesOf(t, r, PassageOptions{MaxTokens: 50})
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	require.Len(t, lines, len(want))
	for i, line := range lines {
		var p Passage
		require.NoError(t, json.Unmarshal([]byte(line), &p))
		assert.Equal(t, *want[i], p)
	}
}

func TestPassagesRefuseOptionsAndReturnErrors(t *testing.T) {
	t.Parallel()
	r := parsedAs(textDocument())
	for _, err := range r.Passages(t.Context(), PassageOptions{}) {
		require.EqualError(t, err, "reducto: Passages: MaxTokens: 0: use the most tokens that a passage may have, such as 500")
	}
	require.ErrorContains(t, r.WritePassages(t.Context(), &bytes.Buffer{}, PassageOptions{MaxTokens: -1}), "MaxTokens: -1")

	broken := storage(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"chunks":[{"blocks":[{"type":"Title","content":"first"},{"type":"Text","content":"a"},{"type":"Title","content":"b"},{"type`)
	})
	var out bytes.Buffer
	require.ErrorContains(t, broken.WritePassages(t.Context(), &out, PassageOptions{MaxTokens: 10}), "after 3 blocks")
	assert.Equal(t, 1, strings.Count(out.String(), "\n"), "a passage that is not complete is not written")

	n := 0
	large := parsedAs([]Chunk{{Blocks: []Block{{Content: strings.Repeat("word ", 1000)}, {Type: BlockTypeTable, Content: strings.Repeat("a,b\n", 1000)}}}})
	for range large.Passages(t.Context(), PassageOptions{MaxTokens: 10}) {
		n++
		break
	}
	assert.Equal(t, 1, n)
}

// No text is lost or repeated, and no passage has too many tokens.
func FuzzPassages(f *testing.F) {
	for _, c := range textDocument() {
		for _, b := range c.Blocks {
			f.Add(b.Content, 5)
		}
	}
	f.Add("\u2029 a\xff\xff\xff\xff\xff\xff\xff\xff\xff", 1)
	f.Fuzz(func(t *testing.T, content string, most int) {
		if most < 1 || len(content) > 10_000 {
			return
		}
		bare := func(s string) string { return strings.Join(strings.Fields(s), "") }
		text := ""
		for _, p := range passagesOf(t, parsedAs([]Chunk{{Blocks: []Block{{Type: BlockTypeText, Content: content}}}}), PassageOptions{MaxTokens: most}) {
			require.True(t, p.Tokens <= most || utf8.RuneCountInString(p.Text) == 1)
			require.True(t, !utf8.ValidString(content) || utf8.ValidString(p.Text))
			text += p.Text
		}
		if utf8.ValidString(content) && !holdsTable(BlockTypeText, strings.TrimSpace(content)) {
			require.Equal(t, bare(content), bare(text))
		}
	})
}
