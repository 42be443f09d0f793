package reducto

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// textDocument has every type of block, every format of tables, and contents that hold
// Markdown already.
func textDocument() []Chunk {
	block := func(page int, kind BlockType, content string) Block {
		return Block{Type: kind, BBox: BoundingBox{Page: page, Width: 1, Height: 0.1}, Content: content}
	}
	figure := block(2, BlockTypeFigure, "Berths of the harbour, from above")
	figure.ImageURL = "https://storage.example/figure.png?X-Amz-Signature=5a1e"
	figure.ChartData = []Link{"https://storage.example/chart.json?X-Amz-Signature=5a1e"}
	return []Chunk{
		{Blocks: []Block{
			block(1, BlockTypeHeader, "Port of Example"),
			block(1, BlockTypeTitle, "Harbour\nrules"),
			block(1, BlockTypeSectionHeader, "Dues"),
			block(1, BlockTypeText, "Each vessel pays *dues*.\nThey depend on its length.\n"),
			block(1, BlockTypeListItem, "- by day"),
			block(1, BlockTypeListItem, "• by month\n◦ in advance"),
			block(1, BlockTypeListItem, "1. by year"),
			block(1, BlockTypeListItem, "by agreement,\nin writing"),
			block(1, BlockTypeTable, "| Length | Dues |\n|---|---:|\n| up to 10 m | 12.50 |\n| a \\| b<br>c | 20 |"),
			block(1, BlockTypeTable, "<table>\n<tr><th>Berth</th><th>Depth</th></tr>\n\n<tr><td>A &amp; B</td><td>2.5&nbsp;m<br>at low tide</td></tr>\n</table>"),
			block(1, BlockTypeTable, `[["Tide","Time"],["high","03:10|15:40"],["low"],["neap",null,7]]`),
			block(1, BlockTypeFooter, "Office: pier 1"),
			block(1, BlockTypePageNumber, "- 1 -"),
		}},
		{Blocks: []Block{
			block(2, BlockTypeTable, `[[{"text":"Light","bbox":{"x":0.1}},{"text":"Colour"}],[{"text":"pier"},{"bbox":{}}]]`),
			block(2, BlockTypeTable, `[{"name":"Ada","pilot":true},{"pilot":false,"since":1998}]`),
			block(2, BlockTypeTable, "Flag,Meaning\nA,\"diver,\n keep clear\"\n"),
			block(2, BlockTypeTable, "no table at all, it seems"),
			block(2, BlockTypeSectionHeader, "### Entry"),
			figure,
			block(2, BlockTypeKeyValue, "Channel: 16\nCall sign: EXAMPLE"),
			block(2, BlockTypeComment, "Is this right?\nAsk the master."),
			block(2, BlockTypeSignature, "[Signature of the harbour master]"),
			block(2, "Stamp", "RECEIVED"),
			block(2, BlockTypeText, " \n"),
			block(2, BlockTypePageNumber, "2"),
		}},
	}
}

// parsedAs returns a result with its content inline.
func parsedAs(chunks []Chunk) *ParseResult {
	return &ParseResult{JobID: "j1", full: &fullResult{Type: "full", Chunks: chunks}}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "text", name)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(want), got)
}

func TestDocumentAsMarkdownAndText(t *testing.T) {
	t.Parallel()
	r := parsedAs(textDocument())
	for name, opts := range map[string][]TextOption{
		"all":   nil,
		"pages": {WithPageBreaks(), WithoutMargins()},
	} {
		markdown, err := r.Markdown(t.Context(), opts...)
		require.NoError(t, err)
		golden(t, name+".md", markdown)
		var text bytes.Buffer
		require.NoError(t, r.WriteText(t.Context(), &text, opts...))
		golden(t, name+".txt", text.String())
		assert.NotContains(t, markdown+text.String(), "X-Amz", "a link gives access")
	}
}

func TestWithPagesWritesOnlyTheSection(t *testing.T) {
	t.Parallel()
	r := parsedAs(textDocument())
	section := Split{Pages: []SplitPage{{Number: 2}}}
	part, err := r.Markdown(t.Context(), WithPages(section.PageNumbers()...))
	require.NoError(t, err)
	assert.NotContains(t, part, "Harbour")
	assert.Contains(t, part, "RECEIVED")
	none, err := r.Markdown(t.Context(), WithPages())
	require.NoError(t, err)
	assert.Empty(t, none, "a section without pages has no text")
	all, err := r.Markdown(t.Context())
	require.NoError(t, err)
	both, err := r.Markdown(t.Context(), WithPages(1), WithPages(2, 3))
	require.NoError(t, err)
	assert.Equal(t, all, both)
}

func TestChunkAsMarkdownAndText(t *testing.T) {
	t.Parallel()
	c := Chunk{Content: "not this", Blocks: []Block{
		{Type: BlockTypeTitle, Content: "# A"}, {Type: BlockTypeTable, Content: "| a | b |"}, {Type: BlockTypeTable, Content: "<table></table>"},
		{Type: BlockTypeText, Content: "end"},
	}}
	var markdown, text strings.Builder
	require.NoError(t, c.WriteMarkdown(&markdown))
	require.NoError(t, c.WriteText(&text))
	assert.Equal(t, "# A\n\n| a | b |\n\n<table></table>\n\nend\n", markdown.String())
	assert.Equal(t, "A\n\na\tb\n\nend\n", text.String(), "HTML without text leaves no gap")
}

func TestWriteMarkdownReturnsErrors(t *testing.T) {
	t.Parallel()
	full := errors.New("the disk is full")
	r := parsedAs(textDocument())
	require.ErrorIs(t, r.WriteMarkdown(t.Context(), writerFunc(func([]byte) (int, error) { return 0, full })), full)
	long := parsedAs([]Chunk{{Blocks: []Block{{Content: strings.Repeat("a", 10_000)}, {Content: "b"}}}})
	require.ErrorIs(t, long.WriteText(t.Context(), writerFunc(func([]byte) (int, error) { return 0, full })), full)

	broken := storage(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"chunks":[{"blocks":[{"type":"Text","content":"first"},{"type`)
	})
	var got strings.Builder
	require.ErrorContains(t, broken.WriteMarkdown(t.Context(), &got), "after 1 blocks")
	assert.Equal(t, "first", got.String(), "the beginning")
	_, err := broken.Markdown(t.Context())
	require.Error(t, err)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestTablesThatCannotBeReadGoAsTheyAre(t *testing.T) {
	t.Parallel()
	wide := "["
	for i := range maxTableColumns + 1 {
		wide += fmt.Sprintf(`{"c%d":1},`, i)
	}
	for _, content := range []string{
		`[["a","b"],["c"`, `[["a"],{"b":1}]`, `[{"b":1},["a"]]`, `[1,2]`, `[]`, `{"a":[1]}`, `["a","b"]`, `[["a"]] and more`,
		"a,b\nc,d,e", `a,"b`, "a, b", "one\ntwo", strings.TrimSuffix(wide, ",") + "]",
	} {
		r := parsedAs([]Chunk{{Blocks: []Block{{Type: BlockTypeTable, Content: content}}}})
		markdown, err := r.Markdown(t.Context())
		require.NoError(t, err)
		assert.Equal(t, content+"\n", markdown)
		var text strings.Builder
		require.NoError(t, r.WriteText(t.Context(), &text))
		assert.Equal(t, content+"\n", text.String())
	}
}

func TestHTMLAsText(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		"<table><tr><td>a<td>b<tr><td>c</table>":                                                                                              "a\tb\nc",
		"<TABLE><TR><TD>a</TD></TR></TABLE>":                                                                                                  "a",
		"<table><caption>Dues &lt; 5</caption><tr><td>1</td></tr></table>":                                                                    "Dues < 5\n1",
		"Caption\n<table><tr><td></td><td>x</td></tr></table>\nbelow":                                                                         "Caption\n\tx\nbelow",
		"<table><tr><td>a<!-- > b --></td><td title='>'>c</td></tr></table>":                                                                  "a\tc",
		"<table><tr><td><style>td{}</style>a<script>if(a<b)</script>b</td></tr></table>":                                                      "ab",
		"<table><tr><td>a < b</td><td><b>c</b>d<br/>e</td></tr></table>":                                                                      "a < b\tcd e",
		"<table><tr><td><p>a</p><p>b</p></td></tr></table>":                                                                                   "a b",
		"<table><tr><td rowspan=2>a</td><td>b</td></tr><tr><td>c</td></tr><tr><td>d</td></tr></table>":                                        "a\tb\na\tc\nd",
		"<table><tr><TD ROWSPAN='0'>a<td>b<tr><td>c<tbody><tr><td>d</table>":                                                                  "a\tb\na\tc\nd",
		"<table><tr><th colspan=\"2\">a</th><th>b</th></tr><tr><td>c</td><td rowspan=2 colspan=2>d</td></tr><tr><td>e<td>f</td></tr></table>": "a\t\tb\nc\td\t\ne\td\t\tf",
		"<table><tr><td rowspan=x colspan=-3>a<td colspan=0>b<tr><td rowspan>c</table>":                                                       "a\tb\nc",
		"<table><tr><td>a</td": "a",
		"<table><tr><td>a<":    "a<",
		"<table><style>":       "",
		"<table><!-- a":        "",
	} {
		var text strings.Builder
		require.NoError(t, (&Chunk{Blocks: []Block{{Type: BlockTypeTable, Content: content}}}).WriteText(&text))
		assert.Equal(t, want, strings.TrimSuffix(text.String(), "\n"), content)
	}
}

// Spans may not make a large output of a small table.
func TestSpansAreBounded(t *testing.T) {
	t.Parallel()
	for _, content := range []string{
		"<table><tr>" + strings.Repeat("<td colspan=65534 rowspan=65534>a", 2000) + strings.Repeat("<tr><td>b", 2000),
		"<table><tr><td rowspan=65534>" + strings.Repeat("long ", 2000) + strings.Repeat("<tr><td>b", 2000),
	} {
		var text strings.Builder
		require.NoError(t, (&Chunk{Blocks: []Block{{Type: BlockTypeTable, Content: content}}}).WriteText(&text))
		assert.Less(t, text.Len(), 10*len(content))
	}
}

func TestNestedListItemsStayNested(t *testing.T) {
	t.Parallel()
	var items []Block
	for _, content := range []string{"  - a\n    more\n  - b", "        - c", "        1. d\n           more", "\n\te", "  - f", "- g"} {
		items = append(items, Block{Type: BlockTypeListItem, Content: content})
	}
	items = append(items, Block{Content: "  text"}, Block{Type: BlockTypeListItem, Content: "    - h"})
	want := "- a\n  more\n- b\n    - c\n    1. d\n       more\n    - e\n- f\n- g\n\ntext\n\n- h"
	c := Chunk{Blocks: items}
	var markdown, text strings.Builder
	require.NoError(t, c.WriteMarkdown(&markdown))
	require.NoError(t, c.WriteText(&text))
	assert.Equal(t, want+"\n", markdown.String())
	assert.Equal(t, want+"\n", text.String())
	r := parsedAs([]Chunk{c})
	assert.Equal(t, []string{want}, textsOf(passagesOf(t, r, PassageOptions{MaxTokens: 100})))
	assert.Equal(t, []string{"- a\n  more\n- b\n    - c", "1. d\n   more\n- e\n- f", "- g\n\ntext\n\n- h"},
		textsOf(passagesOf(t, r, PassageOptions{MaxTokens: 8, CountTokens: words})), "a passage begins without indentation")
}

func TestLineEndsOfWindowsAreLineEnds(t *testing.T) {
	t.Parallel()
	c := Chunk{Blocks: []Block{
		{Type: BlockTypeKeyValue, Content: "Channel: 16\r\nUse: calls: all\r\n"}, {Type: BlockTypeListItem, Content: "a\r\nb"},
		{Type: BlockTypeComment, Content: "c\rd"}, {Type: BlockTypeTable, Content: "e,f\r\n1,\"2\r\n3\"\r\n"},
	}}
	var markdown strings.Builder
	require.NoError(t, c.WriteMarkdown(&markdown))
	assert.Equal(t, "Channel: 16  \nUse: calls: all\n\n- a\n  b\n\n> c\n> d\n\n| e | f |\n| --- | --- |\n| 1 | 2<br>3 |\n", markdown.String())
}

func TestBackslashBeforeAPipeDoesNotEndTheCell(t *testing.T) {
	t.Parallel()
	var markdown strings.Builder
	c := Chunk{Blocks: []Block{{Type: BlockTypeTable, Content: `[["norm","use"],["\\|x\\|","a\\\\|b"]]`}}}
	require.NoError(t, c.WriteMarkdown(&markdown))
	assert.Equal(t, "| norm | use |\n| --- | --- |\n"+`| \\\|x\\\| | a\\\|b |`+"\n", markdown.String())
}

func TestTextOfACellDoesNotDecideTheFormat(t *testing.T) {
	t.Parallel()
	c := Chunk{Blocks: []Block{{Type: BlockTypeTable, Content: "[ [\"<table>\",\"b\"],\n[\"c\",\"d\"]]"}, {Type: BlockTypeTable, Content: "| <table> | b |\n| - | - |\n| c | d |"}}}
	var text strings.Builder
	require.NoError(t, c.WriteText(&text))
	assert.Equal(t, "<table>\tb\nc\td\n\n<table>\tb\nc\td\n", text.String())
}

func TestHeadingIsOneLine(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		"Harbour\nrules": "# Harbour rules", "## Harbour\n  rules": "## Harbour rules", "# Harbour\n## Rules": "# Harbour\n## Rules", "#1 port": "# #1 port",
	} {
		assert.Equal(t, want, blockMarkdown(BlockTypeTitle, content))
	}
}

func TestListItems(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		"a": "- a", "- a": "- a", "+ a": "+ a", "* a": "* a", "**a** b": "- **a** b", "12) a": "12) a", "1.5 m": "- 1.5 m",
		"1234567890. a": "- 1234567890. a", "a\nb": "- a\n  b", "•a": "- a", "  ": "-   ", "7": "- 7", "▪ a\n  • b": "- a\n  - b",
	} {
		assert.Equal(t, want, listItem(content))
	}
}

func TestTablesOfManyTagsTakeLittleTime(t *testing.T) {
	t.Parallel()
	for _, piece := range []string{"<", "<a \"", "<a '>", "<!--", "</", "<style>", "<td>", "<p>&lt", "[", "[[\"", "|", "|\\", "\n|", "a,b\n", `"a",`, "`<table", "•", "\n"} {
		start := time.Now()
		for _, prefix := range []string{"", "<table>", "["} {
			c := Chunk{Blocks: []Block{{Type: BlockTypeTable, Content: prefix + strings.Repeat(piece, 200_000)}}}
			require.NoError(t, c.WriteText(io.Discard))
			require.NoError(t, c.WriteMarkdown(io.Discard))
		}
		assert.Less(t, time.Since(start), 20*time.Second, "%q", piece)
	}
}

// Scanners of tables keep every line a line, and find the same rows
// in Markdown that they wrote.
func FuzzTableText(f *testing.F) {
	for _, c := range textDocument() {
		for _, b := range c.Blocks {
			f.Add(b.Content)
		}
	}
	for _, seed := range []string{"<table><td a='", "<!--", "<a <b> </c", "|", "|\\|", "[[\"a\\n|\"]]", "[{\"a\":1},{\"b\":[{}]}]", "a,b\n\"\n\",", "<style></x", "&#0;<td>&amp"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, content string) {
		content = strings.TrimSpace(content)
		if content == "" {
			return
		}
		table := newTable(content)
		if !table.measure() {
			return
		}
		var pipes, tabs []string
		table.pipes(func(line []byte) bool {
			pipes = append(pipes, string(line))
			return true
		})
		table.tabs(func(line []byte) bool {
			tabs = append(tabs, string(line))
			return true
		})
		require.Len(t, pipes, len(tabs)+1, "one delimiter")
		for i, line := range append(pipes, tabs...) {
			require.NotContains(t, line, "\n")
			require.True(t, !utf8.ValidString(content) || utf8.ValidString(line))
			require.True(t, i >= len(pipes) || strings.HasPrefix(line, "| ") && strings.HasSuffix(line, " |") || line == "|", "%q", line)
		}
		again := newTable(strings.Join(pipes, "\n"))
		require.True(t, again.measure())
		var same []string
		again.pipes(func(line []byte) bool {
			same = append(same, string(line))
			return true
		})
		require.Len(t, same, len(pipes))
	})
}
