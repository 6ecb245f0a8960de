// The tensors of a served model as the Open Inference Protocol names them; REST and gRPC mean the same by
// them.
//
//   tier server:  window FP32 [B, W], state FP32 [B, S] (optional: zeros) → probability FP32 [B, 1],
//   next_state FP32 [B, S] tier ue:      features FP32 [B, F]                                    →
//   probability FP32 [B, 1] both, if asked for by name:                                             label
//   BYTES [B, 1], confidence FP32 [B, 1]
//
// W is ServedModel::width(), S its state_width(), F its features(). A request with a sequence (Triton's
// extension: sequence_id, sequence_start, sequence_end) has B = 1 and its state on the server: it neither
// gives `state` nor gets `next_state`. Thread safety: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/models/served_model.h"

namespace reelsense::server {

enum class TensorRole : std::uint8_t { kRows, kState, kProbability, kNextState, kLabel, kConfidence };

struct TensorSpec {
  TensorRole role;
  std::string name;
  std::string datatype;             // "FP32" or "BYTES"
  std::vector<std::int64_t> shape;  // -1: the batch
  // Of an input: it must be given. Of an output: it is given if the request asks for none by name.
  bool required = true;
};

std::vector<TensorSpec> inputs_of(const ServedModel& model);
std::vector<TensorSpec> outputs_of(const ServedModel& model);

// An input that a request gives, without its values.
struct TensorGiven {
  std::string_view name;
  std::string_view datatype;
  std::span<const std::int64_t> shape;
};

// What a request's tensors come to.
struct TensorPlan {
  std::size_t batch = 0;            // 1 … max_batch
  std::size_t rows_input = 0;       // index into the inputs given
  std::ptrdiff_t state_input = -1;  // likewise; -1: not given
  std::vector<TensorSpec> outputs;  // in the order asked for; without a name, the default ones
  // Elements that the values of input i must have: batch × the width of its role.
  std::size_t rows_elements = 0;
  std::size_t state_elements = 0;
};

// Errors name the tensor, what was found and what was expected. `sequence`: the state is on the server.
Result<TensorPlan> plan_tensors(const ServedModel& model, std::span<const TensorGiven> inputs,
                                std::span<const std::string_view> outputs, bool sequence,
                                std::size_t max_batch);

// "[-1, 88]"
std::string shape_text(std::span<const std::int64_t> shape);

}  // namespace reelsense::server
