// The bodies of POST /v1/classify and /v1/feedback, read straight into a Job or into feedback entries.
//
// Pure: what they need of the server comes as `rules`, so tests and the fuzzer run them alone. Unknown keys,
// keys given twice and values out of range are refused with their place. Thread safety: functions without
// state; one parser a thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/engine/engine.h"
#include "server/http/json_parser.h"
#include "server/http/problem.h"

namespace reelsense::server {

// What a reader must know of a model. The texts are the model's: it must outlive its shape.
struct ModelShape {
  std::string_view id;  // "name@version"
  std::size_t features = 0;
  std::size_t bins = 0;         // 40 or 0
  std::size_t state_width = 0;  // 0: no state
  bool packets = false;         // of view packet
  std::string_view view;
  [[nodiscard]] std::size_t width() const noexcept { return features + bins; }
};
ModelShape shape_of(const ServedModel& model);

// The latest second a window may have: the year 2200.
inline constexpr std::int64_t kLatestSecond = 7'258'118'400;

struct ClassifyRules {
  std::size_t flow_name_bytes = 256;
  std::size_t windows = 4096;
  std::size_t packets = 200'000;
  std::function<FlowId(std::string_view flow)> flow_id;
  // The shape of the model called `reference` ("": the default); a problem if it is not served.
  std::function<std::optional<Problem>(std::string_view reference, ModelShape& shape)> find_model;
};

// Where a flow's name stands in the body, quotes included, packed into Job::Flow::tag: the answer repeats it
// as it was.
struct RawName {
  std::uint32_t offset = 0;
  std::uint32_t length = 0;
  [[nodiscard]] std::uint64_t tag() const noexcept { return std::uint64_t{offset} << 32 | length; }
  static RawName of(std::uint64_t tag) noexcept {
    return {static_cast<std::uint32_t>(tag >> 32), static_cast<std::uint32_t>(tag)};
  }
};

// `body` must have kJsonPadding readable bytes behind it. Fills flows, packets, rows and answers of `job`,
// which must be clear. `windows`: how many windows the request will take at most (packets: one for each
// second they touch).
std::optional<Problem> read_classify(JsonParser& parser, std::string_view body, const ClassifyRules& rules,
                                     Job& job, std::size_t& windows);

struct TruthIn {
  FlowId flow;
  std::int64_t second = 0;
  bool video = false;
};
std::optional<Problem> read_feedback(JsonParser& parser, std::string_view body, const ClassifyRules& rules,
                                     std::vector<TruthIn>& truths);

// {"model": "name@version"} of PUT /v1/aliases/{alias}.
std::optional<Problem> read_alias(JsonParser& parser, std::string_view body, std::string& reference);

}  // namespace reelsense::server
