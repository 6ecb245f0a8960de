// Packet series of labelled flows, as NumPy's savez or savez_compressed write them: what models are trained
// on.
//
// Members of the .npz: `off` int64 [N+1], `t_us` uint32 [P], `size` uint16 [P], `up` bool [P]; optional
// strings [N]: `label`, `group`, `flow`. Little-endian, C order. Others are not read. Sizes are IP bytes or,
// where a hundredth of them or more is a little over 1500 and none over 1522, Ethernet frames. Thread safety:
// plain values; loading is a pure function of the file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "reelsense/base/result.h"

namespace reelsense::ingest {

inline constexpr std::uint64_t kMaxSeriesPackets = 500'000'000;
inline constexpr std::uint64_t kMaxSeriesFlows = 10'000'000;

// Invariants after loading: offsets start at 0, never fall and end at P; every vector has the length said
// here.
struct PacketSeries {
  std::vector<std::int64_t> offsets;   // [N+1]: flow i has the packets [offsets[i], offsets[i+1])
  std::vector<std::uint32_t> time_us;  // [P] since the flow's first packet
  std::vector<std::uint16_t> size;     // [P] IP bytes: a link header that the file's sizes hold is taken off
  std::vector<std::uint8_t> up;        // [P] 1: from the client
  std::vector<std::string> label;      // [N] UTF-8, or empty where the file has none; likewise:
  std::vector<std::string> group;
  std::vector<std::string> flow;

  [[nodiscard]] std::size_t flow_count() const noexcept { return offsets.empty() ? 0 : offsets.size() - 1; }
};

// Errors name the file, the member and what was expected: kNotFound, kIo (the system's reason), kCorrupt,
// kUnsupported (another type, byte order or compression), kMismatch (lengths that disagree), kLimit.
Result<PacketSeries> load_packet_series(const std::string& path);

}  // namespace reelsense::ingest
