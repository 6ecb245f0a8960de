// SHA-256 (FIPS 180-4). Thread safety: pure function.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

namespace reelsense {

using Sha256Digest = std::array<std::uint8_t, 32>;

Sha256Digest sha256(std::span<const std::uint8_t> bytes) noexcept;
// The digest as 64 lower-case hexadecimal digits.
std::string sha256_hex(std::span<const std::uint8_t> bytes);

}  // namespace reelsense
