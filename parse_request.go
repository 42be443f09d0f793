package reducto

// ParseRequest turns a document into text, chunks and blocks. Only Input is
// required.
type ParseRequest struct {
	// Input is the document, or a list of them.
	Input Input `json:"input"`
	// Enhance chooses what models do beyond recognising text.
	Enhance Enhance `json:"enhance,omitzero"`
	// Retrieval chooses how the text is cut into chunks.
	Retrieval Retrieval `json:"retrieval,omitzero"`
	// Formatting chooses how the text is written.
	Formatting Formatting `json:"formatting,omitzero"`
	// Spreadsheet has what concerns spreadsheets alone.
	Spreadsheet Spreadsheet `json:"spreadsheet,omitzero"`
	// Settings chooses how the document is read and what comes back.
	Settings Settings `json:"settings,omitzero"`
	// QueuePriority is the queue of ParseAsync; the synchronous endpoint has no such
	// option. Default: QueueAuto.
	QueuePriority QueuePriority `json:"queue_priority,omitzero"`
	// Async is for ParseAsync: the webhook and its metadata, priority.
	Async Async `json:"-"`
}

// QueuePriority is the queue in which a job waits. It is an open set.
type QueuePriority string

// The queues.
const (
	// QueueAuto is the default queue.
	QueueAuto QueuePriority = "auto"
	// QueueStandard is another name for QueueAuto that older servers do not know.
	QueueStandard QueuePriority = "standard"
	// QueueBatch is for work that can wait up to twelve hours, at a lower price. While
	// it is full the service answers 503 and asks to come back in five minutes.
	// See https://docs.reducto.ai/workflows/batch-queue.
	QueueBatch QueuePriority = "batch"
)

func (r ParseRequest) check() error {
	if err := r.Input.check("Input"); err != nil {
		return err
	}
	return ParseOptions{
		Enhance:     r.Enhance,
		Retrieval:   r.Retrieval,
		Formatting:  r.Formatting,
		Spreadsheet: r.Spreadsheet,
		Settings:    r.Settings,
	}.check("")
}

// wire is the body to send; a is nil for the synchronous endpoint.
func (r *ParseRequest) wire(a *asyncWire) any {
	return struct {
		*ParseRequest
		Async *asyncWire `json:"async,omitempty"`
	}{r, a}
}
