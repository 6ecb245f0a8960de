#include "server/http/decimal_time.h"

#include "reelsense/flow/event_clock.h"

namespace reelsense::server {

namespace {

bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

}  // namespace

std::optional<std::int64_t> parse_time_ns(std::string_view text) noexcept {
  constexpr std::int64_t kLatest = EventClock::kLatestNs;
  std::size_t i = 0;
  const auto digit_at = [&](std::size_t at) { return at < text.size() && is_digit(text[at]); };
  const bool negative = !text.empty() && text[0] == '-';
  if (negative) ++i;
  // The grammar of a JSON number, its digits gathered: value = digits · 10^(exponent).
  if (!digit_at(i) || (text[i] == '0' && digit_at(i + 1))) return std::nullopt;
  const std::size_t whole = i;
  while (digit_at(i)) ++i;
  const std::size_t whole_end = i;
  std::size_t fraction = i;
  if (i < text.size() && text[i] == '.') {
    fraction = ++i;
    if (!digit_at(i)) return std::nullopt;
    while (digit_at(i)) ++i;
  }
  const std::size_t fraction_end = i;
  std::int64_t exponent = 0;
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    const bool down = i < text.size() && text[i] == '-';
    if (i < text.size() && (text[i] == '-' || text[i] == '+')) ++i;
    if (!digit_at(i)) return std::nullopt;
    for (; digit_at(i); ++i) {
      if (exponent < 100'000) exponent = exponent * 10 + (text[i] - '0');
    }
    if (down) exponent = -exponent;
  }
  if (i != text.size()) return std::nullopt;

  // How many of the digits come before the decimal point of the nanoseconds.
  const std::int64_t digits = static_cast<std::int64_t>((whole_end - whole) + (fraction_end - fraction));
  const std::int64_t wanted = static_cast<std::int64_t>(whole_end - whole) + exponent + 9;
  std::int64_t ns = 0;
  bool positive = false;
  for (std::int64_t d = 0; d < digits; ++d) {
    const auto place = static_cast<std::size_t>(d);
    const std::size_t in_whole = whole_end - whole;
    const char c = place < in_whole ? text[whole + place] : text[fraction + (place - in_whole)];
    positive = positive || c != '0';
    if (d >= wanted) continue;
    if (ns > kLatest / 10) return std::nullopt;
    ns = ns * 10 + (c - '0');
  }
  if (negative && positive) return std::nullopt;
  if (ns > kLatest) return std::nullopt;
  if (ns == 0) return 0;
  for (std::int64_t d = digits; d < wanted; ++d) {
    if (ns > kLatest / 10) return std::nullopt;
    ns *= 10;
  }
  return ns;
}

}  // namespace reelsense::server
