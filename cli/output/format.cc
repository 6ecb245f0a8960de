#include "cli/output/format.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

namespace reelsense::cli {
namespace {

constexpr auto kTwoDigits = [] {
  std::array<char, 200> digits{};
  for (std::size_t i = 0; i < 100; ++i) {
    digits[2 * i] = static_cast<char>('0' + i / 10);
    digits[2 * i + 1] = static_cast<char>('0' + i % 10);
  }
  return digits;
}();

char* put_two(char* to, std::uint32_t value) noexcept {
  std::memcpy(to, &kTwoDigits[2 * static_cast<std::size_t>(value)], 2);
  return to + 2;
}

char* put_octet(char* to, std::uint8_t value) noexcept {
  if (value >= 100) {
    *to++ = static_cast<char>('0' + value / 100);
    return put_two(to, value % 100U);
  }
  if (value >= 10) return put_two(to, value);
  *to++ = static_cast<char>('0' + value);
  return to;
}

char* put_hex(char* to, std::uint32_t group) noexcept {
  constexpr char kDigits[] = "0123456789abcdef";
  bool started = false;
  for (int shift = 12; shift >= 0; shift -= 4) {
    const std::uint32_t digit = (group >> shift) & 15U;
    if (digit == 0 && !started && shift != 0) continue;
    started = true;
    *to++ = kDigits[digit];
  }
  return to;
}

constexpr std::array<std::uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

// RFC 5952: the longest run of two or more zero groups (the first of equals) becomes "::".
char* put_ipv6(char* to, const Address& address) noexcept {
  std::array<std::uint32_t, 8> groups;
  for (std::size_t i = 0; i < 8; ++i) groups[i] = address[2 * i] * 256U + address[2 * i + 1];
  std::size_t best_start = 8;
  std::size_t best_length = 1;
  for (std::size_t i = 0; i < 8;) {
    std::size_t end = i;
    while (end < 8 && groups[end] == 0) ++end;
    if (end - i > best_length) {
      best_start = i;
      best_length = end - i;
    }
    i = std::max(end, i + 1);
  }
  for (std::size_t i = 0; i < 8;) {
    if (i == best_start) {
      to = put_text(to, "::");
      i += best_length;
      continue;
    }
    if (i != 0 && i != best_start + best_length) *to++ = ':';
    to = put_hex(to, groups[i++]);
  }
  return to;
}

}  // namespace

char* put_unsigned(char* to, std::uint64_t value) noexcept {
  char digits[kMaxIntegerText];
  char* start = digits + sizeof digits;
  while (value >= 100) {
    start -= 2;
    put_two(start, static_cast<std::uint32_t>(value % 100));
    value /= 100;
  }
  if (value >= 10) {
    start -= 2;
    put_two(start, static_cast<std::uint32_t>(value));
  } else {
    *--start = static_cast<char>('0' + value);
  }
  const auto length = static_cast<std::size_t>(digits + sizeof digits - start);
  std::memcpy(to, start, length);
  return to + length;
}

char* put_signed(char* to, std::int64_t value) noexcept {
  const auto bits = static_cast<std::uint64_t>(value);
  if (value >= 0) return put_unsigned(to, bits);
  *to++ = '-';
  return put_unsigned(to, ~bits + 1);
}

char* put_ratio4(char* to, float value) noexcept {
  const float bounded = value > 0.0F ? std::min(value, 1.0F) : 0.0F;  // NaN → 0
  const auto scaled = static_cast<std::uint32_t>(bounded * 10000.0F + 0.5F);
  *to++ = static_cast<char>('0' + scaled / 10000);
  *to++ = '.';
  to = put_two(to, scaled / 100 % 100);
  return put_two(to, scaled % 100);
}

char* put_float(char* to, float value) noexcept {
  if (std::isnan(value)) return put_text(to, "nan");  // to_chars may print a sign
  return std::to_chars(to, to + kMaxFloatText, value).ptr;
}

char* put_time_us(char* to, std::int64_t time_ns) noexcept {
  std::int64_t us = time_ns / 1000;
  if (us < 0) us = 0;  // event times are never before the epoch
  to = put_signed(to, us / 1'000'000);
  const auto rest = static_cast<std::uint32_t>(us % 1'000'000);
  *to++ = '.';
  to = put_two(to, rest / 10000);
  to = put_two(to, rest / 100 % 100);
  return put_two(to, rest % 100);
}

char* put_address(char* to, const Address& address) noexcept {
  if (std::memcmp(address.data(), kMappedPrefix.data(), kMappedPrefix.size()) != 0)
    return put_ipv6(to, address);
  for (std::size_t i = 12; i < 16; ++i) {
    if (i != 12) *to++ = '.';
    to = put_octet(to, address[i]);
  }
  return to;
}

std::string address_text(const Address& address) {
  char text[kMaxAddressText];
  return {text, put_address(text, address)};
}

std::string_view protocol_name(std::uint8_t protocol) noexcept {
  switch (protocol) {
    case 1:
      return "icmp";
    case 2:
      return "igmp";
    case kProtocolTcp:
      return "tcp";
    case kProtocolUdp:
      return "udp";
    case 47:
      return "gre";
    case 50:
      return "esp";
    case 51:
      return "ah";
    case 58:
      return "ipv6-icmp";
    case 89:
      return "ospf";
    case 112:
      return "vrrp";
    case kProtocolSctp:
      return "sctp";
    default:
      return {};
  }
}

char* put_protocol(char* to, std::uint8_t protocol) noexcept {
  const std::string_view name = protocol_name(protocol);
  return name.empty() ? put_unsigned(to, protocol) : put_text(to, name);
}

std::string csv_field(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

std::string json_string(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string bytes_text(std::uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB", "PB"};
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 999.5 && unit + 1 < std::size(kUnits)) {
    value /= 1000.0;
    ++unit;
  }
  char text[32];
  const int decimals = unit == 0 || value >= 99.95 ? 0 : 1;
  std::snprintf(text, sizeof text, "%.*f %s", decimals, value, kUnits[unit]);
  return text;
}

std::string grouped(std::uint64_t value) {
  std::string text = std::to_string(value);
  for (std::size_t i = text.size(); i > 3;) {
    i -= 3;
    text.insert(i, ",");
  }
  return text;
}

}  // namespace reelsense::cli
