// ClassifyRequest → Job and Job → WindowLabels. Pure, so that tests and fuzzers run it alone. Errors name the
// place
// ("windows[3].features"), what was found and what was expected. Thread safety: functions without state.
#pragma once

#include <grpcpp/support/status.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "reelsense/v1/flow_classifier.pb.h"
#include "server/config/config.h"
#include "server/engine/engine.h"

namespace reelsense::server {

// Latest second that a window may have: the year 2200.
inline constexpr std::int64_t kEndOfTimeS = 7'258'118'400;

// Names of flows → ids of the caller's flows.
struct FlowNamer {
  const Engine& engine;
  std::uint32_t principal = 0;
  FlowId operator()(std::string_view flow) const noexcept { return engine.flow_id(principal, flow); }
};

// Fills `job`, which is clear, with what `request` asks of `model`; its flows' tags stay free. `windows`: how
// many windows it will take at most (packets: one for each second they touch). On an error the job is to be
// cleared.
grpc::Status fill_job(const v1::ClassifyRequest& request, std::shared_ptr<const ServedModel> model,
                      const Config::Limits& limits, const FlowNamer& name, Job& job, std::size_t& windows);

// The label of the job's answer `index`; `request` is what filled it.
void write_label(const v1::ClassifyRequest& request, const Job& job, std::size_t index,
                 v1::WindowLabel& label);

// A flow's name that is not empty and within the limit.
grpc::Status check_flow_name(std::string_view flow, const Config::Limits& limits, const std::string& where);

v1::Label to_proto(Label label) noexcept;
v1::WindowError to_proto(AnswerCode code) noexcept;

}  // namespace reelsense::server
