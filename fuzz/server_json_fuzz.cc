// The JSON bodies of /v1/classify, /v1/feedback and /v1/observations: any bytes are refused with a reason, or
// leave a job whose parts agree.
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "server/http/classify_reader.h"
#include "server/http/classify_writer.h"
#include "server/http/observation_body.h"

namespace {

using namespace reelsense::server;

void require(bool promise) {
  if (!promise) std::abort();
}

constexpr std::size_t kMostObservations = 4;

std::size_t find_view_width(std::string_view view) {
  const reelsense::ViewSchema* const schema = reelsense::find_view(view);
  require(schema != nullptr);
  return schema->features.size();
}

// Small limits, so that the fuzzer reaches them.
ClassifyRules small_rules() {
  ClassifyRules rules;
  rules.flow_name_bytes = 16;
  rules.windows = 8;
  rules.packets = 32;
  rules.flow_id = [](std::string_view flow) {
    return FlowId{flow.size() + 1, static_cast<std::uint64_t>(flow[0])};
  };
  rules.find_model = [](std::string_view reference, ModelShape& shape) -> std::optional<Problem> {
    if (reference.empty()) {
      shape = {"ue@1.0.0", 3, 0, 0, true, "packet"};
    } else if (reference == "edge") {
      shape = {"edge@1.0.0", 2, 40, 4, true, "packet"};
    } else if (reference == "socket") {
      shape = {"socket@1.0.0", 2, 0, 0, false, "socket"};
    } else {
      return Problem::of(ProblemType::kUnknownModel, "not served");
    }
    return std::nullopt;
  };
  return rules;
}

void check_job(const Job& job, std::string_view body, const ClassifyRules& rules) {
  const std::size_t windows = job.answers.size();
  require(windows <= rules.windows && job.packets.size() <= rules.packets);
  require(windows == 0 || job.rows.size() % windows == 0);
  for (const float value : job.rows) require(std::isfinite(value));
  for (const Answer& answer : job.answers) require(answer.flow < job.flows.size() && answer.second >= 0);
  std::size_t packets = 0;
  for (const Job::Flow& flow : job.flows) {
    const RawName name = RawName::of(flow.tag);
    require(name.length >= 3 && std::size_t{name.offset} + name.length <= body.size());
    require(body[name.offset] == '"' && body[name.offset + name.length - 1] == '"');
    require(flow.packets == 0 || flow.first_packet == packets);
    packets += flow.packets;
    require(flow.until_ns >= 0);
  }
  require(packets == job.packets.size());
  for (const PacketIn& packet : job.packets) require(packet.time_ns >= 0);
}

void check_batch(const ObservationBatch& batch) {
  require(batch.observations.size() <= kMostObservations);
  require(batch.values.size() == batch.observations.size() * batch.width);
  require(find_view_width(batch.view) == batch.width);
  require(batch.epsilon >= kLeastEpsilon && batch.epsilon <= kMostEpsilon);
  require(is_model_id(batch.model) && batch.model.size() <= kMostModelBytes);
  require(!batch.sdk.empty() && batch.sdk.size() <= kMostSdkBytes && batch.schema_hash.size() == 64);
  for (const std::int16_t code : batch.values) require(code >= -32767);
  for (const Observation& one : batch.observations) require(one.confidence >= 0.5F && one.confidence <= 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static JsonParser parser;
  static const ClassifyRules rules = small_rules();
  // An exact-size heap block, so that a sanitizer sees a byte too many.
  const std::unique_ptr<char[]> bytes(new char[size + kJsonPadding]());
  if (size != 0) std::memcpy(bytes.get(), data, size);
  // Behind it the client's next bytes, as a pipelined request would be: here the body's own last ones.
  for (std::size_t i = 0; i < kJsonPadding && size != 0; ++i)
    bytes[size + i] = bytes[i % 2 == 0 ? size - 1 : size / 2];
  const std::string_view body(bytes.get(), size);
  Job job;
  std::size_t windows = 0;
  if (const auto problem = read_classify(parser, body, rules, job, windows)) {
    require(!problem->detail.empty());
  } else {
    check_job(job, body, rules);
    require(windows >= job.answers.size());
  }
  std::vector<TruthIn> truths;
  const auto feedback = read_feedback(parser, body, rules, truths);
  require(feedback ? !feedback->detail.empty() : truths.size() <= rules.windows);
  ObservationBatch batch;
  if (const auto problem = read_observation_batch(parser, body, kMostObservations, batch)) {
    require(!problem->detail.empty());
  } else {
    check_batch(batch);
  }
  std::string reference;
  if (!read_alias(parser, body, reference)) require(!reference.empty());
  return 0;
}
