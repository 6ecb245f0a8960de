// SipHash-2-4 with a 128-bit result (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012, and its
// reference 128-bit variant): names of flows become keys that cannot be reversed or made to collide without
// the key. Thread safety: pure function.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>

namespace reelsense::server {

// → (first, second) 64 bits of the result, little-endian.
std::pair<std::uint64_t, std::uint64_t> siphash128(const std::array<std::uint8_t, 16>& key,
                                                   std::uint64_t prefix, std::string_view bytes) noexcept;

}  // namespace reelsense::server
