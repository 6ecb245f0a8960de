// Captures as the views socket and record see them.
#include <memory>
#include <unordered_map>

#include "cli/commands/view_run.h"
#include "cli/exit_code.h"
#include "cli/output/format.h"
#include "cli/output/terminal.h"
#include "reelsense/flow/event_clock.h"
#include "reelsense/flow/flow_key.h"
#include "reelsense/flow/fragment_table.h"
#include "reelsense/ingest/capture.h"

namespace reelsense::cli {
namespace {

struct SeenPacket {
  ParsedPacket packet;
  std::optional<std::uint32_t> sequence;
};

// What a capture's flow needs beside its rows.
struct FlowEnds {
  std::int64_t last_ns = 0;
  bool client_is_a = false;
  bool finished = false;  // saw RST or FIN
};

class SocketCaptureFlow : public FlowEnds {
 public:
  SocketCaptureFlow(FeatureWriter& writer, const ViewOptions& options, std::uint64_t number,
                    const FiveTuple& flow)
      : flow_(writer, options, number, flow) {}
  void add(const SeenPacket& seen, Direction direction) {
    flow_.add_derived(model_.add(seen.packet, direction, seen.sequence));
  }
  void close_before(std::int64_t second) { flow_.close_before(second); }
  void finish() { flow_.finish(); }

 private:
  SocketFlow flow_;
  ingest::SocketModel model_;
};

class RecordCaptureFlow : public FlowEnds {
 public:
  RecordCaptureFlow(FeatureWriter& writer, const ViewOptions& options, std::uint64_t number,
                    const FiveTuple& flow)
      : flow_(writer, options, number, flow) {}
  void add(const SeenPacket& seen, Direction direction) {
    const SuperPacket packets = expand_super_packet(seen.packet.wire_bytes, seen.packet.header_bytes);
    const std::uint32_t bytes = (packets.count - 1) * kMtuBytes + packets.last_bytes;
    flow_.add_packet(seen.packet.time_ns, direction, bytes, packets.count);
  }
  void close_before(std::int64_t) {}
  void finish() { flow_.finish(); }

 private:
  RecordFlow flow_;
};

struct KeyHash {
  std::size_t operator()(const FlowKey& key) const noexcept {
    return static_cast<std::size_t>(flow_internal::mix(key.a.low ^ key.b.high, key.b.low ^ key.a.high) ^
                                    (std::uint64_t{key.a_port} << 16 | key.b_port));
  }
};

FiveTuple tuple_of(const ParsedPacket& packet, bool sender_is_client) {
  if (sender_is_client) {
    return {packet.source,           packet.destination, packet.source_port,
            packet.destination_port, packet.protocol,    packet.ip_version};
  }
  return {packet.destination, packet.source,   packet.destination_port,
          packet.source_port, packet.protocol, packet.ip_version};
}

// All flows of one capture. Flow is SocketCaptureFlow or RecordCaptureFlow.
template <class Flow>
class CaptureFlows {
 public:
  CaptureFlows(FeatureWriter& writer, const ViewRun& run, std::uint64_t& numbers)
      : writer_(writer), run_(run), numbers_(numbers) {}

  void add(SeenPacket seen) {
    ParsedPacket& packet = seen.packet;
    if (packet.first_fragment) fragments_.remember(packet);
    if (packet.later_fragment && !fragments_.resolve(packet)) return;
    const EventClock::Verdict verdict = clock_.judge(packet);
    if (clock_.dropped() != 0) held_.clear();
    switch (verdict) {
      case EventClock::Verdict::kInvalid:
        return;
      case EventClock::Verdict::kFits:
        return process(seen);
      case EventClock::Verdict::kHeld:
        held_.push_back(seen);
        return;
      case EventClock::Verdict::kStep:
        held_.push_back(seen);
        step();
    }
  }

  void finish() {
    if (!held_.empty()) step();
    end_all();
  }

  [[nodiscard]] std::uint64_t unseen() const noexcept { return unseen_; }

 private:
  static constexpr std::int64_t kSweepNs = 10 * kSecondNs;

  void step() {
    end_all();
    clock_.restart();
    std::vector<SeenPacket> held;
    held.swap(held_);
    for (const SeenPacket& seen : held) process(seen);
  }

  void process(const SeenPacket& seen) {
    const ParsedPacket& packet = seen.packet;
    const bool later = clock_.started() && packet.time_ns / kSecondNs > clock_.now_ns() / kSecondNs;
    if (later) enter(packet.time_ns);
    clock_.move_to(packet.time_ns);
    const KeyedPacket keyed = key_of(packet);
    Flow* flow = find_or_open(keyed, packet);
    if (flow == nullptr) return;
    const bool up = keyed.from_a == flow->client_is_a;
    flow->last_ns = std::max(flow->last_ns, packet.time_ns);
    flow->finished = flow->finished || (packet.tcp_flags & (kTcpFin | kTcpRst)) != 0;
    flow->add(seen, up ? Direction::kUp : Direction::kDown);
  }

  Flow* find_or_open(const KeyedPacket& keyed, const ParsedPacket& packet) {
    auto found = flows_.find(keyed.key);
    const bool opens = (packet.tcp_flags & (kTcpSyn | kTcpAck)) == kTcpSyn;
    if (found != flows_.end() && opens && found->second->finished) {
      found->second->finish();
      flows_.erase(found);
      found = flows_.end();
    }
    if (found != flows_.end()) return found->second.get();
    if (flows_.size() >= run_.max_flows) {
      ++unseen_;
      return nullptr;
    }
    const bool client_sends = sender_is_client(packet);
    auto flow = std::make_unique<Flow>(writer_, run_.options, numbers_++, tuple_of(packet, client_sends));
    flow->client_is_a = client_sends == keyed.from_a;
    return flows_.emplace(keyed.key, std::move(flow)).first->second.get();
  }

  // The clock enters a later second: windows close, and now and then flows that ended leave.
  void enter(std::int64_t time_ns) {
    for (const auto& [key, flow] : flows_) flow->close_before(time_ns / kSecondNs);
    if (time_ns - swept_ns_ < kSweepNs) return;
    swept_ns_ = time_ns;
    for (auto it = flows_.begin(); it != flows_.end();) {
      const bool idle = time_ns - it->second->last_ns >= run_.options.idle_timeout_ns;
      if (idle) it->second->finish();
      it = idle ? flows_.erase(it) : std::next(it);
    }
  }

  void end_all() {
    for (const auto& [key, flow] : flows_) flow->finish();
    flows_.clear();
    swept_ns_ = 0;
  }

  FeatureWriter& writer_;
  const ViewRun& run_;
  std::uint64_t& numbers_;
  std::uint64_t unseen_ = 0;
  std::int64_t swept_ns_ = 0;
  EventClock clock_;
  FragmentTable fragments_;
  std::vector<SeenPacket> held_;  // at most EventClock::kStepPackets
  std::unordered_map<FlowKey, std::unique_ptr<Flow>, KeyHash> flows_;
};

template <class Flow>
int run_file(const std::string& path, const ViewRun& run, FeatureWriter& writer, Output& out,
             std::uint64_t& numbers) {
  auto reader = ingest::open_capture(path, {run.filter});
  if (!reader) {
    print_error(reader.error().message);
    return reader.error().code == ErrorCode::kInvalidArgument ? kExitUsage : kExitInput;
  }
  CaptureFlows<Flow> flows(writer, run, numbers);
  std::array<ingest::CaptureRecord, 64> records;
  while (const std::size_t n = reader.value()->read(records)) {
    for (const ingest::CaptureRecord& record : std::span(records).first(n)) {
      SeenPacket seen;
      const std::span<const std::uint8_t> captured(record.data, record.captured_bytes);
      if (parse_packet(record.link, captured, record.wire_bytes, seen.packet) != DropReason::kNone) continue;
      seen.packet.time_ns = record.time_ns;
      if (run.view == View::kSocket) seen.sequence = tcp_sequence(record.link, captured, record.wire_bytes);
      flows.add(seen);
    }
    if (!out.ok()) break;
  }
  flows.finish();
  if (flows.unseen() != 0) {
    print_warning(path + ": " + grouped(flows.unseen()) +
                  " packets of flows beyond --max-flows were not seen");
  }
  const ingest::CaptureStatus& status = reader.value()->status();
  if (!status.truncated_at && !status.damage) return kExitOk;
  print_warning(path + ": " + status.damage.value_or("cut short inside its last record"));
  return kExitDamaged;
}

}  // namespace

int run_view_captures(const ViewRun& run, FeatureWriter& writer, Output& out) {
  writer.write_header();
  int code = kExitOk;
  std::uint64_t numbers = 0;
  for (const std::string& path : run.files) {
    code =
        worse(code, run.view == View::kSocket ? run_file<SocketCaptureFlow>(path, run, writer, out, numbers)
                                              : run_file<RecordCaptureFlow>(path, run, writer, out, numbers));
    if (!out.ok() || code == kExitUsage) break;
  }
  writer.finish();
  return code;
}

}  // namespace reelsense::cli
