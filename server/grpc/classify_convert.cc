#include "server/grpc/classify_convert.h"

#include <cstring>
#include <limits>

#include "server/grpc/status.h"

namespace reelsense::server {

namespace {

constexpr std::int64_t kNsPerS = 1'000'000'000;
constexpr std::int64_t kEndOfTimeNs = kEndOfTimeS * kNsPerS;

std::string at(const char* list, int index, const char* field) {
  return std::string(list) + "[" + std::to_string(index) + "]." + field;
}

std::string counts(std::size_t found, std::size_t expected, const char* what) {
  return std::to_string(found) + " " + what + ", expected " + std::to_string(expected);
}

grpc::Status bad_window(const v1::Window& window, int i, const ServedModel& model,
                        const Config::Limits& limits) {
  if (grpc::Status status = check_flow_name(window.flow(), limits, ""); !status.ok()) {
    return invalid_argument(at("windows", i, "flow") + status.error_message());
  }
  if (window.second() < 0 || window.second() > kEndOfTimeS) {
    return invalid_argument(at("windows", i, "second") + ": " + std::to_string(window.second()) +
                            ", expected 0 to " + std::to_string(kEndOfTimeS));
  }
  const auto features = static_cast<std::size_t>(window.features_size());
  if (features != model.features()) {
    return invalid_argument(at("windows", i, "features") + ": " +
                            counts(features, model.features(), "values") + " (view \"" +
                            std::string(model.schema().name) + "\" of " + model.id() + ")");
  }
  return invalid_argument(at("windows", i, "bins") + ": " +
                          counts(static_cast<std::size_t>(window.bins_size()), model.bins(), "values") +
                          " (20 down, then 20 up)");
}

bool is_good(const v1::Window& window, const ServedModel& model, const Config::Limits& limits) noexcept {
  return !window.flow().empty() && window.flow().size() <= static_cast<std::size_t>(limits.flow_name_bytes) &&
         window.second() >= 0 && window.second() <= kEndOfTimeS &&
         static_cast<std::size_t>(window.features_size()) == model.features() &&
         (model.bins() == 0 || static_cast<std::size_t>(window.bins_size()) == model.bins());
}

grpc::Status add_windows(const v1::ClassifyRequest& request, const ServedModel& model,
                         const Config::Limits& limits, const FlowNamer& name, Job& job) {
  const auto n = static_cast<std::size_t>(request.windows_size());
  job.rows.reserve(n * model.width());
  job.answers.reserve(n);
  for (int i = 0; i < request.windows_size(); ++i) {
    const v1::Window& window = request.windows(i);
    if (!is_good(window, model, limits)) return bad_window(window, i, model, limits);
    // Windows of one flow in a row share an entry, until the flow ends: what follows is a new flow of that
    // name.
    if (i == 0 || job.flows.back().end || request.windows(i - 1).flow() != window.flow()) {
      job.flows.emplace_back().id = name(window.flow());
    }
    job.flows.back().end = window.end();
    float* row = job.add_window(static_cast<std::uint32_t>(job.flows.size() - 1), window.second());
    std::memcpy(row, window.features().data(), model.features() * sizeof(float));
    row += model.features();
    for (std::size_t b = 0; b < model.bins(); ++b)
      row[b] = static_cast<float>(window.bins(static_cast<int>(b)));
  }
  return grpc::Status::OK;
}

// One flow's packets; `windows` grows by the seconds that they touch.
grpc::Status add_packets(const v1::FlowPackets& flow, int i, Job& job, std::size_t& windows) {
  std::int64_t last_second = -1;
  for (int k = 0; k < flow.packets_size(); ++k) {
    const v1::Packet& packet = flow.packets(k);
    const auto where = [&] { return "flows[" + std::to_string(i) + "]." + at("packets", k, ""); };
    if (packet.time_ns() < 0 || packet.time_ns() > kEndOfTimeNs) {
      return invalid_argument(where() + "time_ns: " + std::to_string(packet.time_ns()) + ", expected 0 to " +
                              std::to_string(kEndOfTimeNs));
    }
    if (packet.direction() != v1::DIRECTION_UP && packet.direction() != v1::DIRECTION_DOWN) {
      return invalid_argument(where() + "direction: " + std::to_string(packet.direction()) +
                              ", expected DIRECTION_UP or DIRECTION_DOWN");
    }
    const std::int64_t second = packet.time_ns() / kNsPerS;
    windows += second != last_second ? 1 : 0;
    last_second = second;
    job.packets.push_back({packet.time_ns(), packet.size(),
                           packet.direction() == v1::DIRECTION_UP ? Direction::kUp : Direction::kDown});
  }
  return grpc::Status::OK;
}

grpc::Status add_flows(const v1::ClassifyRequest& request, const ServedModel& model,
                       const Config::Limits& limits, const FlowNamer& name, Job& job, std::size_t& windows) {
  if (request.flows_size() > 0 && model.schema().view != View::kPacket) {
    return invalid_argument("flows: " + model.id() + " is of view \"" + std::string(model.schema().name) +
                            "\"; packets need a model of view \"packet\"");
  }
  std::size_t packets = 0;
  for (const v1::FlowPackets& flow : request.flows())
    packets += static_cast<std::size_t>(flow.packets_size());
  if (packets > static_cast<std::size_t>(limits.packets_per_request)) {
    return invalid_argument("flows: " + std::to_string(packets) + " packets in one request, at most " +
                            std::to_string(limits.packets_per_request));
  }
  job.packets.reserve(packets);
  for (int i = 0; i < request.flows_size(); ++i) {
    const v1::FlowPackets& flow = request.flows(i);
    if (grpc::Status status = check_flow_name(flow.flow(), limits, ""); !status.ok()) {
      return invalid_argument(at("flows", i, "flow") + status.error_message());
    }
    if (flow.until_ns() < 0 || flow.until_ns() > kEndOfTimeNs) {
      return invalid_argument(at("flows", i, "until_ns") + ": " + std::to_string(flow.until_ns()) +
                              ", expected 0 to " + std::to_string(kEndOfTimeNs));
    }
    Job::Flow& added = job.flows.emplace_back();
    added.id = name(flow.flow());
    added.first_packet = static_cast<std::uint32_t>(job.packets.size());
    added.packets = static_cast<std::uint32_t>(flow.packets_size());
    added.until_ns = flow.until_ns();
    added.end = flow.end();
    if (grpc::Status status = add_packets(flow, i, job, windows); !status.ok()) return status;
  }
  return grpc::Status::OK;
}

}  // namespace

grpc::Status check_flow_name(std::string_view flow, const Config::Limits& limits, const std::string& where) {
  if (flow.empty())
    return invalid_argument(where + ": empty, expected 1 to " + std::to_string(limits.flow_name_bytes) +
                            " bytes");
  if (flow.size() <= static_cast<std::size_t>(limits.flow_name_bytes)) return grpc::Status::OK;
  return invalid_argument(where + ": " + std::to_string(flow.size()) + " bytes, expected 1 to " +
                          std::to_string(limits.flow_name_bytes));
}

grpc::Status fill_job(const v1::ClassifyRequest& request, std::shared_ptr<const ServedModel> model,
                      const Config::Limits& limits, const FlowNamer& name, Job& job, std::size_t& windows) {
  job.model = std::move(model);
  job.principal = name.principal;
  windows = static_cast<std::size_t>(request.windows_size());
  const auto most = static_cast<std::size_t>(limits.windows_per_request);
  const std::size_t flows = windows + static_cast<std::size_t>(request.flows_size());
  if (flows > most) {
    return invalid_argument("windows and flows: " + std::to_string(flows) + " in one request, at most " +
                            std::to_string(most));
  }
  if (grpc::Status status = add_windows(request, *job.model, limits, name, job); !status.ok()) return status;
  if (request.flows_size() == 0) return grpc::Status::OK;
  if (grpc::Status status = add_flows(request, *job.model, limits, name, job, windows); !status.ok())
    return status;
  if (windows <= most) return grpc::Status::OK;
  return invalid_argument("flows: packets of " + std::to_string(windows) +
                          " seconds in one request, at most " + std::to_string(most));
}

void write_label(const v1::ClassifyRequest& request, const Job& job, std::size_t index,
                 v1::WindowLabel& label) {
  const Answer& answer = job.answers[index];
  const auto windows = static_cast<std::size_t>(request.windows_size());
  if (index < windows) {
    label.set_flow(request.windows(static_cast<int>(index)).flow());
  } else {
    // The flows of packets are the last entries.
    const std::size_t first = job.flows.size() - static_cast<std::size_t>(request.flows_size());
    label.set_flow(request.flows(static_cast<int>(answer.flow - first)).flow());
  }
  label.set_second(answer.second);
  label.set_request_id(request.request_id());
  if (answer.code != AnswerCode::kOk && answer.code != AnswerCode::kRepeated) {
    label.set_error(to_proto(answer.code));
    return;
  }
  label.set_label(to_proto(answer.decision.label));
  label.set_confidence(answer.decision.confidence);
  label.set_probability(answer.decision.probability);
  label.set_uncertain(answer.decision.uncertain);
  label.set_repeated_window(answer.code == AnswerCode::kRepeated);
}

v1::Label to_proto(Label label) noexcept {
  return label == Label::kVideo ? v1::LABEL_VIDEO : v1::LABEL_NON_VIDEO;
}

v1::WindowError to_proto(AnswerCode code) noexcept {
  switch (code) {
    case AnswerCode::kOk:
    case AnswerCode::kRepeated:
      return v1::WINDOW_ERROR_NONE;
    case AnswerCode::kOutOfOrder:
      return v1::WINDOW_ERROR_OUT_OF_ORDER;
    case AnswerCode::kInvalid:
      return v1::WINDOW_ERROR_INVALID;
    case AnswerCode::kDeadline:
      return v1::WINDOW_ERROR_DEADLINE;
    case AnswerCode::kCancelled:
      return v1::WINDOW_ERROR_CANCELLED;
    case AnswerCode::kInternal:
    case AnswerCode::kPending:
      return v1::WINDOW_ERROR_INTERNAL;
  }
  return v1::WINDOW_ERROR_INTERNAL;
}

}  // namespace reelsense::server
