#include "json_reader.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace reelsense::path {
namespace {

using nlohmann::json;

constexpr std::size_t kShownBytes = 60;

// Lists and objects by their kind: printing one follows its nesting, and the nesting is the file's.
std::string shown(const json& value) {
  if (value.is_array()) return "a list of " + std::to_string(value.size());
  if (value.is_object()) return value.empty() ? "an empty object" : "an object";
  std::string text = value.dump(-1, ' ', true, json::error_handler_t::replace);
  if (text.size() > kShownBytes) text = text.substr(0, kShownBytes) + "…";
  return text;
}

std::string shown(double value) {
  return json(value == std::floor(value) && std::abs(value) < 1e15 ? json(std::llround(value)) : json(value))
      .dump();
}

std::string shown(const NumberRange& range) {
  std::string text = range.whole ? "a whole number" : "a number";
  if (*range.unit != '\0') text += std::string(" of ") + range.unit;
  return text + " from " + shown(range.low) + " to " + shown(range.high);
}

const json& null_value() {
  static const json kNull;
  return kNull;
}

}  // namespace

JsonReader::JsonReader(const json& value, std::string where, std::string key,
                       std::initializer_list<std::string_view> known, std::optional<std::string>& error)
    : value_(value), where_(std::move(where)), key_(std::move(key)), error_(error) {
  if (!value_.is_object()) {
    fail(key_, "an object", value_);
    return;
  }
  for (const auto& [name, ignored] : value_.items()) {
    if (std::ranges::find(known, name) != known.end()) continue;
    std::string keys;
    for (const std::string_view each : known) keys += (keys.empty() ? "" : ", ") + std::string(each);
    const std::string quoted = shown(json(name));  // escaped
    fail(name_of(quoted.substr(1, quoted.size() - 2).c_str()), "unknown key; expected one of " + keys);
    return;
  }
}

std::string JsonReader::name_of(const char* key) const {
  return key_.empty() ? key : key_ + "." + key;
}

void JsonReader::fail(const std::string& key, const std::string& message) {
  if (!error_) error_ = where_ + ": " + (key.empty() ? "" : key + ": ") + message;
}

void JsonReader::fail(const std::string& key, const std::string& expected, const json& got) {
  fail(key, "expected " + expected + ", got " + (got.is_null() ? "nothing" : shown(got)));
}

const json& JsonReader::member(const char* key) const {
  if (!value_.is_object()) return null_value();
  const auto found = value_.find(key);
  return found == value_.end() ? null_value() : *found;
}

bool JsonReader::has(const char* key) const {
  return value_.is_object() && value_.contains(key);
}

double JsonReader::check(const json& value, const std::string& key, const NumberRange& range) {
  const double number = value.is_number() ? value.get<double>() : std::nan("");
  const bool fits = number >= range.low && number <= range.high;  // false for NaN
  if (!fits || (range.whole && number != std::floor(number))) {
    fail(key, shown(range), value);
    return range.low;
  }
  return number;
}

double JsonReader::number(const char* key, const NumberRange& range, double otherwise) {
  return has(key) ? check(member(key), name_of(key), range) : otherwise;
}

double JsonReader::required_number(const char* key, const NumberRange& range) {
  return check(member(key), name_of(key), range);
}

std::string JsonReader::text(const char* key) {
  if (!has(key)) return {};
  const json& value = member(key);
  if (value.is_string()) return value.get<std::string>();
  fail(name_of(key), "a text", value);
  return {};
}

bool JsonReader::flag(const char* key) {
  if (!has(key)) return false;
  const json& value = member(key);
  if (value.is_boolean()) return value.get<bool>();
  fail(name_of(key), "true or false", value);
  return false;
}

std::vector<double> JsonReader::numbers(const char* key, const NumberRange& range, std::size_t most) {
  const json& list = member(key);
  if (!list.is_array() || list.empty() || list.size() > most) {
    fail(name_of(key), "a list of 1 to " + std::to_string(most) + " numbers", list);
    return {};
  }
  std::vector<double> numbers;
  numbers.reserve(list.size());
  for (const json& value : list) {
    if (!ok()) break;
    numbers.push_back(check(value, name_of(key) + "[" + std::to_string(numbers.size()) + "]", range));
  }
  return numbers;
}

void JsonReader::each(const char* key, std::size_t most,
                      const std::function<void(const json&, const std::string& key)>& read) {
  if (!has(key)) return;
  const json& list = member(key);
  if (!list.is_array() || list.size() > most) {
    return fail(name_of(key), "a list of at most " + std::to_string(most) + " objects", list);
  }
  for (std::size_t i = 0; i < list.size() && ok(); ++i) {
    read(list[i], name_of(key) + "[" + std::to_string(i) + "]");
  }
}

}  // namespace reelsense::path
