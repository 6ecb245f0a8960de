#include "server/models/tensor_contract.h"

#include <algorithm>

namespace reelsense::server {

namespace {

constexpr std::int64_t kBatch = -1;

std::string names_of(const std::vector<TensorSpec>& specs) {
  std::string text;
  for (const TensorSpec& spec : specs) text += (text.empty() ? "" : ", ") + spec.name;
  return text;
}

// A client's text in a message: shortened, it may be anything.
std::string quoted(std::string_view text) {
  constexpr std::size_t kShown = 64;
  std::string shown = "\"";
  for (const char c : text.substr(0, kShown)) shown += c >= ' ' && c < 0x7f ? c : '?';
  return shown + (text.size() > kShown ? "…\"" : "\"");
}

const TensorSpec* find_spec(const std::vector<TensorSpec>& specs, std::string_view name) {
  const auto found =
      std::find_if(specs.begin(), specs.end(), [&](const TensorSpec& s) { return s.name == name; });
  return found == specs.end() ? nullptr : &*found;
}

Error invalid(std::string message) {
  return {ErrorCode::kInvalidArgument, std::move(message)};
}

// The batch that `given` says, if it is of the datatype and shape of `spec`.
Result<std::size_t> batch_of(const TensorGiven& given, const TensorSpec& spec, std::size_t max_batch) {
  const std::string where = "input \"" + spec.name + "\": ";
  if (given.datatype != spec.datatype) {
    return invalid(where + "datatype is " + quoted(given.datatype) + ", expected " + spec.datatype);
  }
  const auto expected = [&] {
    return invalid(where + "shape is " + shape_text(given.shape) + ", expected " + shape_text(spec.shape) +
                   " with 1 to " + std::to_string(max_batch) + " rows");
  };
  if (given.shape.size() != spec.shape.size() || given.shape[1] != spec.shape[1]) return expected();
  if (given.shape[0] < 1 || static_cast<std::uint64_t>(given.shape[0]) > max_batch) return expected();
  return static_cast<std::size_t>(given.shape[0]);
}

Status plan_input(const ServedModel& model, std::span<const TensorGiven> inputs, std::size_t i, bool sequence,
                  std::size_t max_batch, TensorPlan& plan) {
  const std::vector<TensorSpec> specs = inputs_of(model);
  const TensorSpec* spec = find_spec(specs, inputs[i].name);
  if (spec == nullptr) {
    return invalid("input " + quoted(inputs[i].name) + ": " + model.id() + " has no such input; it has " +
                   names_of(specs));
  }
  for (std::size_t other = 0; other < i; ++other) {
    if (inputs[other].name == inputs[i].name) return invalid("input \"" + spec->name + "\": given twice");
  }
  if (sequence && spec->role == TensorRole::kState) {
    return invalid("input \"state\": a request with a sequence_id has its state on the server");
  }
  const Result<std::size_t> batch = batch_of(inputs[i], *spec, max_batch);
  if (!batch) return batch.error();
  if (i > 0 && batch.value() != plan.batch) {
    return invalid("input \"" + spec->name + "\": " + std::to_string(batch.value()) + " rows, but \"" +
                   std::string(inputs[0].name) + "\" has " + std::to_string(plan.batch));
  }
  plan.batch = batch.value();
  const std::size_t elements = plan.batch * static_cast<std::size_t>(spec->shape[1]);
  if (spec->role == TensorRole::kRows) {
    plan.rows_input = i;
    plan.rows_elements = elements;
  } else {
    plan.state_input = static_cast<std::ptrdiff_t>(i);
    plan.state_elements = elements;
  }
  return ok_status();
}

Status plan_outputs(const ServedModel& model, std::span<const std::string_view> names, bool sequence,
                    TensorPlan& plan) {
  const std::vector<TensorSpec> specs = outputs_of(model);
  if (names.empty()) {
    for (const TensorSpec& spec : specs) {
      if (spec.required && !(sequence && spec.role == TensorRole::kNextState)) plan.outputs.push_back(spec);
    }
    return ok_status();
  }
  for (const std::string_view name : names) {
    const TensorSpec* spec = find_spec(specs, name);
    if (spec == nullptr) {
      return invalid("output " + quoted(name) + ": " + model.id() + " has no such output; it has " +
                     names_of(specs));
    }
    if (find_spec(plan.outputs, name) != nullptr)
      return invalid("output \"" + spec->name + "\": asked for twice");
    if (sequence && spec->role == TensorRole::kNextState) {
      return invalid("output \"next_state\": a request with a sequence_id has its state on the server");
    }
    plan.outputs.push_back(*spec);
  }
  return ok_status();
}

}  // namespace

std::vector<TensorSpec> inputs_of(const ServedModel& model) {
  const auto width = static_cast<std::int64_t>(model.width());
  if (model.tier() == Tier::kUe) return {{TensorRole::kRows, "features", "FP32", {kBatch, width}, true}};
  const auto state = static_cast<std::int64_t>(model.state_width());
  return {{TensorRole::kRows, "window", "FP32", {kBatch, width}, true},
          {TensorRole::kState, "state", "FP32", {kBatch, state}, false}};
}

std::vector<TensorSpec> outputs_of(const ServedModel& model) {
  std::vector<TensorSpec> outputs = {{TensorRole::kProbability, "probability", "FP32", {kBatch, 1}, true}};
  if (model.state_width() > 0) {
    outputs.push_back({TensorRole::kNextState,
                       "next_state",
                       "FP32",
                       {kBatch, static_cast<std::int64_t>(model.state_width())},
                       true});
  }
  outputs.push_back({TensorRole::kLabel, "label", "BYTES", {kBatch, 1}, false});
  outputs.push_back({TensorRole::kConfidence, "confidence", "FP32", {kBatch, 1}, false});
  return outputs;
}

Result<TensorPlan> plan_tensors(const ServedModel& model, std::span<const TensorGiven> inputs,
                                std::span<const std::string_view> outputs, bool sequence,
                                std::size_t max_batch) {
  TensorPlan plan;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (Status status = plan_input(model, inputs, i, sequence, max_batch, plan); !status)
      return status.error();
  }
  if (plan.rows_elements == 0) {
    const TensorSpec rows = inputs_of(model).front();
    return invalid("input \"" + rows.name + "\": missing, expected " + rows.datatype + " " +
                   shape_text(rows.shape));
  }
  if (sequence && plan.batch != 1) {
    return invalid("sequence_id: a request of a sequence has 1 row, this one has " +
                   std::to_string(plan.batch));
  }
  if (Status status = plan_outputs(model, outputs, sequence, plan); !status) return status.error();
  return plan;
}

std::string shape_text(std::span<const std::int64_t> shape) {
  constexpr std::size_t kShown = 8;
  std::string text = "[";
  for (std::size_t i = 0; i < std::min(shape.size(), kShown); ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  }
  return text + (shape.size() > kShown ? ", …]" : "]");
}

}  // namespace reelsense::server
