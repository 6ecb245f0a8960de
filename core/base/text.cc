#include "reelsense/base/text.h"

namespace reelsense {
namespace {

void append_number(std::string& out, std::uint64_t size, bool negative) {
  char digits[21];
  char* first = digits + sizeof digits;
  do {
    *--first = static_cast<char>('0' + size % 10);
    size /= 10;
  } while (size > 0);
  if (negative) *--first = '-';
  out.append(first, digits + sizeof digits);
}

void append_quoted(std::string& out, std::string_view text) {
  constexpr std::size_t kLongest = 64;
  out += '"';
  for (const char c : text.substr(0, kLongest)) out += (c < 0x20 || c > 0x7e || c == '"') ? '?' : c;
  out += text.size() > kLongest ? "…\"" : "\"";
}

}  // namespace

void Message::append_value(std::string& out, std::size_t i) const {
  const std::uint64_t word = words_[i];
  const auto at = static_cast<std::uintptr_t>(word);
  switch (static_cast<Kind>(kinds_ >> (4 * i) & 0xfU)) {
    case Kind::kSigned: {
      const bool negative = static_cast<std::int64_t>(word) < 0;
      append_number(out, negative ? 0 - word : word, negative);
      break;
    }
    case Kind::kUnsigned:
      append_number(out, word, false);
      break;
    case Kind::kLiteral:
      out += reinterpret_cast<const char*>(at);
      break;
    case Kind::kView:
      out += *reinterpret_cast<const std::string_view*>(at);
      break;
    case Kind::kString:
      out += *reinterpret_cast<const std::string*>(at);
      break;
    case Kind::kQuoted:
      append_quoted(out, reinterpret_cast<const Quoted*>(at)->text);
      break;
    case Kind::kMessage:
      reinterpret_cast<const Message*>(at)->append_to(out);
  }
}

void Message::append_to(std::string& out) const {
  std::size_t value = 0;
  for (const char* c = format_; *c != 0; ++c) {
    if (*c == '{' && c[1] == '}') {
      append_value(out, value++);
      ++c;
    } else {
      out += *c;
    }
  }
}

std::string to_text(const Message& message) {
  std::string out;
  message.append_to(out);
  return out;
}

}  // namespace reelsense
