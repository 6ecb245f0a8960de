// Any bytes as a model: parse must refuse or give a model whose every kernel path scores without a fault, a
// batch equal to its rows, and a second parse equal to the first.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <limits>
#include <vector>

#include "reelsense/model/model.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // Small limits, so that the fuzzer reaches them.
  constexpr reelsense::ModelLimits kLimits = {
      .file_bytes = 1 << 20, .inputs = 256, .trees = 300, .nodes = 5000};
  const reelsense::Result<reelsense::Model> parsed = reelsense::Model::parse({data, size}, kLimits);
  if (!parsed) {
    if (parsed.error().message.empty()) std::abort();
    return 0;
  }
  const reelsense::Model& model = parsed.value();
  const std::size_t inputs = model.info().inputs;
  if (inputs == 0 || inputs > kLimits.inputs) std::abort();
  constexpr std::size_t kRows = 7;
  constexpr float kValues[] = {0.0f,
                               0.5f,
                               -1.0f,
                               std::numeric_limits<float>::quiet_NaN(),
                               3e38f,
                               -1e-42f,
                               std::numeric_limits<float>::infinity()};
  // An exact-size heap block, so that a sanitizer sees a feature too many.
  std::vector<float> rows(kRows * inputs);
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = kValues[(i * 5 + i / inputs) % std::size(kValues)];
  float batch[kRows];
  model.predict_batch(rows.data(), kRows, inputs, batch);
  for (std::size_t r = 0; r < kRows; ++r) {
    const float one = model.predict(&rows[r * inputs]);
    if (std::memcmp(&one, &batch[r], sizeof one) != 0) std::abort();
  }
  return 0;
}
