// Packet series and logs as the views socket and record see them.
#include <algorithm>
#include <map>

#include "cli/commands/view_run.h"
#include "cli/exit_code.h"
#include "cli/output/format.h"
#include "cli/output/terminal.h"
#include "reelsense/ingest/packet_series.h"

namespace reelsense::cli {
namespace {

// A series holds IP sizes and no headers: a flow's are taken to be as long as its smallest up packet (a bare
// ACK), within what TCP over IPv4 and QUIC with its tag can have.
constexpr std::uint32_t kLeastHeader = 40;
constexpr std::uint32_t kMostHeader = 60;
constexpr std::uint32_t kUsualHeader = 52;

std::uint32_t header_estimate(const ingest::PacketSeries& series, std::size_t begin, std::size_t end) {
  std::uint32_t smallest = UINT32_MAX;
  for (std::size_t i = begin; i < end; ++i) {
    if (series.up[i] != 0) smallest = std::min<std::uint32_t>(smallest, series.size[i]);
  }
  return smallest == UINT32_MAX ? kUsualHeader : std::clamp(smallest, kLeastHeader, kMostHeader);
}

void add_socket_flow(const ingest::PacketSeries& series, std::size_t number, const ViewRun& run,
                     FeatureWriter& writer) {
  const auto begin = static_cast<std::size_t>(series.offsets[number]);
  const auto end = static_cast<std::size_t>(series.offsets[number + 1]);
  const std::uint32_t header = header_estimate(series, begin, end);
  SocketFlow flow(writer, run.options, number, {});
  for (std::size_t i = begin; i < end; ++i) {
    if (series.size[i] <= header) continue;
    flow.add_derived({(std::int64_t{series.time_us[i]} + run.phase_us) * 1000,
                      series.up[i] != 0 ? Direction::kUp : Direction::kDown, series.size[i] - header});
  }
  flow.finish();
}

void add_record_flow(const ingest::PacketSeries& series, std::size_t number, const ViewRun& run,
                     FeatureWriter& writer) {
  RecordFlow flow(writer, run.options, number, {});
  for (auto i = static_cast<std::size_t>(series.offsets[number]);
       i < static_cast<std::size_t>(series.offsets[number + 1]); ++i) {
    const SuperPacket packets = expand_super_packet(series.size[i], kLeastHeader);
    flow.add_packet((std::int64_t{series.time_us[i]} + run.phase_us) * 1000,
                    series.up[i] != 0 ? Direction::kUp : Direction::kDown,
                    (packets.count - 1) * kMtuBytes + packets.last_bytes, packets.count);
  }
  flow.finish();
}

// Flows of a log by their names.
template <class Flow>
class NamedFlows {
 public:
  NamedFlows(const ViewRun& run, FeatureWriter& writer) : run_(run), writer_(writer) {}

  // The flow called `name`, or null where the table is full.
  Flow* find(std::string_view name) {
    const auto found = flows_.find(name);
    if (found != flows_.end()) return &found->second;
    if (flows_.size() >= run_.max_flows) {
      ++unseen_;
      return nullptr;
    }
    return &flows_.try_emplace(std::string(name), writer_, run_.options, flows_.size(), FiveTuple{})
                .first->second;
  }
  void finish(const std::string& path) {
    for (auto& [name, flow] : flows_) flow.finish();
    if (unseen_ == 0) return;
    print_warning(path + ": " + grouped(unseen_) + " lines of flows beyond --max-flows were not seen");
  }

 private:
  const ViewRun& run_;
  FeatureWriter& writer_;
  std::map<std::string, Flow, std::less<>> flows_;
  std::uint64_t unseen_ = 0;
};

}  // namespace

int run_view_series(const ViewRun& run, FeatureWriter& writer, Output& out) {
  const auto loaded = ingest::load_packet_series(run.files.front());
  if (!loaded) {
    print_error(loaded.error().message);
    return kExitInput;
  }
  writer.write_header();
  for (std::size_t i = 0; i < loaded.value().flow_count() && out.ok(); ++i) {
    if (run.view == View::kSocket) {
      add_socket_flow(loaded.value(), i, run, writer);
    } else {
      add_record_flow(loaded.value(), i, run, writer);
    }
  }
  writer.finish();
  return kExitOk;
}

int run_view_log(const ViewRun& run, FeatureWriter& writer, Output& out) {
  const std::string& path = run.files.front();
  writer.write_header();
  Status status = ok_status();
  if (run.view == View::kSocket) {
    NamedFlows<SocketFlow> flows(run, writer);
    status = ingest::read_socket_log(path, [&](std::string_view name, const ingest::SocketEvent& event) {
      if (SocketFlow* flow = flows.find(name)) flow->add(event);
      return out.ok();
    });
    flows.finish(path);
  } else {
    NamedFlows<RecordFlow> flows(run, writer);
    status = ingest::read_record_log(path, [&](std::string_view name, const FlowRecord& record) {
      if (RecordFlow* flow = flows.find(name)) flow->add(record);
      return out.ok();
    });
    flows.finish(path);
  }
  writer.finish();
  if (status) return kExitOk;
  print_error(status.error().message);
  return kExitInput;
}

}  // namespace reelsense::cli
