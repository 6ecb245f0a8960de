#include "server/http/log_query.h"

#include <charconv>
#include <cmath>

#include "server/http/json_writer.h"
#include "server/http/query_reader.h"

namespace reelsense::server {

namespace {

constexpr std::size_t kMostRows = 10'000;
constexpr std::string_view kHashPrefix = "hash:";

std::optional<double> parse_share(std::string_view text) noexcept {
  double value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = result.ec == std::errc() && result.ptr == text.data() + text.size();
  if (!whole || !(value >= 0 && value <= 1)) return std::nullopt;
  return value;
}

std::optional<std::uint64_t> parse_hash(std::string_view text) noexcept {
  std::uint64_t value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (text.size() != 16 || result.ec != std::errc() || result.ptr != text.data() + text.size())
    return std::nullopt;
  return value;
}

}  // namespace

std::optional<Problem> read_log_query(const Request& request,
                                      const std::function<std::uint64_t(std::string_view)>& flow_hash,
                                      LogQuery& query) {
  QueryReader read(request);
  constexpr std::string_view kTime = "RFC 3339 (2026-03-01T12:00:00Z) or seconds since the epoch";
  read("from", kTime, [&](const std::string& text) { return assign(query.from_ms, parse_time_ms(text)); });
  read("to", kTime, [&](const std::string& text) { return assign(query.to_ms, parse_time_ms(text)); });
  read("flow", "a flow's name or hash: and 16 hexadecimal digits", [&](const std::string& text) {
    if (!text.starts_with(kHashPrefix)) {
      query.flow = flow_hash(text);
      return !text.empty();
    }
    return assign(query.flow, parse_hash(std::string_view(text).substr(kHashPrefix.size())));
  });
  read("model", kModelExpected, [&](const std::string& text) {
    query.model = text;
    return !text.empty();
  });
  read("label", kLabelExpected,
       [&](const std::string& text) { return assign(query.video, parse_label(text)); });
  read("uncertain", kFlagExpected,
       [&](const std::string& text) { return assign(query.uncertain, parse_flag(text)); });
  read("max_confidence", "a number from 0 to 1",
       [&](const std::string& text) { return assign(query.max_confidence, parse_share(text)); });
  read("misclassified", kFlagExpected,
       [&](const std::string& text) { return assign(query.misclassified, parse_flag(text)); });
  read("with_truth", kFlagExpected,
       [&](const std::string& text) { return assign(query.with_truth, parse_flag(text)); });
  read("cursor", "the \"next\" of an earlier answer", [&](const std::string& text) {
    const auto row = parse_count(text, INT64_MAX);
    if (row) query.before_row = static_cast<std::int64_t>(*row);
    return row.has_value();
  });
  read("limit", "an integer from 1 to 10000", [&](const std::string& text) {
    const auto limit = parse_count(text, kMostRows);
    if (limit) query.limit = static_cast<std::size_t>(*limit);
    return limit && *limit != 0;
  });
  return read.take();
}

void write_log_json(const LogPage& page, std::string& out) {
  JsonWriter json(out);
  json.begin_object().key("rows").begin_array();
  for (const LogRow& row : page.rows) {
    const LogEntry& entry = row.entry;
    std::string hash;
    append_hex(entry.flow, hash);
    json.begin_object()
        .field("time", time_text(entry.time_ms))
        .field("flow", hash)
        .field("second", entry.second);
    json.field("model", row.model).field("version", row.version).field("tier", row.tier);
    json.field("label", label_text(entry.video)).field("uncertain", entry.uncertain);
    json.field("confidence", entry.confidence).field("queue_us", entry.queue_us);
    json.field("compute_us", entry.compute_us).field("principal", entry.principal);
    if (row.truth_video) json.field("truth", label_text(*row.truth_video));
    json.end_object();
  }
  json.end_array().key("next");
  if (page.next == 0) {
    json.null();
  } else {
    json.value(std::to_string(page.next));
  }
  json.end_object();
}

void write_log_csv(const LogPage& page, std::string& out) {
  out +=
      "time,flow,second,model,version,tier,label,uncertain,confidence,queue_us,compute_us,principal,truth\n";
  for (const LogRow& row : page.rows) {
    const LogEntry& entry = row.entry;
    out += time_text(entry.time_ms);
    out += ',';
    append_hex(entry.flow, out);
    out += ',';
    append_decimal(entry.second, out);
    // Names and versions are of letters, digits, '-', '.' and '+': nothing needs quotes.
    for (const std::string_view text : {std::string_view(row.model), std::string_view(row.version),
                                        std::string_view(row.tier), label_text(entry.video)}) {
      out += ',';
      out += text;
    }
    out += entry.uncertain ? ",true," : ",false,";
    append_decimal(entry.confidence, out);
    for (const std::uint32_t number : {entry.queue_us, entry.compute_us, entry.principal}) {
      out += ',';
      append_decimal(std::uint64_t{number}, out);
    }
    out += ',';
    if (row.truth_video) out += label_text(*row.truth_video);
    out += '\n';
  }
}

}  // namespace reelsense::server
