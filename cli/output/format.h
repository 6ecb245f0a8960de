// Numbers and addresses to text, without allocation: 200,000 rows must cost milliseconds.
//
// Each put_* writes at `to`, where the caller has made enough room, and returns the end of what it wrote.
// Thread safety: pure functions.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "reelsense/packet/packet.h"

namespace reelsense::cli {

inline constexpr std::size_t kMaxIntegerText = 20;
inline constexpr std::size_t kMaxAddressText = 45;
inline constexpr std::size_t kMaxFloatText = 16;

inline char* put_text(char* to, std::string_view text) noexcept {
  std::memcpy(to, text.data(), text.size());
  return to + text.size();
}
char* put_unsigned(char* to, std::uint64_t value) noexcept;
char* put_signed(char* to, std::int64_t value) noexcept;

// value in [0, 1], rounded half up to four decimals: "0.9731".
char* put_ratio4(char* to, float value) noexcept;
// The shortest decimal that reads back as the same float; "nan", "inf".
char* put_float(char* to, float value) noexcept;
// ns since the epoch as seconds with six decimals (rounded down).
char* put_time_us(char* to, std::int64_t time_ns) noexcept;

// IPv4 (also when mapped into IPv6) dotted, IPv6 as RFC 5952 says.
char* put_address(char* to, const Address& address) noexcept;
std::string address_text(const Address& address);

// "tcp", "udp", … or an empty view for a protocol that has no short name here.
std::string_view protocol_name(std::uint8_t protocol) noexcept;
// The name, or the number.
char* put_protocol(char* to, std::uint8_t protocol) noexcept;

// A field of a CSV row as RFC 4180 says: quoted only where needed.
std::string csv_field(std::string_view text);
// A JSON string with its quotes; bytes that are not UTF-8 become U+FFFD.
std::string json_string(std::string_view text);

// "1.3 MB", "740 B": for people. Decimal units.
std::string bytes_text(std::uint64_t bytes);
// "1,234,567"
std::string grouped(std::uint64_t value);

}  // namespace reelsense::cli
