// The body of an Open Inference Protocol request: any bytes are refused with a reason, or leave tensors of
// the shape that the model takes. The first byte of an input says how many of its bytes are JSON, as a share
// of the rest.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "server/http/tensor_reader.h"

namespace {

using namespace reelsense::server;

constexpr std::size_t kMostRows = 4;

void require(bool promise) {
  if (!promise) std::abort();
}

void try_shape(std::string_view body, std::size_t json_bytes, const ModelShape& shape) {
  static JsonParser parser;
  InferRequest request;
  Job job;
  if (const auto problem = read_infer(parser, body, json_bytes, shape, kMostRows, request, job)) {
    require(!problem->detail.empty());
    return;
  }
  require(request.rows >= 1 && request.rows <= kMostRows && job.rows.size() == request.rows * shape.width());
  const bool stateless = shape.state_width != 0 && request.sequence.empty();
  require(job.states.size() == (stateless ? request.rows * shape.state_width : 0));
  require(request.sequence.empty() || request.rows == 1);
  job.answers.resize(request.rows);
  job.next_states = job.states;
  std::string out;
  const std::size_t json = write_infer(request, shape, "m", "1.0.0", job, out);
  require(json <= out.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t length = size - 1;
  const std::size_t json_bytes = data[0] == 255 ? length : length * data[0] / 255;
  // An exact-size heap block, so that a sanitizer sees a byte too many.
  const std::unique_ptr<char[]> bytes(new char[length + kJsonPadding]());
  if (length != 0) std::memcpy(bytes.get(), data + 1, length);
  const std::string_view body(bytes.get(), length);
  try_shape(body, json_bytes, {"edge@1.0.0", 1, 2, 2, true, "packet"});
  try_shape(body, json_bytes, {"ue@1.0.0", 3, 0, 0, true, "packet"});
  return 0;
}
