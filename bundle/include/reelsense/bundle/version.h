// Semantic versions (https://semver.org, 2.0.0) and their order. Thread safety: plain values.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace reelsense::bundle {

class Version {
 public:
  Version() = default;

  // "1.2.3", "1.2.3-rc.1+build"; nothing for any other text.
  static std::optional<Version> parse(std::string_view text);

  [[nodiscard]] const std::string& text() const noexcept { return text_; }
  [[nodiscard]] bool is_prerelease() const noexcept { return !prerelease_.empty(); }

  // Precedence as semver's rule 11; build metadata does not count.
  friend std::strong_ordering operator<=>(const Version& a, const Version& b) noexcept;
  friend bool operator==(const Version& a, const Version& b) noexcept { return (a <=> b) == 0; }

 private:
  std::array<std::uint64_t, 3> numbers_{};  // major, minor, patch
  std::string prerelease_;
  std::string text_ = "0.0.0";
};

}  // namespace reelsense::bundle
