#include "server/http/json_writer.h"

#include <charconv>
#include <cmath>

#include "server/http/utf8.h"

namespace reelsense::server {

namespace {

constexpr char kHex[] = "0123456789abcdef";

template <class Number>
void append_chars(Number value, std::string& out) {
  char text[40];
  const auto end = std::to_chars(text, text + sizeof text, value);
  out.append(text, end.ptr);
}

template <class Real>
void append_real(Real value, std::string& out) {
  if (std::isfinite(value)) {
    append_chars(value, out);
  } else {
    out += "null";
  }
}

void append_escaped(unsigned char byte, std::string& out) {
  switch (byte) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
  }
}

}  // namespace

void append_json_string(std::string_view text, std::string& out) {
  out += '"';
  std::size_t plain = 0;  // where what is not yet appended begins
  std::size_t i = 0;
  while (i < text.size()) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const std::size_t length = byte < 0x80 ? 1 : utf8_length(text.substr(i));
    const bool escape = byte < 0x20 || byte == '"' || byte == '\\' || byte == 0x7f;
    if (length != 0 && !escape) {
      i += length;
      continue;
    }
    out += text.substr(plain, i - plain);
    if (length == 0) {
      out += "\xef\xbf\xbd";
    } else {
      append_escaped(byte, out);
    }
    plain = ++i;
  }
  out += text.substr(plain);
  out += '"';
}

void append_decimal(std::int64_t value, std::string& out) {
  append_chars(value, out);
}
void append_decimal(std::uint64_t value, std::string& out) {
  append_chars(value, out);
}
void append_decimal(float value, std::string& out) {
  append_real(value, out);
}
void append_decimal(double value, std::string& out) {
  append_real(value, out);
}

void append_hex(std::uint64_t value, std::string& out) {
  char text[16];
  for (int i = 15; i >= 0; --i) {
    text[i] = kHex[value & 15];
    value >>= 4;
  }
  out.append(text, sizeof text);
}

}  // namespace reelsense::server
