// What the readers of JSON bodies share: simdjson on demand, with every failure told by place and
// expectation.
//
// Private to the readers' sources: it brings in simdjson.h. Thread safety: none; one parser a thread.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "server/http/decimal_time.h"
#include "server/http/json_parser.h"
#include "server/http/problem.h"

namespace reelsense::server {

namespace ondemand = simdjson::ondemand;

struct JsonParser::Impl {
  ondemand::parser parser;
  std::string copy;  // of a body that something else follows
};

// A place in the document, as a chain on the stack; turned into text only when something is wrong there.
struct Where {
  const Where* parent = nullptr;
  std::string_view name = {};
  std::int64_t index = -1;  // an element of `parent`, which has no name of its own

  [[nodiscard]] std::string text() const;  // "windows[3].features[7]"
};

// While a reader lives, the byte behind the body is 0: simdjson looks there when brackets are left open, and
// what it finds must not be the client's, as the next request or a binary tensor would be. Then it is what it
// was.
class JsonReader {
 public:
  JsonReader(JsonParser& parser, std::string_view body);
  ~JsonReader();
  JsonReader(const JsonReader&) = delete;
  JsonReader& operator=(const JsonReader&) = delete;

  // Every function from here on returns false once something is wrong; then problem() says what.
  bool fail(const Where& where, std::string what);
  bool fail(Problem problem);
  // `value` is not what was expected ("a number from 0 to 1"): says what is there instead, or that the JSON
  // is broken.
  bool unexpected(const Where& where, ondemand::value value, simdjson::error_code error,
                  std::string_view expected);
  // The document itself is broken.
  bool malformed(simdjson::error_code error);
  [[nodiscard]] Problem take_problem() { return std::move(*problem_); }
  // What was wrong so far, if anything was; forgets it.
  std::optional<Problem> release_problem() { return std::exchange(problem_, std::nullopt); }

  // Parses anew from the beginning of the body.
  bool begin(ondemand::object& root);
  // Nothing may follow the root.
  bool at_end();

  bool read(const Where& where, ondemand::value value, bool& out);
  bool read(const Where& where, ondemand::value value, float& out);
  bool read(const Where& where, ondemand::value value,
            std::string_view& out);  // lives until the next begin()
  bool read(const Where& where, ondemand::value value, ondemand::object& out);
  bool read(const Where& where, ondemand::value value, ondemand::array& out);
  bool read(const Where& where, ondemand::value value, std::int64_t least, std::int64_t most,
            std::int64_t& out);
  bool read(const Where& where, ondemand::value value, double least, double most, double& out);
  // null, or else not: `null` says which, and a value that is not null is still to be read.
  bool read_null(const Where& where, ondemand::value value, bool& null);
  // Seconds since the epoch as a decimal of any length → nanoseconds, exactly.
  bool read_time(const Where& where, ondemand::value value, std::int64_t& ns);
  // A string as it stands in the body, quotes included (`raw`), and what it says (`text`).
  bool read_raw(const Where& where, ondemand::value value, std::string_view& raw, std::string_view& text);
  // Walks over a value that nobody asked for; it must still be JSON.
  bool skip(const Where& where, ondemand::value value, int depth = 0);

  // `seen` has a bit for each known key; a key that comes twice is refused.
  bool once(const Where& where, unsigned& seen, unsigned bit);

 private:
  // The text of a value that is a scalar; empty: there is none, the document ends.
  [[nodiscard]] std::string_view token_of(ondemand::value value) const;

  ondemand::parser& parser_;
  std::string_view body_;
  char* end_;
  char behind_;  // what was at end_
  ondemand::document document_;
  bool parsed_ = false;  // document_ is one
  std::optional<Problem> problem_;
};

inline constexpr Where kRoot{};

// Calls each(key, value) for every member; stops when it returns false.
template <class Each>
bool for_each_member(JsonReader& json, ondemand::object& object, Each each) {
  for (auto item : object) {
    ondemand::field field;
    auto error = std::move(item).get(field);
    if (error != simdjson::SUCCESS) return json.malformed(error);
    std::string_view key;
    if ((error = field.unescaped_key().get(key)) != simdjson::SUCCESS) return json.malformed(error);
    if (!each(key, field.value())) return false;
  }
  return true;
}

// Calls each(index, value) for every element; stops when it returns false.
template <class Each>
bool for_each_element(JsonReader& json, ondemand::array& array, Each each) {
  std::int64_t index = 0;
  for (auto item : array) {
    ondemand::value value;
    const auto error = std::move(item).get(value);
    if (error != simdjson::SUCCESS) return json.malformed(error);
    if (!each(index++, value)) return false;
  }
  return true;
}

inline bool unknown_key(JsonReader& json, const Where& where, std::string_view key, std::string_view known) {
  return json.fail(Where{&where, key}, "unknown key; known are " + std::string(known));
}

}  // namespace reelsense::server
