// Package capi is the C ABI of core/capi/reelsense.h, call by call: it crosses the border and adds nothing. Package
// reelsense is what people use.
//
// Structs cross as unsafe.Pointer to Go structs of the same layout, which layout.go lets a test compare. What is passed
// by address is Go memory without Go pointers, or C memory; C keeps neither. The core is compiled from the checkout by
// the core_*.cc files, which internal/generate writes.
//
// Thread safety: as the C ABI, that is a Model may be used at once by many, each other handle by one at a time.
package capi

/*
#cgo CPPFLAGS: -I${SRCDIR}/../../../../core/capi -I${SRCDIR}/../../../../core/include -DREELSENSE_STATIC
#cgo CFLAGS: -std=c11 -O2 -Wall
#cgo CXXFLAGS: -std=c++20 -O3 -DNDEBUG -fno-exceptions -fno-rtti -fvisibility=hidden
#cgo amd64 CXXFLAGS: -march=x86-64-v2
#include <stdlib.h>
#include "shim.h"
*/
import "C"

import (
	"runtime/cgo"
	"unsafe"
)

// Status is an rs_status.
type Status uint32

// ABIVersion is RS_ABI_VERSION of the header that this package was compiled with.
const ABIVersion = uint32(C.RS_ABI_VERSION)

// Version is that of the library; LibraryABI is the ABI it implements.
func Version() string    { return C.GoString(C.rs_version()) }
func LibraryABI() uint32 { return uint32(C.rs_abi_version()) }

// StatusName is "RS_OK", "RS_INVALID_ARGUMENT", …
func StatusName(s Status) string { return C.GoString(C.rs_status_name(C.rs_status(s))) }

// ReasonName is "default", "video", …; DropName "" beyond the last.
func ReasonName(reason uint8) string { return C.GoString(C.rs_reason_name(C.rs_reason(reason))) }
func DropName(reason uint32) string  { return C.GoString(C.rs_drop_name(C.uint32_t(reason))) }

// FeatureCount, FeatureName and SchemaHash describe a view.
func FeatureCount(view uint32) int { return int(C.rs_feature_count(C.rs_view(view))) }
func FeatureName(view, index uint32) string {
	return C.GoString(C.rs_feature_name(C.rs_view(view), C.uint32_t(index)))
}
func SchemaHash(view uint32) (string, Status) {
	var out [65]C.char
	status := C.rs_schema_hash(&out[0], C.rs_view(view))
	return C.GoString(&out[0]), Status(status)
}

func message(status C.rs_status, e *C.rs_error) (Status, string) {
	if status == C.RS_OK {
		return 0, ""
	}
	return Status(status), C.GoString(&e.message[0])
}

// Extract is rs_extract; features, seconds and bins hold capacity rows.
func Extract(features *float32, seconds *int64, bins *uint32, capacity int, view uint32, times *int64, bytes *uint32,
	directions *uint8, n int) (rows int, status Status, text string) {
	var e C.rs_error
	var count C.size_t
	s := C.rs_extract((*C.float)(features), (*C.int64_t)(seconds), (*C.uint32_t)(bins), C.size_t(capacity), &count,
		C.rs_view(view), (*C.int64_t)(times), (*C.uint32_t)(bytes), (*C.uint8_t)(directions), C.size_t(n), &e)
	status, text = message(s, &e)
	return int(count), status, text
}

// Model is an rs_model.
type Model struct{ p *C.rs_model }

// LoadModel is rs_model_load.
func LoadModel(onnx []byte) (Model, Status, string) {
	var e C.rs_error
	var m Model
	var first unsafe.Pointer
	if len(onnx) > 0 {
		first = unsafe.Pointer(&onnx[0])
	}
	status, text := message(C.rs_model_load(&m.p, first, C.size_t(len(onnx)), &e), &e)
	return m, status, text
}

// Free is rs_model_free.
func (m Model) Free() { C.rs_model_free(m.p) }

// Info is an rs_model_info in Go's types.
type Info struct {
	Name, Version, Kernel                  string
	View, Inputs                           uint32
	Threshold, UncertainLow, UncertainHigh float32
}

// Describe is rs_model_describe.
func (m Model) Describe() (Info, Status) {
	var c C.rs_model_info
	C.rs_model_info_init(&c, C.sizeof_rs_model_info)
	if status := C.rs_model_describe(&c, m.p); status != C.RS_OK {
		return Info{}, Status(status)
	}
	return Info{
		Name: C.GoString(c.name), Version: C.GoString(c.version), Kernel: C.GoString(c.kernel),
		View: uint32(c.view), Inputs: uint32(c.inputs), Threshold: float32(c.threshold),
		UncertainLow: float32(c.uncertain_low), UncertainHigh: float32(c.uncertain_high),
	}, 0
}

// Classify is rs_model_classify; decisions: rs_decision[n].
func (m Model) Classify(decisions unsafe.Pointer, rows *float32, n int) Status {
	return Status(C.rsgo_model_classify(C.uintptr_t(uintptr(unsafe.Pointer(m.p))), (*C.rs_decision)(decisions), (*C.float)(rows), C.size_t(n)))
}

// Policy is an rs_policy.
type Policy struct{ p *C.rs_policy }

// NewPolicy is rs_policy_create.
func NewPolicy() (Policy, Status, string) {
	var e C.rs_error
	var p Policy
	status, text := message(C.rs_policy_create(&p.p, &e), &e)
	return p, status, text
}

// Free is rs_policy_free.
func (p Policy) Free() { C.rs_policy_free(p.p) }

// Set is rs_policy_set. A NUL in the key ends it for C, so the caller keeps such keys away.
func (p Policy) Set(key string, value float64) (Status, string) {
	var e C.rs_error
	name := C.CString(key)
	defer C.free(unsafe.Pointer(name))
	return message(C.rs_policy_set(p.p, name, C.double(value), &e), &e)
}

// PolicyKey is an rs_policy_key in Go's types.
type PolicyKey struct {
	Name, Unit, Help    string
	Low, High, Standard float64
}

// PolicyKeyAt is rs_policy_key_at; false after the last.
func PolicyKeyAt(index uint32) (PolicyKey, bool) {
	var k C.rs_policy_key
	if C.rs_policy_key_at(&k, C.uint32_t(index)) != C.RS_OK {
		return PolicyKey{}, false
	}
	return PolicyKey{C.GoString(k.name), C.GoString(k.unit), C.GoString(k.help), float64(k.low), float64(k.high),
		float64(k.standard)}, true
}

// Sink takes a classifier's callbacks while the call that caused them runs. What is pointed to is C memory, valid until
// the method returns. A Sink must not panic and must not call the classifier: C and C++ frames lie below it.
type Sink interface {
	Windows(first unsafe.Pointer, n int) // rs_window[n]
	Second(second unsafe.Pointer)        // rs_second
	FlowEnd(flow unsafe.Pointer)         // rs_flow_summary
}

//export rsgoWindows
func rsgoWindows(handle C.uintptr_t, windows *C.rs_window, n C.size_t) {
	cgo.Handle(handle).Value().(Sink).Windows(unsafe.Pointer(windows), int(n))
}

//export rsgoSecond
func rsgoSecond(handle C.uintptr_t, second *C.rs_second) {
	cgo.Handle(handle).Value().(Sink).Second(unsafe.Pointer(second))
}

//export rsgoFlowEnd
func rsgoFlowEnd(handle C.uintptr_t, flow *C.rs_flow_summary) {
	cgo.Handle(handle).Value().(Sink).FlowEnd(unsafe.Pointer(flow))
}
