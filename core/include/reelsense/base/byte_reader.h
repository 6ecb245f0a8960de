// ByteReader: the one bounds-checked cursor for untrusted bytes (packets, captures, model files).
//
// A read past the end returns zero, moves nothing and makes ok() false for good, so a decoder may read a
// whole header and check once. Thread safety: none; a value for one decoder. The bytes must outlive the
// reader.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace reelsense {

template <std::integral T>
constexpr T byte_swap(T value) noexcept {
  if constexpr (sizeof(T) == 1) return value;
  if constexpr (sizeof(T) == 2) return static_cast<T>(__builtin_bswap16(static_cast<std::uint16_t>(value)));
  if constexpr (sizeof(T) == 4) return static_cast<T>(__builtin_bswap32(static_cast<std::uint32_t>(value)));
  if constexpr (sizeof(T) == 8) return static_cast<T>(__builtin_bswap64(static_cast<std::uint64_t>(value)));
}

// Unaligned loads. Precondition: sizeof(T) readable bytes at p.
template <std::integral T>
T load_le(const std::uint8_t* p) noexcept {
  T value;
  std::memcpy(&value, p, sizeof value);
  return std::endian::native == std::endian::little ? value : byte_swap(value);
}
template <std::integral T>
T load_be(const std::uint8_t* p) noexcept {
  T value;
  std::memcpy(&value, p, sizeof value);
  return std::endian::native == std::endian::big ? value : byte_swap(value);
}

class ByteReader {
 public:
  explicit ByteReader(std::span<const std::uint8_t> bytes) noexcept : bytes_(bytes) {}

  template <std::integral T>
  T le() noexcept {
    const std::uint8_t* p = take(sizeof(T));
    return p == nullptr ? T{0} : load_le<T>(p);
  }
  template <std::integral T>
  T be() noexcept {
    const std::uint8_t* p = take(sizeof(T));
    return p == nullptr ? T{0} : load_be<T>(p);
  }
  std::uint8_t u8() noexcept { return le<std::uint8_t>(); }

  // The next n bytes, or an empty span (and !ok()) when fewer remain.
  std::span<const std::uint8_t> bytes(std::size_t n) noexcept {
    const std::uint8_t* p = take(n);
    return p == nullptr ? std::span<const std::uint8_t>{} : std::span<const std::uint8_t>{p, n};
  }
  void skip(std::size_t n) noexcept { (void)take(n); }

  [[nodiscard]] bool ok() const noexcept { return ok_; }
  [[nodiscard]] std::size_t position() const noexcept { return position_; }
  [[nodiscard]] std::size_t remaining() const noexcept { return bytes_.size() - position_; }

 private:
  const std::uint8_t* take(std::size_t n) noexcept {
    if (n > remaining()) {
      ok_ = false;
      return nullptr;
    }
    const std::uint8_t* p = bytes_.data() + position_;
    position_ += n;
    return p;
  }

  std::span<const std::uint8_t> bytes_;
  std::size_t position_ = 0;
  bool ok_ = true;
};

}  // namespace reelsense
