#include "reelsense/bundle/version.h"

#include <algorithm>
#include <charconv>

namespace reelsense::bundle {
namespace {

bool is_digits(std::string_view text) noexcept {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool is_identifier(std::string_view text) noexcept {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
  });
}

bool has_leading_zero(std::string_view digits) noexcept {
  return digits.size() > 1 && digits[0] == '0';
}

// Takes the text before the next '.', leaving what follows it.
std::string_view next_part(std::string_view& rest) noexcept {
  const std::size_t dot = rest.find('.');
  const std::string_view part = rest.substr(0, dot);
  rest = dot == std::string_view::npos ? std::string_view{} : rest.substr(dot + 1);
  return part;
}

// Dot-separated identifiers; numeric ones of a pre-release must not start with a zero.
bool are_identifiers(std::string_view text, bool numbers_strict) noexcept {
  if (text.empty() || text.back() == '.') return false;
  while (!text.empty()) {
    const std::string_view part = next_part(text);
    if (!is_identifier(part)) return false;
    if (numbers_strict && is_digits(part) && has_leading_zero(part)) return false;
  }
  return true;
}

std::strong_ordering compare_identifiers(std::string_view a, std::string_view b) noexcept {
  const bool a_number = is_digits(a);
  const bool b_number = is_digits(b);
  if (a_number != b_number) return a_number ? std::strong_ordering::less : std::strong_ordering::greater;
  // Numbers without leading zeros compare by length, then as text.
  if (a_number && a.size() != b.size()) return a.size() <=> b.size();
  return a.compare(b) <=> 0;
}

}  // namespace

std::optional<Version> Version::parse(std::string_view text) {
  Version version;
  version.text_ = text;
  const std::size_t plus = text.find('+');
  if (plus != std::string_view::npos) {
    if (!are_identifiers(text.substr(plus + 1), false)) return std::nullopt;
    text = text.substr(0, plus);
  }
  const std::size_t dash = text.find('-');
  if (dash != std::string_view::npos) {
    if (!are_identifiers(text.substr(dash + 1), true)) return std::nullopt;
    version.prerelease_ = text.substr(dash + 1);
    text = text.substr(0, dash);
  }
  if (std::count(text.begin(), text.end(), '.') != 2) return std::nullopt;
  for (std::uint64_t& number : version.numbers_) {
    const std::string_view part = next_part(text);
    if (!is_digits(part) || has_leading_zero(part)) return std::nullopt;
    if (std::from_chars(part.data(), part.data() + part.size(), number).ec != std::errc{})
      return std::nullopt;
  }
  return version;
}

std::strong_ordering operator<=>(const Version& a, const Version& b) noexcept {
  if (const auto order = a.numbers_ <=> b.numbers_; order != 0) return order;
  if (a.is_prerelease() != b.is_prerelease()) {
    return a.is_prerelease() ? std::strong_ordering::less : std::strong_ordering::greater;
  }
  std::string_view left = a.prerelease_;
  std::string_view right = b.prerelease_;
  while (!left.empty() && !right.empty()) {
    if (const auto order = compare_identifiers(next_part(left), next_part(right)); order != 0) return order;
  }
  return left.size() <=> right.size();
}

}  // namespace reelsense::bundle
