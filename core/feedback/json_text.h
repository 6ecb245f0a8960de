// JsonText: JSON put together in a buffer of fixed size. What does not fit makes ok() false and is not
// written past the end. Private to this layer. Thread safety: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace reelsense {

class JsonText {
 public:
  explicit JsonText(std::span<char> buffer) noexcept : buffer_(buffer) {}

  void add(std::string_view text) noexcept {
    ok_ = ok_ && text.size() <= buffer_.size() - size_;
    if (!ok_) return;
    std::memcpy(buffer_.data() + size_, text.data(), text.size());
    size_ += text.size();
  }
  // The inside of a JSON string. Control characters become spaces.
  void add_escaped(std::string_view text) noexcept {
    for (char c : text) {
      if (c == '"' || c == '\\') add("\\");
      if (static_cast<unsigned char>(c) < 0x20) c = ' ';
      add({&c, 1});
    }
  }
  void add_integer(std::int64_t value) noexcept {
    if (value < 0) add("-");
    add_digits(static_cast<std::uint64_t>(value < 0 ? -value : value), 1);
  }
  // value / 10^places.
  void add_decimal(std::uint64_t value, int places) noexcept {
    std::uint64_t unit = 1;
    for (int i = 0; i < places; ++i) unit *= 10;
    add_digits(value / unit, 1);
    add(".");
    add_digits(value % unit, places);
  }

  [[nodiscard]] bool ok() const noexcept { return ok_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  // Back to what was there at `size`.
  void cut(std::size_t size) noexcept {
    size_ = size;
    ok_ = true;
  }

 private:
  void add_digits(std::uint64_t value, int least) noexcept {
    char digits[20];
    std::size_t at = sizeof digits;
    do {
      digits[--at] = static_cast<char>('0' + value % 10);
      value /= 10;
    } while (value != 0);
    while (sizeof digits - at < static_cast<std::size_t>(least)) digits[--at] = '0';
    add({digits + at, sizeof digits - at});
  }

  std::span<char> buffer_;
  std::size_t size_ = 0;
  bool ok_ = true;
};

}  // namespace reelsense
