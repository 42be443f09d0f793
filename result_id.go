package reducto

// ResultID is the service's id for content that lies behind a Link; empty for
// inline content. Nothing here needs it: quote it to Reducto's support.
func (r *ParseResult) ResultID() string { return r.content.id() }

// ResultID is the service's id for a value that lies behind a Link; empty for an
// inline one. Nothing here needs it: quote it to Reducto's support.
func (r *ExtractResult) ResultID() string { return r.value.id() }

func (c content) id() string {
	if c.link == "" {
		return ""
	}
	id, _ := text(object(c.raw)["result_id"])
	return id
}
