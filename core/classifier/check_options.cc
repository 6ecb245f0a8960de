#include "check_options.h"

#include <string>

#include "reelsense/flow/flow_table.h"

namespace reelsense {
namespace {

struct Range {
  const char* option;
  std::int64_t value;
  std::int64_t low;
  std::int64_t high;
  const char* expected;
};

}  // namespace

Status check_options(const UeModel* model, View view, const ClassifierOptions& options) {
  if (model != nullptr && model->view() != view) {
    return make_error(ErrorCode::kMismatch, {"model {} is one of view {}, this needs one of view {}",
                                             model->name(), model->schema().name, view_schema(view).name});
  }
  const Range ranges[] = {
      {"max_flows", options.max_flows, 1, FlowTable::kMaxCapacity, "1 to 16777216"},
      {"idle_timeout_ns", options.idle_timeout_ns, kSecondNs, 86'400 * kSecondNs, "1 s to 86400 s in ns"},
      {"active_timeout_ns", options.active_timeout_ns, kSecondNs, 604'800 * kSecondNs,
       "1 s to 604800 s in ns"},
  };
  for (const Range& range : ranges) {
    if (range.value >= range.low && range.value <= range.high) continue;
    return make_error(ErrorCode::kInvalidArgument,
                      {"{} is {}, expected {}", range.option, range.value, range.expected});
  }
  return ok_status();
}

}  // namespace reelsense
