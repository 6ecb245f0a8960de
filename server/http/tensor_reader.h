// The body of an Open Inference Protocol v2 infer request: JSON, and behind it the binary tensors of the
// binary tensor data extension. Pure, as classify_reader.h. Thread safety: functions without state; one
// parser a thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/engine/engine.h"
#include "server/http/classify_reader.h"
#include "server/http/json_parser.h"
#include "server/http/problem.h"

namespace reelsense::server {

enum class OutputTensor : std::uint8_t { kProbability, kNextState, kLabel, kConfidence };
std::string_view name_of(OutputTensor tensor) noexcept;
std::string_view datatype_of(OutputTensor tensor) noexcept;  // "FP32", "BYTES"
// What a model of this shape can answer, in the order of its metadata.
std::vector<OutputTensor> outputs_of(const ModelShape& shape);
// "window" of a model with bins, else "features".
std::string_view input_name(const ModelShape& shape) noexcept;

struct InferRequest {
  struct Output {
    OutputTensor tensor = OutputTensor::kProbability;
    std::optional<bool> binary;  // nothing: as binary_all says
  };
  std::string id;
  std::string sequence;  // its id as text; empty: none
  bool sequence_start = false;
  bool sequence_end = false;
  bool binary_all = false;
  std::int64_t timeout_us = 0;  // 0: none
  std::vector<Output> outputs;  // empty: the default ones
  std::size_t rows = 0;

  void clear();
};

// `body`: the whole body, kJsonPadding readable bytes behind it; the first `json_bytes` of it are JSON.
// Appends the rows and, of a model with state and outside a sequence, the states to `job`, which must be
// clear.
std::optional<Problem> read_infer(JsonParser& parser, std::string_view body, std::size_t json_bytes,
                                  const ModelShape& shape, std::size_t most_rows, InferRequest& request,
                                  Job& job);

// Appends the answer: the JSON part and, behind it, binary tensors. Returns the length of the JSON part; 0:
// all is JSON.
std::size_t write_infer(const InferRequest& request, const ModelShape& shape, std::string_view model_name,
                        std::string_view model_version, const Job& job, std::string& out);

}  // namespace reelsense::server
