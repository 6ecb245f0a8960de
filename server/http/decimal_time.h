// Decimal seconds as exact nanoseconds. Thread safety: a function without state.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace reelsense::server {

// "1700000000.123456789", "1.7e9" → nanoseconds; digits beyond the ninth decimal are cut off. Nothing: not a
// JSON number from 0 to the year 2200.
std::optional<std::int64_t> parse_time_ns(std::string_view text) noexcept;

}  // namespace reelsense::server
