// JsonReader: one JSON object, read key by key, with errors that name the place, the key and what was
// expected.
//
// The first error is kept and everything after it yields defaults, so a decoder reads all fields and checks
// once (as ByteReader does for bytes). Thread safety: none. The object and the error must outlive the reader.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace reelsense::path {

// What a number must be, and how to say it: "a number of ms from 0 to 60000".
struct NumberRange {
  double low = 0;
  double high = std::numeric_limits<double>::max();
  const char* unit = "";
  bool whole = false;
};

class JsonReader {
 public:
  // `where` is the file or message, `key` the path of the object inside it ("down.queue", "" for the whole).
  // A value that is no object, or has a key that is not in `known`, is an error.
  JsonReader(const nlohmann::json& value, std::string where, std::string key,
             std::initializer_list<std::string_view> known, std::optional<std::string>& error);

  [[nodiscard]] bool has(const char* key) const;
  double number(const char* key, const NumberRange& range, double otherwise);
  double required_number(const char* key, const NumberRange& range);
  std::string text(const char* key);
  bool flag(const char* key);  // false where missing
  // Between 1 and `most` numbers.
  std::vector<double> numbers(const char* key, const NumberRange& range, std::size_t most);
  // Calls `read` for each element of an optional list of at most `most`.
  void each(const char* key, std::size_t most,
            const std::function<void(const nlohmann::json&, const std::string& key)>& read);
  // The member, or null where it is missing.
  [[nodiscard]] const nlohmann::json& member(const char* key) const;

  // "down.queue" + "bytes"
  [[nodiscard]] std::string name_of(const char* key) const;
  void fail(const std::string& key, const std::string& expected, const nlohmann::json& got);
  void fail(const std::string& key, const std::string& message);
  [[nodiscard]] bool ok() const noexcept { return !error_.has_value(); }

 private:
  double check(const nlohmann::json& value, const std::string& key, const NumberRange& range);

  const nlohmann::json& value_;
  std::string where_;
  std::string key_;
  std::optional<std::string>& error_;
};

}  // namespace reelsense::path
