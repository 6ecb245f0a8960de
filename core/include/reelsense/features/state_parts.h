// Parts of a flow's state that several views keep alike. Thread safety: plain values.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

namespace reelsense {

// What closed runs of down bytes (chunks, bursts) were like.
struct RunAverages {
  float size_log2 = 0;
  float interval_s = 0;
  float deviation_s = 0;
  std::uint32_t previous_start_ms = 0;
};

// q11 as a 16-bit code: the 11 leading bits and how far they were shifted.
inline std::uint16_t encode_q11(std::uint64_t bytes) noexcept {  // saturates at 2047·2^31
  const auto width = static_cast<int>(std::bit_width(bytes));
  const int shift = std::max(0, width - 11);
  if (shift > 31) return 0xffff;
  return static_cast<std::uint16_t>((static_cast<unsigned>(shift) << 11) |
                                    static_cast<unsigned>(bytes >> shift));
}
inline std::uint64_t decode_q11(std::uint16_t code) noexcept {
  return static_cast<std::uint64_t>(code & 0x7ffU) << (code >> 11);
}

}  // namespace reelsense
