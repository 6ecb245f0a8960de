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

#endif
