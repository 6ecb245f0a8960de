#include "server/engine/packet_flow.h"

#include <algorithm>
#include <array>

#include "reelsense/packet/packet.h"

namespace reelsense::server {
namespace {

// IPv4 and TCP with timestamps: whoever sends packets as sizes does not tell their headers.
constexpr std::uint32_t kHeaderBytes = 52;

}  // namespace

std::int64_t PacketFlow::close(float* row) noexcept {
  std::array<std::uint32_t, 2 * kBinsPerWindow> bins;
  FeatureState(hot_, cold_).close_window(first_ns_, second_, row, bins.data());
  for (std::size_t i = 0; i < bins.size(); ++i) row[kFeatureCount + i] = static_cast<float>(bins[i]);
  open_ = false;
  floor_ns_ = (second_ + 1) * kSecondNs;
  return second_;
}

void PacketFlow::add(std::int64_t time_ns, std::uint32_t bytes, Direction direction) noexcept {
  FeatureState state(hot_, cold_);
  if (first_ns_ < 0) {
    first_ns_ = last_ns_ = time_ns;
    state.start();
  }
  const std::int64_t t = std::max({time_ns, last_ns_, floor_ns_});
  if (!open_) {
    second_ = t / kSecondNs;
    state.open_window(first_ns_, second_);
    open_ = true;
  }
  last_ns_ = t;
  const SuperPacket super = expand_super_packet(bytes, kHeaderBytes);
  const auto offset = static_cast<std::uint32_t>(t - second_ * kSecondNs);
  for (std::uint32_t i = 1; i < super.count; ++i) state.add(direction, kMtuBytes, offset);
  state.add(direction, super.last_bytes, offset);
}

}  // namespace reelsense::server
