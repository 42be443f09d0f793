package reductotest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/reducto-go/reducto/reductotest"
)

func TestEditAppendsInstructions(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		form := []any{m{"bbox": m{"left": 0.0, "top": 0.0, "width": 1.0, "height": 1.0, "page": 1.0}, "description": "d", "type": "text"}}
		id := submit(t, srv, "/edit_async", m{"document_url": upload(srv, "text"), "edit_instructions": "Sign it", "form_schema": form})
		time.Sleep(time.Second)
		result := at(t, getJob(t, srv, id), "result").(m)
		assert.Equal(t, "edit", result["response_type"])
		assert.NotContains(t, result, "result")
		assert.Equal(t, form, result["form_schema"])
		link := result["document_url"].(string)
		assert.Equal(t, "text\n\nSign it\n", string(get(t, srv, link).body))
		time.Sleep(2 * time.Hour)
		assert.Equal(t, 403, get(t, srv, link).StatusCode)
		link = at(t, getJob(t, srv, id), "result", "document_url").(string)
		assert.Equal(t, 200, get(t, srv, link).StatusCode, "each answer has a fresh link")

		pdf := pdfWith("", "BT (x) Tj ET")
		result = ok(t, srv, "POST", "/edit", m{"document_url": srv.PutFile("a.pdf", pdf), "edit_instructions": "x"})
		assert.Equal(t, pdf, get(t, srv, result["document_url"].(string)).body)
	})
}
