package reducto

// ErrorName is the service's name for what went wrong, in answers that are
// errors and in jobs that failed. It is an open set: a name that is not among
// the constants is kept as it came.
type ErrorName string

// Passing faults of the service: the same work may succeed later.
const (
	ErrorTimeout            ErrorName = "TIMEOUT"
	ErrorCapacityTimeout    ErrorName = "CAPACITY_TIMEOUT"
	ErrorCustomerTimeout    ErrorName = "CUSTOMER_TIMEOUT"
	ErrorInternalError      ErrorName = "INTERNAL_ERROR"
	ErrorServiceUnavailable ErrorName = "SERVICE_UNAVAILABLE"
	ErrorGPUAllocationError ErrorName = "GPU_ALLOCATION_ERROR"
	ErrorGPUPoolSaturated   ErrorName = "GPU_POOL_SATURATED"
	ErrorBatchQueueFull     ErrorName = "BATCH_QUEUE_FULL"
	ErrorQueueFull          ErrorName = "QUEUE_FULL"
	ErrorJobStateError      ErrorName = "JOB_STATE_ERROR"
)

// The document, or what was asked of it.
const (
	ErrorDocumentCorrupt           ErrorName = "DOCUMENT_CORRUPT"
	ErrorDocumentEmpty             ErrorName = "DOCUMENT_EMPTY"
	ErrorDocumentUnsupported       ErrorName = "DOCUMENT_UNSUPPORTED"
	ErrorDocumentTooLarge          ErrorName = "DOCUMENT_TOO_LARGE"
	ErrorOfficeConversionTooLarge  ErrorName = "OFFICE_CONVERSION_TOO_LARGE"
	ErrorImageTooLarge             ErrorName = "IMAGE_TOO_LARGE"
	ErrorImageTooSmall             ErrorName = "IMAGE_TOO_SMALL"
	ErrorImageInvalidAspectRatio   ErrorName = "IMAGE_INVALID_ASPECT_RATIO"
	ErrorDocumentPasswordProtected ErrorName = "DOCUMENT_PASSWORD_PROTECTED"
	ErrorFormFillFailed            ErrorName = "FORM_FILL_FAILED"
)

// Faults while the document was processed.
const (
	ErrorInternalInvariantViolation ErrorName = "INTERNAL_INVARIANT_VIOLATION"
	ErrorGPUUnavailable             ErrorName = "GPU_UNAVAILABLE"
	ErrorContextWindowExceeded      ErrorName = "CONTEXT_WINDOW_EXCEEDED"
	ErrorOutputLimitExceeded        ErrorName = "OUTPUT_LIMIT_EXCEEDED"
	ErrorProcessingFailed           ErrorName = "PROCESSING_FAILED"
	ErrorInferenceMethodUnsupported ErrorName = "INFERENCE_METHOD_UNSUPPORTED"
	ErrorSubprocessCrashed          ErrorName = "SUBPROCESS_CRASHED"
	ErrorBatchOrphaned              ErrorName = "BATCH_ORPHANED"
	ErrorOversizedResult            ErrorName = "OVERSIZED_RESULT"
	ErrorLLMOutputParseFailed       ErrorName = "LLM_OUTPUT_PARSE_FAILED"
	ErrorLLMProviderError           ErrorName = "LLM_PROVIDER_ERROR"
)

// The request, the account, or the state of the job.
const (
	ErrorInvalidConfig         ErrorName = "INVALID_CONFIG"
	ErrorInvalidSchema         ErrorName = "INVALID_SCHEMA"
	ErrorAuthError             ErrorName = "AUTH_ERROR"
	ErrorNotApplicable         ErrorName = "NOT_APPLICABLE"
	ErrorRegionUnavailable     ErrorName = "REGION_UNAVAILABLE"
	ErrorNotFound              ErrorName = "NOT_FOUND"
	ErrorJobDeletionInProgress ErrorName = "JOB_DELETION_IN_PROGRESS"
	ErrorJobDeleted            ErrorName = "JOB_DELETED"
	ErrorJobNotComplete        ErrorName = "JOB_NOT_COMPLETE"
	ErrorJobCancelled          ErrorName = "JOB_CANCELLED"
	ErrorRateLimit             ErrorName = "RATE_LIMIT"
	ErrorCellCountExceeded     ErrorName = "CELL_COUNT_EXCEEDED"
	ErrorURLNotAllowed         ErrorName = "URL_NOT_ALLOWED"
)

// Transient reports whether the same work may succeed later without any change.
// The service publishes no such list: this is the group of constants above whose
// names say so, and an unknown name is not transient.
func (n ErrorName) Transient() bool {
	switch n {
	case ErrorTimeout,
		ErrorCapacityTimeout,
		ErrorCustomerTimeout,
		ErrorInternalError,
		ErrorServiceUnavailable,
		ErrorGPUAllocationError,
		ErrorGPUPoolSaturated,
		ErrorBatchQueueFull,
		ErrorQueueFull,
		ErrorJobStateError:
		return true
	}
	return false
}
