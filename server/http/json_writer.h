// JsonWriter: appends JSON to a string, commas included. No allocation but the string's own growth.
//
// Whether a comma is due is told by the last character, so writers may be made anew at any place of one
// document. Bytes that are not UTF-8 become U+FFFD. Numbers are the shortest text that reads back to the
// same; NaN and infinities, which JSON has no word for, become null. Thread safety: none.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

namespace reelsense::server {

// Appends `text` with its quotes.
void append_json_string(std::string_view text, std::string& out);
// Appends the shortest decimal text of a number.
void append_decimal(std::int64_t value, std::string& out);
void append_decimal(std::uint64_t value, std::string& out);
void append_decimal(float value, std::string& out);
void append_decimal(double value, std::string& out);
// 16 hexadecimal digits.
void append_hex(std::uint64_t value, std::string& out);

class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out) {}

  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }

  // `name` is ours: nothing in it needs an escape.
  JsonWriter& key(std::string_view name) {
    comma();
    out_ += '"';
    out_ += name;
    out_ += "\":";
    return *this;
  }
  JsonWriter& any_key(std::string_view name) {
    comma();
    append_json_string(name, out_);
    out_ += ':';
    return *this;
  }

  JsonWriter& value(std::string_view text) {
    comma();
    append_json_string(text, out_);
    return *this;
  }
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(const std::string& text) { return value(std::string_view(text)); }
  JsonWriter& value(bool flag) { return raw(flag ? "true" : "false"); }
  JsonWriter& value(float number) {
    comma();
    append_decimal(number, out_);
    return *this;
  }
  JsonWriter& value(double number) {
    comma();
    append_decimal(number, out_);
    return *this;
  }
  template <class Integer>
  requires std::is_integral_v<Integer> &&(!std::is_same_v<Integer, bool>)JsonWriter& value(Integer number) {
    comma();
    if constexpr (std::is_signed_v<Integer>) {
      append_decimal(static_cast<std::int64_t>(number), out_);
    } else {
      append_decimal(static_cast<std::uint64_t>(number), out_);
    }
    return *this;
  }
  JsonWriter& null() { return raw("null"); }
  // A whole JSON value.
  JsonWriter& raw(std::string_view json) {
    comma();
    out_ += json;
    return *this;
  }

  template <class Value>
  JsonWriter& field(std::string_view name, const Value& what) {
    key(name);
    return value(what);
  }

 private:
  void comma() {
    if (out_.empty()) return;
    const char last = out_.back();
    if (last != '{' && last != '[' && last != ':' && last != ',' && last != '\n') out_ += ',';
  }
  JsonWriter& open(char bracket) {
    comma();
    out_ += bracket;
    return *this;
  }
  JsonWriter& close(char bracket) {
    out_ += bracket;
    return *this;
  }

  std::string& out_;
};

}  // namespace reelsense::server
