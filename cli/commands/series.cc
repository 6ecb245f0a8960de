#include "cli/commands/series.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>

#include "cli/exit_code.h"
#include "cli/output/terminal.h"
#include "reelsense/features/feature_state.h"
#include "reelsense/ingest/packet_series.h"

namespace reelsense::cli {
namespace {

// A series does not say how long headers are; the super-packet rule takes IPv4 + TCP without options.
constexpr std::uint32_t kAssumedHeaderBytes = 40;

// One flow's packets → windows, by the rules of docs/explanation/flows-and-windows.md as if the clock ran on:
// the idle and active timeouts begin a new flow (with fresh features) under the same number.
class SeriesFlow {
 public:
  SeriesFlow(FeatureWriter& writer, const SeriesArguments& arguments)
      : writer_(writer),
        idle_ns_(static_cast<std::int64_t>(std::llround(arguments.idle_timeout_s * 1e9))),
        active_ns_(static_cast<std::int64_t>(std::llround(arguments.active_timeout_s * 1e9))),
        phase_ns_(std::int64_t{arguments.phase_us} * 1000) {}

  void process(const ingest::PacketSeries& series, std::size_t flow) {
    row_.flow_id = flow;
    last_ns_ = -1;
    const auto end = static_cast<std::size_t>(series.offsets[flow + 1]);
    for (auto i = static_cast<std::size_t>(series.offsets[flow]); i < end; ++i) {
      const auto direction = series.up[i] != 0 ? Direction::kUp : Direction::kDown;
      add(std::int64_t{series.time_us[i]} * 1000 + phase_ns_, direction, series.size[i]);
    }
    if (last_ns_ >= 0) close_window();
  }

 private:
  void add(std::int64_t time_ns, Direction direction, std::uint32_t size) {
    const bool begins = last_ns_ < 0;
    // Effective time: a late packet takes its flow's latest one.
    time_ns = std::max(time_ns, last_ns_);
    const std::int64_t second = time_ns / kSecondNs;
    if (begins) {
      start_flow(time_ns);
    } else if (second != row_.second) {
      close_window();
      const std::int64_t tick = second * kSecondNs;
      if (tick - last_ns_ >= idle_ns_ || tick - first_ns_ >= active_ns_) start_flow(time_ns);
    }
    if (begins || second != row_.second) open_window(second);
    last_ns_ = time_ns;
    add_packets(direction, size, static_cast<std::uint32_t>(time_ns - second * kSecondNs));
  }

  void start_flow(std::int64_t time_ns) {
    first_ns_ = time_ns;
    state_.start();
  }

  void open_window(std::int64_t second) {
    row_.second = second;
    row_.packets_up = row_.packets_down = 0;
    row_.bytes_up = row_.bytes_down = 0;
    state_.open_window(first_ns_, second);
  }

  void add_packets(Direction direction, std::uint32_t size, std::uint32_t offset_ns) {
    const SuperPacket packets = expand_super_packet(size, kAssumedHeaderBytes);
    for (std::uint32_t i = 0; i < packets.count; ++i) {
      const std::uint32_t bytes = i + 1 == packets.count ? packets.last_bytes : kMtuBytes;
      state_.add(direction, bytes, offset_ns);
      if (direction == Direction::kUp) {
        ++row_.packets_up;
        row_.bytes_up += bytes;
      } else {
        ++row_.packets_down;
        row_.bytes_down += bytes;
      }
    }
  }

  void close_window() {
    state_.close_window(first_ns_, row_.second, features_.data(), bins_.data());
    row_.features = features_.data();
    row_.bins = bins_.data();
    writer_.write(row_);
  }

  FeatureWriter& writer_;
  std::int64_t idle_ns_;
  std::int64_t active_ns_;
  std::int64_t phase_ns_;
  FeatureHot hot_{};
  FeatureCold cold_{};
  FeatureState state_{hot_, cold_};
  FeatureVector features_{};
  std::array<std::uint32_t, kBinValues> bins_{};
  WindowRow row_;
  std::int64_t first_ns_ = 0;
  std::int64_t last_ns_ = -1;
};

}  // namespace

int run_series(const std::string& path, const SeriesArguments& arguments, FeatureWriter& writer,
               Output& out) {
  const auto loaded = ingest::load_packet_series(path);
  if (!loaded) {
    print_error(loaded.error().message);
    return kExitInput;
  }
  writer.write_header();
  const auto flow = std::make_unique<SeriesFlow>(writer, arguments);
  for (std::size_t i = 0; i < loaded.value().flow_count() && out.ok(); ++i) flow->process(loaded.value(), i);
  writer.finish();
  return kExitOk;
}

}  // namespace reelsense::cli
