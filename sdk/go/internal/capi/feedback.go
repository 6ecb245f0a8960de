package capi

/*
#include "shim.h"
*/
import "C"

import "unsafe"

// Feedback is an rs_feedback.
type Feedback struct{ p *C.rs_feedback }

// FeedbackMemory is rs_feedback_memory.
func FeedbackMemory(records uint32) int { return int(C.rs_feedback_memory(C.uint32_t(records))) }

// OpenFeedback is rs_feedback_open; memory is not Go's and outlives the queue.
func OpenFeedback(memory []byte, model Model, sample, epsilon float64) (Feedback, Status, string) {
	var e C.rs_error
	var f Feedback
	var options C.rs_feedback_options
	C.rs_feedback_options_init(&options, C.sizeof_rs_feedback_options)
	options.sample = C.double(sample)
	options.epsilon = C.double(epsilon)
	status, text := message(C.rs_feedback_open(&f.p, unsafe.Pointer(&memory[0]), C.size_t(len(memory)), model.p,
		&options, &e), &e)
	return f, status, text
}

// Free is rs_feedback_free; the memory stays the caller's.
func (f Feedback) Free() { C.rs_feedback_free(f.p) }

// Add is rs_feedback_add; window: an rs_window in memory without Go pointers, its own pointers are not read.
func (f Feedback) Add(window unsafe.Pointer, features *float32, bins *uint32, truth uint32, random *[16]byte) (kept bool,
	status Status) {
	var k C.int
	s := C.rsgo_feedback_add(f.p, &k, (*C.rs_window)(window), (*C.float)(features), (*C.uint32_t)(bins),
		C.uint32_t(truth), (*C.uint8_t)(&random[0]))
	return k != 0, Status(s)
}

// Count is rs_feedback_count, Lost rs_feedback_lost.
func (f Feedback) Count() uint32 { return uint32(C.rs_feedback_count(f.p)) }
func (f Feedback) Lost() uint64  { return uint64(C.rs_feedback_lost(f.p)) }

// Peek is rs_feedback_peek into buffer.
func (f Feedback) Peek(buffer []byte, maxRecords uint32) (written int, records uint32, status Status) {
	var w C.size_t
	var r C.uint32_t
	s := C.rs_feedback_peek(f.p, (*C.char)(unsafe.Pointer(&buffer[0])), C.size_t(len(buffer)), &w, &r,
		C.uint32_t(maxRecords))
	return int(w), uint32(r), Status(s)
}

// Discard is rs_feedback_discard.
func (f Feedback) Discard(records uint32) Status {
	return Status(C.rs_feedback_discard(f.p, C.uint32_t(records)))
}
