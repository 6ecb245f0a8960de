// Everything that moves gets a counter: one set a direction. Bytes are of the network layer (profile.h).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace reelsense::path {

enum class Dropped : std::uint8_t {
  kQueue,     // the queue was full
  kLoss,      // lost at random, after its time on the link
  kPolicer,   // over the policer's rate
  kOutage,    // queued at, or arriving in, an outage that flushes
  kMemory,    // every frame buffer was in use
  kOversize,  // longer than a buffer: an offload is on at an end
  kSend,      // the kernel refused it on the way out
  kKernel,    // the receive buffer was full; bytes unknown
  kCount,
};
inline constexpr std::array<std::string_view, static_cast<std::size_t>(Dropped::kCount)> kDropNames = {
    "queue", "loss", "policer", "outage", "memory", "oversize", "send", "kernel"};

struct Tally {
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;

  void add(std::uint64_t more_bytes) noexcept {
    ++packets;
    bytes += more_bytes;
  }
};

struct Counters {
  Tally in;           // everything received but oversize and kernel drops
  Tally out;          // everything sent
  Tally exempt;       // of `in`: never shaped or lost (ARP, neighbour discovery, anything that is not IP)
  Tally prioritised;  // of `in`
  std::array<Tally, static_cast<std::size_t>(Dropped::kCount)> dropped;
  std::uint64_t queue_high_bytes = 0;  // high water, both classes together
  std::uint64_t queue_high_packets = 0;

  Tally& dropped_by(Dropped reason) noexcept { return dropped[static_cast<std::size_t>(reason)]; }
  [[nodiscard]] const Tally& dropped_by(Dropped reason) const noexcept {
    return dropped[static_cast<std::size_t>(reason)];
  }
};

}  // namespace reelsense::path
