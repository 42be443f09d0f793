package reducto

// PipelineRequest runs a pipeline that was put together in Reducto Studio.
// Input and PipelineID are required.
//
// Newer servers discourage the endpoint, which goes on working: send a
// ParseRequest, and its job to ExtractRequest or SplitRequest by FromJob, to
// have the same configuration in your own code.
type PipelineRequest struct {
	// Input is the document, or a list of them.
	Input Input `json:"input"`
	// PipelineID names the pipeline.
	PipelineID string `json:"pipeline_id"`
	// Settings go before those of the pipeline. Default: the pipeline's own.
	Settings PipelineSettings `json:"settings,omitzero"`
	// Async is for PipelineAsync: the webhook and its metadata, priority.
	Async Async `json:"-"`
}

// PipelineSettings are the settings of a pipeline that a request can replace.
type PipelineSettings struct {
	// DocumentPassword opens a document that is protected by one. Default: none.
	DocumentPassword Password `json:"document_password,omitzero"`
}

func (r PipelineRequest) check() error {
	if err := r.Input.check("Input"); err != nil {
		return err
	}
	if r.PipelineID == "" {
		return refuse("PipelineID", "it is empty: use the id that Reducto Studio shows for the pipeline")
	}
	return nil
}

// wire is the body to send; a is nil for the synchronous endpoint.
func (r *PipelineRequest) wire(a *asyncWire) any {
	return struct {
		*PipelineRequest
		Async *asyncWire `json:"async,omitempty"`
	}{r, a}
}
