// What cgo cannot say itself: callbacks, and structs that hold pointers to Go memory.
#ifndef REELSENSE_GO_SHIM_H_
#define REELSENSE_GO_SHIM_H_

#include "core_digest.h"
#include "reelsense.h"

// rs_classifier_create with callbacks into Go. A timeout or a limit of 0: the default.
rs_status rsgo_classifier_create(rs_classifier** classifier, const rs_model* model, uint32_t view, uint32_t max_flows,
                                 int64_t idle_timeout_ns, int64_t active_timeout_ns, const rs_policy* policy,
                                 uintptr_t handle, rs_error* error);

// rs_feedback_add of a window whose features and bins lie elsewhere; its own pointers are not read.
rs_status rsgo_feedback_add(rs_feedback* feedback, int* kept, const rs_window* window, const float* features,
                            const uint32_t* bins, uint32_t truth, const uint8_t* random);

// The calls of every packet. The handle comes as a number: before Go 1.22 a pointer to a C type without a body costs an
// allocation in every call.
static inline rs_classifier* rsgo_classifier(uintptr_t c) { return (rs_classifier*)c; }
static inline rs_status rsgo_advance(uintptr_t c, int64_t now) { return rs_classifier_advance(rsgo_classifier(c), now); }
static inline rs_status rsgo_add_packets(uintptr_t c, const rs_packet* packets, size_t n) {
  return rs_add_packets(rsgo_classifier(c), packets, n);
}
static inline rs_status rsgo_add_frames(uintptr_t c, uint32_t link, uintptr_t frames, size_t n) {
  return rs_add_frames(rsgo_classifier(c), link, (const rs_frame*)frames, n);
}
static inline rs_status rsgo_flow_open(uintptr_t c, uint64_t* flow, int64_t now) {
  return rs_flow_open(rsgo_classifier(c), flow, now);
}
static inline rs_status rsgo_flow_read(uintptr_t c, uint64_t flow, uint64_t bytes, int64_t now) {
  return rs_flow_read(rsgo_classifier(c), flow, bytes, now);
}
static inline rs_status rsgo_flow_write(uintptr_t c, uint64_t flow, uint64_t bytes, int64_t now) {
  return rs_flow_write(rsgo_classifier(c), flow, bytes, now);
}
static inline rs_status rsgo_flow_close(uintptr_t c, uint64_t flow, int64_t now) {
  return rs_flow_close(rsgo_classifier(c), flow, now);
}
static inline rs_status rsgo_flow_peek(uintptr_t c, rs_decision* decision, uint64_t flow) {
  return rs_flow_peek(rsgo_classifier(c), decision, flow);
}
static inline rs_status rsgo_model_classify(uintptr_t model, rs_decision* decisions, const float* rows, size_t n) {
  return rs_model_classify((const rs_model*)model, decisions, rows, n);
}

#endif
