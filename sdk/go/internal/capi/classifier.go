package capi

/*
#include <stdlib.h>
#include "shim.h"
*/
import "C"

import (
	"runtime/cgo"
	"unsafe"
)

// Classifier is an rs_classifier with its Sink.
type Classifier struct {
	p      *C.rs_classifier
	handle cgo.Handle
}

// Options are those of rs_options; zero values mean the default.
type Options struct {
	View            uint32
	MaxFlows        uint32
	IdleTimeoutNS   int64
	ActiveTimeoutNS int64
	Policy          Policy
}

// NewClassifier is rs_classifier_create; a zero Model: features without labels.
func NewClassifier(model Model, options Options, sink Sink) (Classifier, Status, string) {
	var e C.rs_error
	c := Classifier{handle: cgo.NewHandle(sink)}
	s := C.rsgo_classifier_create(&c.p, model.p, C.uint32_t(options.View), C.uint32_t(options.MaxFlows),
		C.int64_t(options.IdleTimeoutNS), C.int64_t(options.ActiveTimeoutNS), options.Policy.p,
		C.uintptr_t(c.handle), &e)
	status, text := message(s, &e)
	if status != 0 {
		c.handle.Delete()
	}
	return c, status, text
}

// number is the handle as shim.h wants it. It is C memory: nothing moves it, and its owner keeps it while a call runs.
func (c Classifier) number() C.uintptr_t { return C.uintptr_t(uintptr(unsafe.Pointer(c.p))) }

// Free is rs_classifier_free; the sink is let go.
func (c Classifier) Free() {
	C.rs_classifier_free(c.p)
	c.handle.Delete()
}

// SetModel is rs_classifier_set_model.
func (c Classifier) SetModel(m Model) Status { return Status(C.rs_classifier_set_model(c.p, m.p)) }

// Advance is rs_classifier_advance.
func (c Classifier) Advance(nowNS int64) Status {
	return Status(C.rsgo_advance(c.number(), C.int64_t(nowNS)))
}

// Finish is rs_classifier_finish.
func (c Classifier) Finish() Status { return Status(C.rs_classifier_finish(c.p)) }

// AddPackets is rs_add_packets; packets: rs_packet[n].
func (c Classifier) AddPackets(packets unsafe.Pointer, n int) Status {
	return Status(C.rsgo_add_packets(c.number(), (*C.rs_packet)(packets), C.size_t(n)))
}

// FlowOpen is rs_flow_open; *flow is memory of its own, without pointers.
func (c Classifier) FlowOpen(flow *uint64, nowNS int64) Status {
	return Status(C.rsgo_flow_open(c.number(), (*C.uint64_t)(flow), C.int64_t(nowNS)))
}

// FlowRead is rs_flow_read, FlowWrite rs_flow_write, FlowClose rs_flow_close.
func (c Classifier) FlowRead(flow, bytes uint64, nowNS int64) Status {
	return Status(C.rsgo_flow_read(c.number(), C.uint64_t(flow), C.uint64_t(bytes), C.int64_t(nowNS)))
}
func (c Classifier) FlowWrite(flow, bytes uint64, nowNS int64) Status {
	return Status(C.rsgo_flow_write(c.number(), C.uint64_t(flow), C.uint64_t(bytes), C.int64_t(nowNS)))
}
func (c Classifier) FlowClose(flow uint64, nowNS int64) Status {
	return Status(C.rsgo_flow_close(c.number(), C.uint64_t(flow), C.int64_t(nowNS)))
}

// FlowPeek is rs_flow_peek; decision: an rs_decision in memory without pointers.
func (c Classifier) FlowPeek(decision unsafe.Pointer, flow uint64) Status {
	return Status(C.rsgo_flow_peek(c.number(), (*C.rs_decision)(decision), C.uint64_t(flow)))
}

// CountersInit and Counters: an rs_counters in memory without pointers.
func (c Classifier) Counters(counters unsafe.Pointer) Status {
	C.rs_counters_init((*C.rs_counters)(counters), C.sizeof_rs_counters)
	return Status(C.rs_classifier_counters((*C.rs_counters)(counters), c.p))
}

// Frames is a batch of frames in C memory: an rs_frame holds an address, and an array in Go memory that holds Go
// addresses may not be given to C. Copying the bytes costs less than pinning them.
type Frames struct {
	frames []C.rs_frame
	bytes  []byte
	n      int
	used   int
}

// NewFrames makes room for n frames of together so many bytes; nil if there is no memory.
func NewFrames(n, bytes int) *Frames {
	frames := C.calloc(C.size_t(n), C.sizeof_rs_frame)
	data := C.malloc(C.size_t(bytes))
	if frames == nil || data == nil {
		C.free(frames)
		C.free(data)
		return nil
	}
	return &Frames{frames: unsafe.Slice((*C.rs_frame)(frames), n), bytes: unsafe.Slice((*byte)(data), bytes)}
}

// Free gives the memory back.
func (f *Frames) Free() {
	C.free(unsafe.Pointer(&f.frames[0]))
	C.free(unsafe.Pointer(&f.bytes[0]))
	f.frames, f.bytes = nil, nil
}

// Add copies a frame into the batch; false: it is full. An empty batch takes any frame, cut to what fits.
func (f *Frames) Add(timeNS int64, data []byte, wireBytes uint32) bool {
	if f.n == len(f.frames) || (len(data) > len(f.bytes)-f.used && f.n > 0) {
		return false
	}
	captured := copy(f.bytes[f.used:], data)
	frame := &f.frames[f.n]
	frame.time_ns = C.int64_t(timeNS)
	frame.captured_bytes = C.uint32_t(captured)
	frame.wire_bytes = C.uint32_t(wireBytes)
	frame.data = unsafe.Pointer(&f.bytes[0]) // a frame without bytes still has an address
	if captured > 0 {
		frame.data = unsafe.Pointer(&f.bytes[f.used])
	}
	f.n++
	f.used += captured
	return true
}

// AddFrames is rs_add_frames; the batch is empty afterwards.
func (c Classifier) AddFrames(link uint32, batch *Frames) Status {
	n := batch.n
	batch.n, batch.used = 0, 0
	if n == 0 {
		return 0
	}
	first := C.uintptr_t(uintptr(unsafe.Pointer(&batch.frames[0]))) // C memory
	return Status(C.rsgo_add_frames(c.number(), C.uint32_t(link), first, C.size_t(n)))
}
