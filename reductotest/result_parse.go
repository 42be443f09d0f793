package reductotest

import (
	"iter"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var parseKind = &kind{
	jobType: "Parse",
	request: parsing.with("input!", input).with("queue_priority", queuePriority),
	result: func(s *Server, j *job, d *document) (*outcome, *apiError) {
		o := parseOutcome(d, j.request, lookupBool(j.request, "settings", "force_url_result"), s.cfg.urlBody)
		if d.file != nil && d.contentType == "application/pdf" {
			s.addPDFLink(o, d)
		}
		return o, nil
	},
}

// parseOutcome returns the result of parsing d with the options of a parse request.
func parseOutcome(d *document, options any, forceURL bool, form URLBody) *outcome {
	pages, numbers := selectPages(d.pages, lookup(options, "settings", "page_range"))
	chunks := chunksOf(pages, numbers, d.figure, chunkConfig{
		mode:   lookupString(options, "retrieval", "chunking", "chunk_mode"),
		size:   intOr(lookup(options, "retrieval", "chunking", "chunk_size"), 1000),
		filter: lookupStrings(options, "retrieval", "filter_blocks"),
	})
	full := mustMarshal(obj("type", "full", "chunks", chunks, "ocr", nil, "custom", nil))
	behind := full
	if form == URLBodyChunks {
		behind = mustMarshal(chunks)
	}
	return newParseOutcome(pageUsage(numbers), full, behind, forceURL)
}

// newParseOutcome returns a parse result. behind is the content at its URL.
func newParseOutcome(usage object, full, behind any, forceURL bool) *outcome {
	return &outcome{
		responseType: "parse",
		head:         obj("duration", jobDuration{}, "pdf_url", nil, "studio_link", studioLink{}, "usage", usage),
		result:       full,
		tail:         obj("document_properties", nil, "parse_mode", nil),
		canBeURL:     true, forceURL: forceURL, behind: behind,
	}
}

// addPDFLink gives a parse result the link to its PDF.
func (s *Server) addPDFLink(o *outcome, d *document) {
	path := "/files/" + d.file.id[len(filePrefix):]
	s.mu.Lock()
	s.objects[path] = storedObject{contentType: d.contentType, file: d.file, body: func() []byte { return d.raw }}
	s.mu.Unlock()
	i := slices.IndexFunc(o.head, func(m member) bool { return m.key == "pdf_url" })
	o.head[i].value = linkTo(path)
}

// pageUsage returns the usage of a job that read the pages with these numbers.
func pageUsage(numbers []int) object {
	breakdown := obj()
	for _, n := range slices.Sorted(slices.Values(numbers)) {
		breakdown = append(breakdown, member{strconv.Itoa(n), []string{"page"}})
	}
	return obj(
		"num_pages", len(numbers),
		"credits", float64(len(numbers)),
		"credit_breakdown", obj("page", float64(len(numbers))),
		"page_billing_breakdown", breakdown,
		"non_empty_cell_count", nil,
	)
}

// block is a paragraph of a page in the wire format.
type block struct {
	Type       string    `json:"type"`
	BBox       bbox      `json:"bbox"`
	Content    string    `json:"content"`
	ImageURL   *string   `json:"image_url"`
	ChartData  []string  `json:"chart_data"`
	Confidence string    `json:"confidence"`
	Granular   *granular `json:"granular_confidence"`
	Extra      *struct{} `json:"extra"`
}

type bbox struct {
	Left         float64 `json:"left"`
	Top          float64 `json:"top"`
	Width        float64 `json:"width"`
	Height       float64 `json:"height"`
	Page         int     `json:"page"`
	OriginalPage int     `json:"original_page"`
}

type granular struct {
	Extract *float64 `json:"extract_confidence"`
	Parse   *float64 `json:"parse_confidence"`
}

// chunk is a part of a parse result in the wire format.
type chunk struct {
	Content           string  `json:"content"`
	Embed             string  `json:"embed"`
	Enriched          *string `json:"enriched"`
	EnrichmentSuccess bool    `json:"enrichment_success"`
	Blocks            []block `json:"blocks"`
}

// blocksOf returns a block for every paragraph of a page. Its content is the exact text
// of the paragraph. Its box assumes that the lines fill the page evenly.
func blocksOf(page string, number int, figure bool) []block {
	total := float64(max(strings.Count(page, "\n")+1, 50))
	blocks := []block{}
	for p := range paragraphs(page) {
		kind := blockType(p.text)
		if figure {
			kind = "Figure"
		}
		blocks = append(blocks, block{
			Type: kind,
			BBox: bbox{
				Left: 0.1, Width: 0.8,
				Top:    round(0.05 + 0.9*float64(p.line)/total),
				Height: round(0.9 * float64(p.lines) / total),
				Page:   number, OriginalPage: number,
			},
			Content:    p.text,
			Confidence: "high",
			Granular:   &granular{Parse: new(0.95)},
		})
	}
	return blocks
}

// paragraph is a sequence of lines that are not blank.
type paragraph struct {
	text        string
	line, lines int // the first line's number, from 0, and how many there are
}

func paragraphs(page string) iter.Seq[paragraph] {
	return func(yield func(paragraph) bool) {
		start, end, offset, line := 0, 0, 0, 0
		p := paragraph{}
		for text := range strings.Lines(page) {
			if blank := strings.TrimSpace(text) == ""; !blank {
				if p.lines == 0 {
					start, p.line = offset, line
				}
				p.lines++
				end = offset + len(strings.TrimRight(text, "\r\n"))
			} else if p.lines > 0 {
				p.text = page[start:end]
				if !yield(p) {
					return
				}
				p = paragraph{}
			}
			offset += len(text)
			line++
		}
		if p.lines > 0 {
			p.text = page[start:end]
			yield(p)
		}
	}
}

var keyValueLine = regexp.MustCompile(`^[\pL][\pL\pN _./()-]*:\s+\S`)

// blockType returns the type of a paragraph, which it reads as Markdown.
func blockType(content string) string {
	all := func(ok func(line string) bool) bool {
		for line := range strings.Lines(content) {
			if !ok(strings.TrimSpace(line)) {
				return false
			}
		}
		return true
	}
	switch {
	case strings.HasPrefix(content, "# "):
		return "Title"
	case strings.HasPrefix(content, "##"):
		return "Section Header"
	case all(func(l string) bool { return strings.HasPrefix(l, "|") }):
		return "Table"
	case all(func(l string) bool { return strings.HasPrefix(l, "- ") || strings.HasPrefix(l, "* ") }):
		return "List Item"
	case all(func(l string) bool { return keyValueLine.MatchString(l[:min(len(l), 200)]) }):
		return "Key Value"
	}
	return "Text"
}

// chunkConfig holds the options of a request for chunks.
type chunkConfig struct {
	mode   string
	size   int
	filter []string // types of blocks whose text is left out of chunks
}

// chunksOf divides pages into chunks. Without a mode it returns one chunk with the exact
// text.
func chunksOf(pages []string, numbers []int, figure bool, cfg chunkConfig) []chunk {
	chunks := []chunk{}
	var open []block
	flush := func() {
		if len(open) > 0 {
			chunks = append(chunks, joinedChunk(open, cfg.filter))
			open = nil
		}
	}
	size := 0
	for i, page := range pages {
		for _, b := range blocksOf(page, numbers[i], figure) {
			header := b.Type == "Title" || b.Type == "Section Header"
			switch cfg.mode {
			case "block":
				flush()
			case "section", "page_sections":
				if header {
					flush()
				}
			case "variable":
				if size+len(b.Content) > cfg.size {
					flush()
					size = 0
				}
				size += len(b.Content)
			}
			open = append(open, b)
		}
		switch cfg.mode {
		case "page":
			if len(open) > 0 && len(cfg.filter) == 0 {
				chunks = append(chunks, newChunk(page, open))
				open = nil
			}
			flush()
		case "page_sections":
			flush()
		}
	}
	if (cfg.mode == "" || cfg.mode == "disabled") && len(cfg.filter) == 0 {
		return []chunk{newChunk(strings.Join(pages, "\f"), open)}
	}
	flush()
	return chunks
}

// joinedChunk joins blocks with blank lines.
func joinedChunk(blocks []block, filter []string) chunk {
	var contents []string
	for _, b := range blocks {
		if !slices.Contains(filter, b.Type) {
			contents = append(contents, b.Content)
		}
	}
	return newChunk(strings.Join(contents, "\n\n"), blocks)
}

func newChunk(content string, blocks []block) chunk {
	if blocks == nil {
		blocks = []block{}
	}
	return chunk{Content: content, Embed: content, Blocks: blocks}
}
