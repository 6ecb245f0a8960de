// QueryReader: a request's query parameters by name, the first wrong one told with what was expected.
// Thread safety: none; one a request.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "server/http/problem.h"
#include "server/http/request.h"

namespace reelsense::server {

inline constexpr std::string_view kFlagExpected = "true or false";
inline constexpr std::string_view kLabelExpected = "video or non-video";
inline constexpr std::string_view kModelExpected = "\"name\" or \"name@version\"";

class QueryReader {
 public:
  explicit QueryReader(const Request& request) : request_(request) {}

  // Gives the parameter to `accept` (std::string → bool), if it is there; `expected` is what to say if it is
  // refused.
  template <class Accept>
  void operator()(std::string_view name, std::string_view expected, Accept accept) {
    if (problem_) return;
    const std::optional<std::string> value = request_.query_value(name);
    if (value && !accept(*value))
      problem_ = Problem::at(std::string(name), std::string(expected) + " is expected");
  }
  std::optional<Problem> take() { return std::move(problem_); }

 private:
  const Request& request_;
  std::optional<Problem> problem_;
};

// False if nothing was parsed.
template <class Value>
bool assign(Value& to, const auto& parsed) {
  if (!parsed) return false;
  to = *parsed;
  return true;
}

inline std::optional<bool> parse_label(std::string_view text) noexcept {
  if (text == "video") return true;
  if (text == "non-video") return false;
  return std::nullopt;
}
inline std::string_view label_text(bool video) noexcept {
  return video ? "video" : "non-video";
}

// format=csv or json, else the Accept header. Nothing: format is something else.
inline std::optional<bool> wants_csv(const Request& request) {
  const std::optional<std::string> format = request.query_value("format");
  if (!format) return accepts(request.head.accept, "text/csv");
  if (*format != "csv" && *format != "json") return std::nullopt;
  return *format == "csv";
}

}  // namespace reelsense::server
