// rs_classifier_…, rs_add_… and rs_flow_….
#include "reelsense/classifier/classifier.h"

#include <algorithm>
#include <array>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include "handles.h"
#include "reelsense/classifier/socket_classifier.h"
#include "reelsense/features/socket_state.h"
#include "reelsense/flow/event_clock.h"
#include "reelsense/flow/flow_table.h"
#include "reelsense/policy/qos_policy.h"

using namespace reelsense;
using namespace reelsense::capi;

namespace {

constexpr std::size_t kBlock = 64;  // frames parsed before the classifier takes them

rs_decision to_c(const Decision& decision) noexcept {
  return {decision.probability,
          decision.confidence,
          static_cast<uint8_t>(decision.label),
          static_cast<uint8_t>(decision.uncertain ? 1 : 0),
          {}};
}

rs_flow_tuple to_c(const FiveTuple& flow) noexcept {
  rs_flow_tuple tuple{};
  std::copy(flow.client.begin(), flow.client.end(), tuple.client);
  std::copy(flow.server.begin(), flow.server.end(), tuple.server);
  tuple.client_port = flow.client_port;
  tuple.server_port = flow.server_port;
  tuple.protocol = flow.protocol;
  tuple.ip_version = flow.ip_version;
  return tuple;
}

rs_qos to_c(const Qos& qos) noexcept {
  return {qos.prefetch_depth,
          qos.buffer_target_ms,
          qos.max_bitrate_kbps,
          qos.throughput_kbps,
          static_cast<uint8_t>(qos.prefetch_reason),
          static_cast<uint8_t>(qos.buffer_reason),
          static_cast<uint8_t>(qos.bitrate_reason),
          static_cast<uint8_t>(qos.changed ? 1 : 0)};
}

rs_options default_options() noexcept {
  const ClassifierOptions defaults;
  rs_options options{};
  options.size = sizeof options;
  options.view = RS_VIEW_PACKET;
  options.max_flows = 256;
  options.idle_timeout_ns = defaults.idle_timeout_ns;
  options.active_timeout_ns = defaults.active_timeout_ns;
  return options;
}

}  // namespace

// Carries a classifier's rows on to the policy and to the callbacks.
struct rs_classifier final : ClassifierSink {
  rs_classifier(const rs_options& wanted, const rs_model* scores_with,
                const PolicyOptions& policy_options) noexcept
      : options(wanted),
        model(rs_model::retain(scores_with)),
        policy(policy_options),
        session(policy_options),
        flows(wanted.max_flows) {}
  ~rs_classifier() override { rs_model::release(model); }

  void on_windows(std::span<const WindowRow> rows) override;
  void on_flow_end(const FlowSummary& flow) override;
  void on_second_end(std::int64_t k) override;

  void add_window(const WindowRow& row, rs_window& window) noexcept;
  void catch_up(std::int64_t k) noexcept;
  void end_session_second() noexcept;
  [[nodiscard]] const ClassifierStats& stats() const noexcept {
    return packets ? packets->stats() : sockets->stats();
  }
  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return sizeof *this + std::size_t{options.max_flows} * sizeof(FlowPolicy) +
           (packets ? packets->memory_bytes() : sockets->memory_bytes());
  }

  rs_options options;
  const rs_model* model;
  mutable Gate gate;
  PolicyOptions policy;
  std::optional<Classifier> packets;
  std::optional<SocketClassifier> sockets;

  SessionPolicy session;
  bool in_session = false;
  std::int64_t session_second = 0;  // the one that is open
  std::uint64_t second_bytes[2] = {};
  std::uint32_t second_windows = 0;

  LazyArray<FlowPolicy> flows;  // by slot
  FlowPeers peers;
  std::uint32_t fresh = 0;  // slots at and above it were never used
  std::array<rs_window, UeModel::kMaxBatch> windows;
  std::array<ParsedPacket, kBlock> parsed;
};

// ---------------------------------------------------------------- rows on their way out

void rs_classifier::on_windows(std::span<const WindowRow> rows) {
  catch_up(rows.front().second);
  for (std::size_t i = 0; i < rows.size(); ++i) add_window(rows[i], windows[i]);
  if (options.on_windows != nullptr) options.on_windows(options.user, windows.data(), rows.size());
}

void rs_classifier::add_window(const WindowRow& row, rs_window& window) noexcept {
  while (fresh <= row.slot) flows[fresh++] = FlowPolicy{};
  const FlowPolicy::Mark mark =
      flows[row.slot].step(policy, row.second, row.decision, row.bytes_up, row.bytes_down,
                           requests_of(packets ? View::kPacket : View::kSocket, row.features), &peers);
  session.add(row.decision, row.bytes_up, row.bytes_down, row.bins, mark);
  second_bytes[RS_UP] += row.bytes_up;
  second_bytes[RS_DOWN] += row.bytes_down;
  ++second_windows;

  window = {};
  window.second = row.second;
  window.flow = row.flow_id;
  window.bytes_up = row.bytes_up;
  window.bytes_down = row.bytes_down;
  window.packets_up = row.packets_up;
  window.packets_down = row.packets_down;
  window.decision = to_c(row.decision);
  window.features = row.features;
  window.bins = row.bins;
  window.tuple = to_c(row.flow);
  window.dscp = mark.dscp;
  window.dscp_reason = static_cast<uint8_t>(mark.reason);
}

// Makes k the session's open second; those between, without packets, end first.
void rs_classifier::catch_up(std::int64_t k) noexcept {
  if (in_session && k < session_second) in_session = false;  // the clock was set back
  while (in_session && session_second < k) end_session_second();
  if (in_session) return;
  session.reset();
  in_session = true;
  session_second = k;
}

void rs_classifier::on_second_end(std::int64_t k) {
  while (in_session && session_second <= k) end_session_second();
}

void rs_classifier::end_session_second() noexcept {
  const SessionResult result = session.end_second(session_second);
  rs_second second{};
  second.size = sizeof second;
  second.second = session_second++;
  second.session = to_c(model != nullptr ? model->model.to_decision(result.probability) : Decision{});
  second.qos = to_c(result.qos);
  second.bytes_up = std::exchange(second_bytes[RS_UP], 0);
  second.bytes_down = std::exchange(second_bytes[RS_DOWN], 0);
  second.windows = std::exchange(second_windows, 0);
  second.live_flows = stats().live_flows;
  in_session = !result.over;
  if (options.on_second != nullptr) options.on_second(options.user, &second);
}

void rs_classifier::on_flow_end(const FlowSummary& flow) {
  if (flow.slot < fresh) flows[flow.slot] = FlowPolicy{};
  if (options.on_flow_end == nullptr) return;
  rs_flow_summary summary{};
  summary.size = sizeof summary;
  summary.flow = flow.flow_id;
  summary.first_ns = flow.first_ns;
  summary.last_ns = flow.last_ns;
  summary.packets_up = flow.packets_up;
  summary.packets_down = flow.packets_down;
  summary.bytes_up = flow.bytes_up;
  summary.bytes_down = flow.bytes_down;
  summary.windows = flow.windows;
  summary.idle_windows = flow.idle_windows;
  summary.video_windows = flow.video_windows;
  summary.reason = static_cast<uint32_t>(flow.reason);
  summary.tuple = to_c(flow.flow);
  options.on_flow_end(options.user, &summary);
}

// ---------------------------------------------------------------- set-up

void rs_options_init(rs_options* options, size_t size) {
  init_sized(options, size, default_options());
}

rs_status rs_classifier_create(rs_classifier** classifier, const rs_model* model, const rs_options* options,
                               rs_error* error) {
  if (!usable(classifier)) {
    return no_place_for(error, "classifier");
  }
  *classifier = nullptr;
  if (model != nullptr && !usable(model)) return fail(error, RS_INVALID_ARGUMENT, "model is misaligned");
  rs_options wanted = default_options();
  if (options != nullptr) {
    if (const rs_status status = read_sized(wanted, options, error); status != RS_OK) return status;
  } else if (model != nullptr) {
    wanted.view = static_cast<rs_view>(model->model.view());
  }
  if (wanted.view != RS_VIEW_PACKET && wanted.view != RS_VIEW_SOCKET) {
    return fail(error, RS_INVALID_ARGUMENT, "options.view is neither RS_VIEW_PACKET nor RS_VIEW_SOCKET");
  }
  PolicyOptions policy;
  if (wanted.policy != nullptr) {
    if (!usable(wanted.policy)) return fail(error, RS_INVALID_ARGUMENT, "options.policy is misaligned");
    policy = wanted.policy->options;
    if (const Status fits = check_policy(policy); !fits)
      return fail(error, fits.error().in("options.policy"));
  }
  const ClassifierOptions limits = {wanted.max_flows, wanted.idle_timeout_ns, wanted.active_timeout_ns};
  const UeModel* ue = model == nullptr ? nullptr : &model->model;
  // Before its tables are made: a wrong number must not ask for memory.
  if (wanted.max_flows < 1 || wanted.max_flows > FlowTable::kMaxCapacity) {
    return fail(error, RS_INVALID_ARGUMENT,
                to_text({"options.max_flows is {}, expected 1 to 16777216", wanted.max_flows}));
  }
  auto* made = new (std::nothrow) rs_classifier(wanted, model, policy);
  if (made == nullptr) return no_memory(error);
  std::optional<Error> refused;
  if (wanted.view == RS_VIEW_PACKET) {
    Result<Classifier> packets = Classifier::create(ue, *made, limits);
    if (packets) made->packets.emplace(std::move(packets).value());
    if (!packets) refused = packets.error();
  } else {
    Result<SocketClassifier> sockets = SocketClassifier::create(ue, *made, limits);
    if (sockets) made->sockets.emplace(std::move(sockets).value());
    if (!sockets) refused = sockets.error();
  }
  if (refused) {
    delete made;
    return fail(error, *refused);
  }
  *classifier = made;
  return RS_OK;
}

void rs_classifier_free(rs_classifier* classifier) {
  if (classifier == nullptr || !classifier->gate.enter()) return;
  delete classifier;
}

rs_status rs_classifier_set_model(rs_classifier* classifier, const rs_model* model) {
  if (!usable(classifier) || (model != nullptr && !usable(model))) return RS_INVALID_ARGUMENT;
  const Turn turn(classifier->gate);
  if (!turn) return RS_BUSY;
  if (model != nullptr &&
      static_cast<int>(model->model.view()) != static_cast<int>(classifier->options.view)) {
    return RS_MISMATCH;
  }
  const UeModel* ue = model == nullptr ? nullptr : &model->model;
  if (classifier->packets) classifier->packets->set_model(ue);
  if (classifier->sockets) classifier->sockets->set_model(ue);
  rs_model::release(std::exchange(classifier->model, rs_model::retain(model)));
  return RS_OK;
}

// ---------------------------------------------------------------- time

rs_status rs_classifier_advance(rs_classifier* classifier, int64_t now_ns) {
  if (!usable(classifier) || now_ns < 0 || now_ns > EventClock::kLatestNs) return RS_INVALID_ARGUMENT;
  const Turn turn(classifier->gate);
  if (!turn) return RS_BUSY;
  if (classifier->packets) classifier->packets->advance(now_ns);
  if (classifier->sockets) classifier->sockets->advance(now_ns);
  // After a jump the classifier closes one second; the session's idle ones before now_ns are over as well.
  classifier->on_second_end(now_ns / kSecondNs - 1);
  return RS_OK;
}

rs_status rs_classifier_finish(rs_classifier* classifier) {
  if (!usable(classifier)) return RS_INVALID_ARGUMENT;
  const Turn turn(classifier->gate);
  if (!turn) return RS_BUSY;
  if (classifier->packets) classifier->packets->finish();
  if (classifier->sockets) classifier->sockets->finish();
  classifier->in_session = false;
  return RS_OK;
}

// ---------------------------------------------------------------- packet view

rs_status rs_add_frames(rs_classifier* classifier, uint32_t link, const rs_frame* frames, size_t n) {
  if (!usable(classifier) || !usable(frames, n)) return RS_INVALID_ARGUMENT;
  for (size_t i = 0; i < n; ++i) {
    if (frames[i].data == nullptr && frames[i].captured_bytes != 0) return RS_INVALID_ARGUMENT;
  }
  if (link > 0xffff || !is_supported(static_cast<LinkType>(link))) return RS_UNSUPPORTED;
  const Turn turn(classifier->gate);
  if (!turn) return RS_BUSY;
  if (!classifier->packets) return RS_MISMATCH;
  for (size_t i = 0; i < n;) {
    size_t ready = 0;
    for (; i < n && ready < kBlock; ++i) {
      const rs_frame& frame = frames[i];
      ParsedPacket& packet = classifier->parsed[ready];
      const DropReason dropped = parse_packet(
          static_cast<LinkType>(link), {static_cast<const std::uint8_t*>(frame.data), frame.captured_bytes},
          frame.wire_bytes, packet);
      packet.time_ns = frame.time_ns;
      if (dropped == DropReason::kNone) {
        ++ready;
      } else {
        classifier->packets->count_drop(dropped);
      }
    }
    classifier->packets->add({classifier->parsed.data(), ready});
  }
  return RS_OK;
}

namespace {

bool is_valid(const rs_packet& packet) noexcept {
  return packet.ip_version == 4 || packet.ip_version == 6;
}

ParsedPacket to_packet(const rs_packet& in) noexcept {
  constexpr std::uint16_t kUsualHeaders = 40;
  ParsedPacket packet;
  packet.time_ns = in.time_ns;
  std::copy(std::begin(in.source), std::end(in.source), packet.source.begin());
  std::copy(std::begin(in.destination), std::end(in.destination), packet.destination.begin());
  packet.wire_bytes = in.wire_bytes;
  packet.source_port = in.source_port;
  packet.destination_port = in.destination_port;
  packet.header_bytes = in.header_bytes == 0 ? kUsualHeaders : in.header_bytes;
  packet.ip_version = in.ip_version;
  packet.protocol = in.protocol;
  packet.tcp_flags = in.protocol == kProtocolTcp ? in.tcp_flags : std::uint8_t{0};
  return packet;
}

}  // namespace

rs_status rs_add_packets(rs_classifier* classifier, const rs_packet* packets, size_t n) {
  if (!usable(classifier) || !usable(packets, n)) return RS_INVALID_ARGUMENT;
  if (!std::all_of(packets, packets + n, is_valid)) return RS_INVALID_ARGUMENT;
  const Turn turn(classifier->gate);
  if (!turn) return RS_BUSY;
  if (!classifier->packets) return RS_MISMATCH;
  for (size_t first = 0; first < n; first += kBlock) {
    const size_t count = std::min(kBlock, n - first);
    std::transform(packets + first, packets + first + count, classifier->parsed.begin(), to_packet);
    classifier->packets->add({classifier->parsed.data(), count});
  }
  return RS_OK;
}

// ---------------------------------------------------------------- socket view

namespace {

rs_status add_bytes(rs_classifier* classifier, uint64_t flow, Direction direction, uint64_t bytes,
                    int64_t now_ns) noexcept {
  if (!usable(classifier) || bytes > kMaxSocketEventBytes) return RS_INVALID_ARGUMENT;
  const Turn turn(classifier->gate);
  if (!turn) return RS_BUSY;
  if (!classifier->sockets) return RS_MISMATCH;
  const bool known = classifier->sockets->add(flow, direction, static_cast<std::uint32_t>(bytes), now_ns);
  return known ? RS_OK : RS_CLOSED;
}

}  // namespace

rs_status rs_flow_open(rs_classifier* classifier, uint64_t* flow, int64_t now_ns) {
  if (!usable(classifier) || !usable(flow)) return RS_INVALID_ARGUMENT;
  *flow = 0;
  const Turn turn(classifier->gate);
  if (!turn) return RS_BUSY;
  if (!classifier->sockets) return RS_MISMATCH;
  *flow = classifier->sockets->open(now_ns);
  return RS_OK;
}

rs_status rs_flow_read(rs_classifier* classifier, uint64_t flow, uint64_t bytes, int64_t now_ns) {
  return add_bytes(classifier, flow, Direction::kDown, bytes, now_ns);
}

rs_status rs_flow_write(rs_classifier* classifier, uint64_t flow, uint64_t bytes, int64_t now_ns) {
  return add_bytes(classifier, flow, Direction::kUp, bytes, now_ns);
}

rs_status rs_flow_close(rs_classifier* classifier, uint64_t flow, int64_t now_ns) {
  if (!usable(classifier)) return RS_INVALID_ARGUMENT;
  const Turn turn(classifier->gate);
  if (!turn) return RS_BUSY;
  if (!classifier->sockets) return RS_MISMATCH;
  return classifier->sockets->close(flow, now_ns) ? RS_OK : RS_CLOSED;
}

rs_status rs_flow_peek(const rs_classifier* classifier, rs_decision* decision, uint64_t flow) {
  if (!usable(classifier) || !usable(decision)) return RS_INVALID_ARGUMENT;
  const Turn turn(classifier->gate);
  if (!turn) return RS_BUSY;
  if (!classifier->sockets) return RS_MISMATCH;
  const std::optional<Decision> known = classifier->sockets->peek(flow);
  if (!known) return RS_CLOSED;
  *decision = to_c(*known);
  return RS_OK;
}

// ---------------------------------------------------------------- counters

void rs_counters_init(rs_counters* counters, size_t size) {
  init_sized(counters, size, rs_counters{});
}

rs_status rs_classifier_counters(rs_counters* counters, const rs_classifier* classifier) {
  if (!usable(classifier)) return RS_INVALID_ARGUMENT;
  const Turn turn(classifier->gate);
  if (!turn) return RS_BUSY;
  const ClassifierStats& stats = classifier->stats();
  rs_counters out{};
  out.records = stats.records;
  out.packets = stats.packets;
  out.late = stats.late;
  std::copy(stats.dropped.begin(), stats.dropped.end(), out.dropped);
  out.flows = stats.flows;
  std::copy(stats.ended.begin(), stats.ended.end(), out.ended);
  out.windows = stats.windows;
  out.video_windows = stats.video_windows;
  out.uncertain_windows = stats.uncertain_windows;
  out.idle_windows = stats.idle_windows;
  out.time_steps = stats.time_steps;
  out.refused_calls = classifier->gate.refused();
  out.live_flows = stats.live_flows;
  out.peak_flows = stats.peak_flows;
  out.memory_bytes = classifier->memory_bytes();
  return write_sized(counters, out);
}
