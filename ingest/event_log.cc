#include "reelsense/ingest/event_log.h"

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <memory>
#include <span>

#include "reelsense/features/socket_state.h"
#include "reelsense/flow/event_clock.h"

namespace reelsense::ingest {
namespace {

constexpr std::string_view kSocketHeader = "time_ns,connection,direction,bytes";
constexpr std::string_view kRecordHeader = "start_ns,end_ns,flow,bytes_up,bytes_down,packets_up,packets_down";
constexpr std::size_t kMaxLine = 512;
constexpr std::size_t kMaxName = 64;
constexpr std::uint64_t kMaxCount = 1ULL << 62;

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

std::string_view without_line_end(std::string_view line) {
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
  return line;
}

// A line being taken apart; the first problem stays.
class Line {
 public:
  explicit Line(std::string_view text) : rest_(text) {}

  std::string_view field(const char* name) {
    if (ended_) fail(name, "", "one more field");
    const std::size_t comma = std::min(rest_.find(','), rest_.size());
    const std::string_view text = rest_.substr(0, comma);
    ended_ = comma == rest_.size();
    rest_.remove_prefix(std::min(comma + 1, rest_.size()));
    return text;
  }
  std::uint64_t number(const char* name, std::uint64_t most) {
    const std::string_view text = field(name);
    std::uint64_t value = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (code != std::errc{} || end != text.data() + text.size() || value > most) {
      fail(name, text, "a whole number from 0 to " + std::to_string(most));
    }
    return value;
  }
  std::int64_t time(const char* name) {
    return static_cast<std::int64_t>(number(name, std::uint64_t{EventClock::kLatestNs}));
  }
  std::string_view label(const char* name) {
    const std::string_view text = field(name);
    if (text.empty() || text.size() > kMaxName) fail(name, text, "1 to 64 characters");
    return text;
  }
  void end() {
    if (!ended_) fail("the line", rest_, "no more fields");
  }
  void fail(const std::string& name, std::string_view found, const std::string& expected) {
    if (problem_.empty()) {
      problem_ = name + " is '" + std::string(found.substr(0, kMaxName)) + "', expected " + expected;
    }
  }
  [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
  std::string_view rest_;
  bool ended_ = false;
  std::string problem_;
};

// Calls parse(line) for each line behind the header; it returns false to stop.
Status read_log(const std::string& path, std::string_view header, const std::function<bool(Line&)>& parse) {
  const File file(std::fopen(path.c_str(), "rb"), std::fclose);
  if (!file) {
    return Error{errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo, path + ": " + std::strerror(errno)};
  }
  std::array<char, kMaxLine> buffer;
  for (std::uint64_t number = 1; std::fgets(buffer.data(), buffer.size(), file.get()) != nullptr; ++number) {
    const auto corrupt = [&](const std::string& what) {
      return Error{ErrorCode::kCorrupt, path + ":" + std::to_string(number) + ": " + what};
    };
    const std::string_view whole(buffer.data());
    if (whole.empty()) return corrupt("a line that begins with a zero byte");
    if (whole.back() != '\n' && std::feof(file.get()) == 0) {
      return corrupt("a line of more than " + std::to_string(kMaxLine - 2) + " bytes");
    }
    const std::string_view text = without_line_end(whole);
    if (number == 1) {
      if (text != header)
        return corrupt("found '" + std::string(text.substr(0, 100)) + "', expected the header " +
                       std::string(header));
      continue;
    }
    Line line(text);
    const bool more = parse(line);
    if (!line.problem().empty()) return corrupt(line.problem());
    if (!more) return ok_status();
  }
  if (std::ferror(file.get()) != 0) return Error{ErrorCode::kIo, path + ": " + std::strerror(errno)};
  return ok_status();
}

}  // namespace

std::optional<LogKind> log_kind(const std::string& path) {
  const File file(std::fopen(path.c_str(), "rb"), std::fclose);
  std::array<char, kMaxLine> buffer;
  if (!file || std::fgets(buffer.data(), buffer.size(), file.get()) == nullptr) return std::nullopt;
  const std::string_view text = without_line_end(buffer.data());
  if (text == kSocketHeader) return LogKind::kSocketEvents;
  if (text == kRecordHeader) return LogKind::kRecords;
  return std::nullopt;
}

Status read_socket_log(const std::string& path,
                       const std::function<bool(std::string_view, const SocketEvent&)>& use) {
  return read_log(path, kSocketHeader, [&use](Line& line) {
    SocketEvent event;
    event.time_ns = line.time("time_ns");
    const std::string_view connection = line.label("connection");
    const std::string_view direction = line.field("direction");
    event.direction = direction == "down" ? Direction::kDown : Direction::kUp;
    if (direction != "up" && direction != "down") line.fail("direction", direction, "up or down");
    event.bytes = static_cast<std::uint32_t>(line.number("bytes", kMaxSocketEventBytes));
    line.end();
    return line.problem().empty() && use(connection, event);
  });
}

Status read_record_log(const std::string& path,
                       const std::function<bool(std::string_view, const FlowRecord&)>& use) {
  return read_log(path, kRecordHeader, [&use](Line& line) {
    FlowRecord record;
    record.start_ns = line.time("start_ns");
    record.end_ns = line.time("end_ns");
    if (record.end_ns < record.start_ns)
      line.fail("end_ns", std::to_string(record.end_ns), "start_ns or later");
    const std::string_view flow = line.label("flow");
    record.bytes_up = line.number("bytes_up", kMaxCount);
    record.bytes_down = line.number("bytes_down", kMaxCount);
    record.packets_up = line.number("packets_up", kMaxCount);
    record.packets_down = line.number("packets_down", kMaxCount);
    line.end();
    return line.problem().empty() && use(flow, record);
  });
}

}  // namespace reelsense::ingest
