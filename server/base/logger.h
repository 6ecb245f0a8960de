// Logger: structured lines on standard error, as text ("time level event key=value …") or JSON, one write a
// line.
//
// A field never holds an address, a flow's name or a key; nothing is logged per window above debug. Before
// configure_logging(): level info, format text. Thread safety: all functions.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

#include "reelsense/base/result.h"

namespace reelsense::server {

enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarning, kError };

class LogValue {
 public:
  LogValue(bool value) : value_(value) {}                                  // NOLINT(*-explicit-*)
  LogValue(double value) : value_(value) {}                                // NOLINT(*-explicit-*)
  LogValue(std::string_view value) : value_(value) {}                      // NOLINT(*-explicit-*)
  LogValue(const char* value) : value_(std::string_view(value)) {}         // NOLINT(*-explicit-*)
  LogValue(const std::string& value) : value_(std::string_view(value)) {}  // NOLINT(*-explicit-*)
  template <class Integer>
  requires std::is_integral_v<Integer> &&
      (!std::is_same_v<Integer, bool>)LogValue(Integer value) {  // NOLINT(*-explicit-*)
    if constexpr (std::is_signed_v<Integer>) {
      value_ = static_cast<std::int64_t>(value);
    } else {
      value_ = static_cast<std::uint64_t>(value);
    }
  }

  [[nodiscard]] const auto& get() const noexcept { return value_; }

 private:
  std::variant<bool, std::int64_t, std::uint64_t, double, std::string_view> value_;
};

struct LogField {
  std::string_view key;
  LogValue value;
};

// As [logging] of the configuration says: "debug", "info", "warning" or "error"; "text" or "json".
Status configure_logging(std::string_view level, std::string_view format);
// Where whole lines go instead of standard error (tests); an empty function: back to standard error.
void set_log_sink(std::function<void(std::string_view line)> sink);

[[nodiscard]] bool log_enabled(LogLevel level) noexcept;
void log_at(LogLevel level, std::string_view event, std::initializer_list<LogField> fields);

inline void log_debug(std::string_view event, std::initializer_list<LogField> fields = {}) {
  if (log_enabled(LogLevel::kDebug)) log_at(LogLevel::kDebug, event, fields);
}
inline void log_info(std::string_view event, std::initializer_list<LogField> fields = {}) {
  log_at(LogLevel::kInfo, event, fields);
}
inline void log_warning(std::string_view event, std::initializer_list<LogField> fields = {}) {
  log_at(LogLevel::kWarning, event, fields);
}
inline void log_error(std::string_view event, std::initializer_list<LogField> fields = {}) {
  log_at(LogLevel::kError, event, fields);
}

}  // namespace reelsense::server
