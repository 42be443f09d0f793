package main

import (
	"encoding/json"

	"github.com/reducto-go/reducto"
)

// What a program would declare that decodes results without a library: the fields
// that this one has, and nothing that keeps what is not known.
type (
	plainJob struct {
		Status   string      `json:"status"`
		Result   plainResult `json:"result"`
		Progress *float64    `json:"progress"`
		Reason   string      `json:"reason"`
	}

	plainResult struct {
		ResponseType       string          `json:"response_type"`
		JobID              string          `json:"job_id"`
		Duration           float64         `json:"duration"`
		PDFURL             string          `json:"pdf_url"`
		StudioLink         string          `json:"studio_link"`
		Usage              plainUsage      `json:"usage"`
		Result             plainContent    `json:"result"`
		ParseMode          string          `json:"parse_mode"`
		DocumentProperties json.RawMessage `json:"document_properties"`
	}

	plainUsage struct {
		NumPages             int                 `json:"num_pages"`
		Credits              *float64            `json:"credits"`
		CreditBreakdown      map[string]float64  `json:"credit_breakdown"`
		PageBillingBreakdown map[string][]string `json:"page_billing_breakdown"`
		NonEmptyCellCount    *int                `json:"non_empty_cell_count"`
	}

	plainContent struct {
		Type   string       `json:"type"`
		Chunks []plainChunk `json:"chunks"`
		OCR    *plainOCR    `json:"ocr"`
	}

	plainChunk struct {
		Content           string       `json:"content"`
		Embed             string       `json:"embed"`
		Enriched          *string      `json:"enriched"`
		EnrichmentSuccess bool         `json:"enrichment_success"`
		Blocks            []plainBlock `json:"blocks"`
	}

	plainBlock struct {
		Type               string                     `json:"type"`
		BBox               plainBox                   `json:"bbox"`
		Content            string                     `json:"content"`
		ImageURL           string                     `json:"image_url"`
		ChartData          []string                   `json:"chart_data"`
		Confidence         string                     `json:"confidence"`
		GranularConfidence *plainConfidence           `json:"granular_confidence"`
		Extra              map[string]json.RawMessage `json:"extra"`
	}

	plainBox struct {
		Left         float64 `json:"left"`
		Top          float64 `json:"top"`
		Width        float64 `json:"width"`
		Height       float64 `json:"height"`
		Page         int     `json:"page"`
		OriginalPage int     `json:"original_page"`
	}

	plainConfidence struct {
		ExtractConfidence *float64 `json:"extract_confidence"`
		ParseConfidence   *float64 `json:"parse_confidence"`
	}

	plainOCR struct {
		Words []plainText `json:"words"`
		Lines []plainText `json:"lines"`
	}

	plainText struct {
		Text       string   `json:"text"`
		BBox       plainBox `json:"bbox"`
		Confidence *float64 `json:"confidence"`
		ChunkIndex *int     `json:"chunk_index"`
		Rotation   *int     `json:"rotation"`
	}
)

// plainly is what the library read, in the form of what the others read.
func plainly(chunks []reducto.Chunk, ocr *reducto.OCRResult) *plainContent {
	c := &plainContent{Type: "full", Chunks: make([]plainChunk, len(chunks))}
	for i, chunk := range chunks {
		c.Chunks[i] = plainChunk{
			Content: chunk.Content, Embed: chunk.Embed,
			Enriched: chunk.Enriched, EnrichmentSuccess: chunk.EnrichmentSuccess,
			Blocks: make([]plainBlock, len(chunk.Blocks)),
		}
		for j := range chunk.Blocks {
			c.Chunks[i].Blocks[j] = plainlyBlock(&chunk.Blocks[j])
		}
	}
	if ocr != nil {
		c.OCR = &plainOCR{Words: make([]plainText, len(ocr.Words)), Lines: make([]plainText, len(ocr.Lines))}
		for i, w := range ocr.Words {
			c.OCR.Words[i] = plainText{w.Text, plainlyBox(w.BBox), w.Confidence, w.ChunkIndex, w.Rotation}
		}
		for i, l := range ocr.Lines {
			c.OCR.Lines[i] = plainText{l.Text, plainlyBox(l.BBox), l.Confidence, l.ChunkIndex, l.Rotation}
		}
	}
	return c
}

func plainlyBlock(b *reducto.Block) plainBlock {
	p := plainBlock{
		Type: string(b.Type), BBox: plainlyBox(b.BBox), Content: b.Content,
		ImageURL: string(b.ImageURL), Confidence: string(b.Confidence), Extra: b.Attributes,
	}
	for _, l := range b.ChartData {
		p.ChartData = append(p.ChartData, string(l))
	}
	if g := b.GranularConfidence; g != nil {
		p.GranularConfidence = &plainConfidence{g.ExtractConfidence, g.ParseConfidence}
	}
	return p
}

func plainlyBox(b reducto.BoundingBox) plainBox {
	return plainBox{b.Left, b.Top, b.Width, b.Height, b.Page, b.OriginalPage}
}
