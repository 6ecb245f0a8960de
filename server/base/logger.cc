#include "server/base/logger.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <mutex>

namespace reelsense::server {

namespace {

constexpr std::array<std::string_view, 4> kLevelNames = {"debug", "info", "warning", "error"};
constexpr std::size_t kLongestText = 4096;  // of one field; more is cut

std::atomic<LogLevel> least{LogLevel::kInfo};
std::atomic<bool> as_json{false};

struct Sink {
  std::mutex mutex;
  std::function<void(std::string_view)> function;
};
Sink& sink() {
  static Sink instance;
  return instance;
}

// RFC 3339, UTC, milliseconds.
std::string time_text() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const std::int64_t ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  const std::time_t seconds = static_cast<std::time_t>(ms / 1000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[40];
  const std::size_t length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text + length, sizeof text - length, ".%03dZ", static_cast<int>(ms % 1000));
  return text;
}

// Escaped as JSON. Bytes over 127 go through as they are: what we log is ASCII or UTF-8 of our own.
void quote(std::string_view text, std::string& out) {
  constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  for (const char c : text.substr(0, kLongestText)) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (byte < 0x20 || byte == 0x7f) {
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

bool is_plain(std::string_view text) {
  if (text.empty() || text.size() > kLongestText) return false;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) <= 0x20 || c == '"' || c == '=' || c == '\\' || c == 0x7f) return false;
  }
  return true;
}

template <class Number>
void append_number(Number value, std::string& out) {
  char text[40];
  const auto end = std::to_chars(text, text + sizeof text, value);
  out.append(text, end.ptr);
}

void append_value(const LogValue& value, bool json, std::string& out) {
  std::visit(
      [&](const auto& held) {
        using Held = std::decay_t<decltype(held)>;
        if constexpr (std::is_same_v<Held, bool>) {
          out += held ? "true" : "false";
        } else if constexpr (std::is_same_v<Held, std::string_view>) {
          if (!json && is_plain(held)) {
            out += held;
          } else {
            quote(held, out);
          }
        } else if constexpr (std::is_same_v<Held, double>) {
          if (json && !std::isfinite(held)) {
            out += "null";
          } else {
            append_number(held, out);
          }
        } else {
          append_number(held, out);
        }
      },
      value.get());
}

void emit(std::string_view line) {
  Sink& to = sink();
  const std::lock_guard lock(to.mutex);
  if (to.function) {
    to.function(line);
    return;
  }
  // A log that cannot be written is nobody's reason to stop.
  while (!line.empty()) {
    const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
    if (written <= 0) return;
    line.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace

Status configure_logging(std::string_view level, std::string_view format) {
  for (std::size_t i = 0; i < kLevelNames.size(); ++i) {
    if (level != kLevelNames[i]) continue;
    if (format != "text" && format != "json") {
      return Error{ErrorCode::kInvalidArgument,
                   "logging.format: \"" + std::string(format) + "\"; text or json is expected"};
    }
    least = static_cast<LogLevel>(i);
    as_json = format == "json";
    return ok_status();
  }
  return Error{ErrorCode::kInvalidArgument,
               "logging.level: \"" + std::string(level) + "\"; debug, info, warning or error is expected"};
}

void set_log_sink(std::function<void(std::string_view line)> function) {
  Sink& to = sink();
  const std::lock_guard lock(to.mutex);
  to.function = std::move(function);
}

bool log_enabled(LogLevel level) noexcept {
  return level >= least.load(std::memory_order_relaxed);
}

void log_at(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
  if (!log_enabled(level)) return;
  const std::string_view level_name = kLevelNames[static_cast<std::size_t>(level)];
  const bool json = as_json.load(std::memory_order_relaxed);
  std::string line;
  line.reserve(256);
  if (json) {
    line += R"({"time":")" + time_text() + R"(","level":")";
    line += level_name;
    line += R"(","event":)";
    quote(event, line);
  } else {
    line += time_text();
    line += ' ';
    line += level_name;
    line += ' ';
    line += event;
  }
  for (const LogField& field : fields) {
    if (json) {
      line += ',';
      quote(field.key, line);
      line += ':';
    } else {
      line += ' ';
      line += field.key;
      line += '=';
    }
    append_value(field.value, json, line);
  }
  if (json) line += '}';
  line += '\n';
  emit(line);
}

}  // namespace reelsense::server
