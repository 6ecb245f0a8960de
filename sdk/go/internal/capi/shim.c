#include "shim.h"

#include "_cgo_export.h"

// A cgo.Handle is a number, not an address: it travels as one, so that C never holds a Go pointer.
static void on_windows(void* user, const rs_window* windows, size_t n) {
  rsgoWindows((uintptr_t)user, (rs_window*)windows, n);
}
static void on_second(void* user, const rs_second* second) { rsgoSecond((uintptr_t)user, (rs_second*)second); }
static void on_flow_end(void* user, const rs_flow_summary* flow) {
  rsgoFlowEnd((uintptr_t)user, (rs_flow_summary*)flow);
}

rs_status rsgo_classifier_create(rs_classifier** classifier, const rs_model* model, uint32_t view, uint32_t max_flows,
                                 int64_t idle_timeout_ns, int64_t active_timeout_ns, const rs_policy* policy,
                                 uintptr_t handle, rs_error* error) {
  rs_options options;
  rs_options_init(&options, sizeof options);
  options.view = (rs_view)view;
  if (max_flows != 0) options.max_flows = max_flows;
  if (idle_timeout_ns != 0) options.idle_timeout_ns = idle_timeout_ns;
  if (active_timeout_ns != 0) options.active_timeout_ns = active_timeout_ns;
  options.policy = policy;
  options.user = (void*)handle;
  options.on_windows = on_windows;
  options.on_second = on_second;
  options.on_flow_end = on_flow_end;
  return rs_classifier_create(classifier, model, &options, error);
}

rs_status rsgo_feedback_add(rs_feedback* feedback, int* kept, const rs_window* window, const float* features,
                            const uint32_t* bins, uint32_t truth, const uint8_t* random) {
  rs_window whole = *window;
  whole.features = features;
  whole.bins = bins;
  return rs_feedback_add(feedback, kept, &whole, (rs_truth)truth, random);
}
