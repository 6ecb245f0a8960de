package reelsense

import (
	"crypto/rand"
	"fmt"
	"runtime"
	"sync"
	"unsafe"

	"reelsense.dev/go/internal/capi"
)

// Truth is what a window really was, where the app knows: it does when it plays a reel.
type Truth uint32

// The truths.
const (
	TruthUnknown  Truth = 0
	TruthNonVideo Truth = 1
	TruthVideo    Truth = 2
)

// FeedbackOptions of a queue. There are no defaults that send anything: a program that makes a queue has opted in.
type FeedbackOptions struct {
	Records uint32  // 0: 4096; 1 … 1,000,000 records of 184 bytes. Only for a new file
	Sample  float64 // 0: 0.01; share of the windows that is kept, up to 1
	Epsilon float64 // 0: 1.0; of the truth's randomised response, 0.1 … 10
}

// FeedbackQueue holds anonymised windows on their way to retraining, in a file that is mapped into memory: what was added
// is there after the program's sudden end. A record holds quantised features, the label given, and the truth behind
// randomised response; no address, name, flow or time (docs/explanation/privacy.md). Package uplink sends them.
//
// Any goroutine may call it; one call runs at a time. The file belongs to one queue at a time.
type FeedbackQueue struct {
	mu     sync.Mutex
	raw    capi.Feedback
	file   *mapping
	open   bool
	window *rawWindow
	buffer []byte // of Peek
}

// OpenFeedback opens the queue in the file, or makes it. All of the file is written when it is made, so that a full disk
// is an error here and not later. Errors: ErrBusy if another queue has the file, ErrCorrupt if it is something else
// (it is then left as it is), ErrInvalidArgument, and those of the file system.
func OpenFeedback(path string, model *Model, options FeedbackOptions) (*FeedbackQueue, error) {
	const op = "open feedback"
	if model == nil {
		return nil, &Error{op, ErrInvalidArgument, "a model is expected, not nil"}
	}
	if options.Records == 0 {
		options.Records = 4096
	}
	if options.Sample == 0 {
		options.Sample = 0.01
	}
	if options.Epsilon == 0 {
		options.Epsilon = 1.0
	}
	size := capi.FeedbackMemory(options.Records)
	if size == 0 {
		return nil, &Error{op, ErrInvalidArgument, fmt.Sprintf("Records is %d, 1 to 1000000 are expected", options.Records)}
	}
	file, err := mapFile(path, size)
	if err != nil {
		return nil, fmt.Errorf("reelsense: %s: %w", op, err)
	}
	raw, status, text := capi.OpenFeedback(file.bytes, model.raw, options.Sample, options.Epsilon)
	runtime.KeepAlive(model)
	if err := failure(op, status, text); err != nil {
		_ = file.close() // what went wrong before says more
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &FeedbackQueue{raw: raw, file: file, open: true, window: new(rawWindow), buffer: make([]byte, 64<<10)}, nil
}

// Close closes the file; the records stay in it. A second Close does nothing.
func (q *FeedbackQueue) Close() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.open {
		return nil
	}
	q.open = false
	q.raw.Free()
	return q.file.close()
}

func (q *FeedbackQueue) begin(op string) error {
	q.mu.Lock()
	if !q.open {
		q.mu.Unlock()
		return &Error{op, ErrClosed, "the queue was closed"}
	}
	return nil
}

// Add adds a window, if the sample takes it. ErrLimit: the queue is full and the window was left out, which Lost counts.
func (q *FeedbackQueue) Add(window *Window, truth Truth) (kept bool, err error) {
	const op = "add feedback"
	if window == nil || window.width == 0 {
		return false, &Error{op, ErrInvalidArgument, "a window that a classifier gave is expected"}
	}
	if err := q.begin(op); err != nil {
		return false, err
	}
	defer q.mu.Unlock()
	var random [16]byte
	if _, err := rand.Read(random[:]); err != nil {
		return false, fmt.Errorf("reelsense: %s: %w", op, err)
	}
	q.window.decision = window.Decision
	kept, status := q.raw.Add(unsafe.Pointer(q.window), &window.features[0], &window.Bins[0], uint32(truth), &random)
	return kept, failure(op, status, "the queue is full, or truth is none of the three")
}

// Len is the number of records that wait; Lost counts those that were left out since the queue was made, because it was
// full or they were damaged. Both are 0 after Close.
func (q *FeedbackQueue) Len() int {
	if q.begin("") != nil {
		return 0
	}
	defer q.mu.Unlock()
	return int(q.raw.Count())
}

// Lost: see Len.
func (q *FeedbackQueue) Lost() uint64 {
	if q.begin("") != nil {
		return 0
	}
	defer q.mu.Unlock()
	return q.raw.Lost()
}

// Peek is the body of POST /v1/observations for the oldest records: JSON of at most 64 KiB, how many records are in it, at
// most max. They stay until Discard. The same records give the same body, which the server stores once. No records: an
// empty body.
func (q *FeedbackQueue) Peek(max int) (body []byte, records int, err error) {
	const op = "peek feedback"
	if max < 0 {
		return nil, 0, &Error{op, ErrInvalidArgument, "max is negative"}
	}
	if err := q.begin(op); err != nil {
		return nil, 0, err
	}
	defer q.mu.Unlock()
	if max > 1_000_000 {
		max = 1_000_000
	}
	written, n, status := q.raw.Peek(q.buffer, uint32(max))
	if err := failure(op, status, ""); err != nil {
		return nil, 0, err
	}
	return append([]byte(nil), q.buffer[:written]...), int(n), nil
}

// Discard forgets the oldest records, which the server has.
func (q *FeedbackQueue) Discard(records int) error {
	const op = "discard feedback"
	if err := q.begin(op); err != nil {
		return err
	}
	defer q.mu.Unlock()
	if waiting := int(q.raw.Count()); records < 0 || records > waiting {
		return &Error{op, ErrInvalidArgument, fmt.Sprintf("%d records, 0 to %d are expected", records, waiting)}
	}
	return failure(op, q.raw.Discard(uint32(records)), "")
}
