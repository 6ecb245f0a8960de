// Messages from a format and its values: to_text({"tree {} has {} nodes", id, nodes}).
//
// A place that says something costs its caller a pointer for the format and a word for each value; a chain of
// string additions would cost it a hundred bytes and more, and a device's library has many such places. The
// number of values is checked by the compiler. Thread safety: plain values.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

namespace reelsense {

// A name that came from a file, shown in double quotes: at most 64 bytes of it, '?' for what is not printable
// ASCII.
struct Quoted {
  std::string_view text;
};
constexpr Quoted in_quotes(std::string_view text) noexcept {
  return {text};
}

void a_message_needs_one_place_for_each_value();  // not there: a compile-time error calls it

// A literal with one {} for each of `kValues` values.
template <std::size_t kValues>
class MessageFormat {
 public:
  template <std::size_t kSize>
  consteval MessageFormat(const char (&text)[kSize]) : text_(text) {  // NOLINT(*-explicit-*)
    std::size_t places = 0;
    for (std::size_t i = 0; i + 1 < kSize; ++i) places += text[i] == '{' && text[i + 1] == '}' ? 1 : 0;
    if (places != kValues) a_message_needs_one_place_for_each_value();
  }
  [[nodiscard]] constexpr const char* text() const noexcept { return text_; }

 private:
  const char* text_;
};

// A format and a view of its values, which must outlive it: made in the call that reads it. Values are texts,
// quoted texts, integers (in decimal) and other messages.
class Message {
 public:
  template <class... Values>
  Message(MessageFormat<sizeof...(Values)> format, const Values&... values) noexcept
      : format_(format.text()) {
    static_assert(sizeof...(Values) <= kMaxValues);
    std::size_t n = 0;
    ((words_[n] = word_of(values), kinds_ |= static_cast<std::uint32_t>(kind_of<Values>()) << (4 * n), ++n),
     ...);
  }

  void append_to(std::string& out) const;

 private:
  static constexpr std::size_t kMaxValues = 8;
  enum class Kind : std::uint8_t { kSigned, kUnsigned, kLiteral, kView, kString, kQuoted, kMessage };

  template <class T>
  static constexpr Kind kind_of() noexcept {
    if constexpr (std::unsigned_integral<T>) {
      return Kind::kUnsigned;
    } else if constexpr (std::integral<T>) {
      return Kind::kSigned;
    } else if constexpr (std::is_same_v<T, std::string_view>) {
      return Kind::kView;
    } else if constexpr (std::is_same_v<T, std::string>) {
      return Kind::kString;
    } else if constexpr (std::is_same_v<T, Quoted>) {
      return Kind::kQuoted;
    } else if constexpr (std::is_same_v<T, Message>) {
      return Kind::kMessage;
    } else {
      static_assert(std::is_convertible_v<T, const char*>);
      return Kind::kLiteral;
    }
  }
  template <class T>
  static std::uint64_t word_of(const T& value) noexcept {
    if constexpr (std::integral<T>) {
      return static_cast<std::uint64_t>(value);
    } else if constexpr (kind_of<T>() == Kind::kLiteral) {
      return reinterpret_cast<std::uintptr_t>(static_cast<const char*>(value));
    } else {
      return reinterpret_cast<std::uintptr_t>(&value);
    }
  }
  void append_value(std::string& out, std::size_t i) const;

  const char* format_;
  std::uint32_t kinds_ = 0;
  std::uint64_t words_[kMaxValues];  // numbers and addresses; not set beyond the values
};

std::string to_text(const Message& message);

}  // namespace reelsense
