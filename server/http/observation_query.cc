#include "server/http/observation_query.h"

#include <charconv>
#include <chrono>

#include "reelsense/features/quantise.h"
#include "server/http/json_writer.h"
#include "server/http/observation_body.h"
#include "server/http/query_reader.h"

namespace reelsense::server {

namespace {

constexpr std::uint64_t kMostRows = 10'000;
constexpr std::int64_t kMsPerDay = 86'400'000;
constexpr std::size_t kDayDigits = 8;
constexpr std::size_t kIdDigits = 16;
constexpr std::size_t kDateLength = 10;

template <class Integer>
std::optional<Integer> parse_number(std::string_view text, int base) noexcept {
  Integer value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || result.ec != std::errc() || result.ptr != text.data() + text.size())
    return std::nullopt;
  return value;
}

// "2026-03-01" → days since the epoch.
std::optional<std::int64_t> parse_day(std::string_view text) noexcept {
  using namespace std::chrono;
  if (text.size() != kDateLength || text[4] != '-' || text[7] != '-') return std::nullopt;
  const auto y = parse_count(text.substr(0, 4), 9999);
  const auto m = parse_count(text.substr(5, 2), 12);
  const auto d = parse_count(text.substr(8, 2), 31);
  if (!y || !m || !d) return std::nullopt;
  const year_month_day date{year(static_cast<int>(*y)), month(static_cast<unsigned>(*m)),
                            day(static_cast<unsigned>(*d))};
  if (!date.ok()) return std::nullopt;
  return sys_days(date).time_since_epoch().count();
}

std::string day_text(std::int64_t day) {
  return time_text(day * kMsPerDay).substr(0, kDateLength);
}

bool parse_cursor(std::string_view text, ObservationQuery& query) noexcept {
  if (text.size() != kDayDigits + kIdDigits) return false;
  const auto day = parse_number<std::uint32_t>(text.substr(0, kDayDigits), 16);
  const auto id = parse_number<std::uint64_t>(text.substr(kDayDigits), 16);
  if (!day || !id || *id > INT64_MAX) return false;
  query.after_day = *day;
  query.after_id = static_cast<std::int64_t>(*id);
  return true;
}

// Calls each(value) with what the codes stand for, in the features' units.
template <class Each>
void for_each_feature(const ObservationRow& row, const ViewSchema& schema, Each each) {
  for (std::size_t i = 0; i < row.values.size() && i < schema.features.size(); ++i) {
    each(restore(row.values[i], quantisation_step(schema.features[i])));
  }
}

}  // namespace

std::optional<Problem> read_observation_query(const Request& request, ObservationQuery& query,
                                              const ViewSchema*& schema) {
  QueryReader read(request);
  schema = &view_schema(View::kPacket);
  read("view", "packet, socket or record", [&](const std::string& text) {
    const ViewSchema* const found = find_view(text);
    if (found != nullptr) schema = found;
    return found != nullptr;
  });
  query.view = schema->name;
  query.schema_hash = schema_hash(*schema);
  constexpr std::string_view kDay = "a UTC day (2026-03-01)";
  read("from", kDay, [&](const std::string& text) { return assign(query.first_day, parse_day(text)); });
  read("to", kDay, [&](const std::string& text) { return assign(query.last_day, parse_day(text)); });
  read("model", kModelExpected, [&](const std::string& text) {
    query.model = text;
    return !text.empty();
  });
  read("label", kLabelExpected,
       [&](const std::string& text) { return assign(query.video, parse_label(text)); });
  read("uncertain", kFlagExpected,
       [&](const std::string& text) { return assign(query.uncertain, parse_flag(text)); });
  read("with_truth", kFlagExpected,
       [&](const std::string& text) { return assign(query.with_truth, parse_flag(text)); });
  read("truth", kLabelExpected,
       [&](const std::string& text) { return assign(query.truth_video, parse_label(text)); });
  read("cursor", "the \"next\" of an earlier answer",
       [&](const std::string& text) { return parse_cursor(text, query); });
  read("limit", "an integer from 1 to 10000", [&](const std::string& text) {
    const auto limit = parse_count(text, kMostRows);
    if (limit) query.limit = static_cast<std::size_t>(*limit);
    return limit && *limit != 0;
  });
  return read.take();
}

std::string cursor_of(const ObservationPage& page) {
  std::string day;
  std::string id;
  append_hex(static_cast<std::uint64_t>(page.next_day), day);
  append_hex(static_cast<std::uint64_t>(page.next_id), id);
  return day.substr(day.size() - kDayDigits) + id;
}

void write_observations_json(const ObservationPage& page, const ViewSchema& schema, std::string& out) {
  JsonWriter json(out);
  json.begin_object().field("view", schema.name).field("schema_hash", schema_hash(schema));
  json.key("features").begin_array();
  for (const FeatureDefinition& feature : schema.features) json.value(feature.name);
  json.end_array().key("steps").begin_array();
  for (const FeatureDefinition& feature : schema.features) json.value(quantisation_step(feature));
  json.end_array().key("rows").begin_array();
  for (const ObservationRow& row : page.rows) {
    const Observation& one = row.observation;
    json.begin_object().field("day", day_text(row.day)).field("model", row.model).field("sdk", row.sdk);
    json.field("epsilon", row.epsilon).field("label", label_text(one.video));
    json.field("confidence", one.confidence).field("uncertain", one.uncertain).key("truth");
    if (one.truth_video) {
      json.value(label_text(*one.truth_video));
    } else {
      json.null();
    }
    json.key("features").begin_array();
    for_each_feature(row, schema, [&](float value) { json.value(value); });
    json.end_array().end_object();
  }
  json.end_array().key("next");
  if (page.more) {
    json.value(cursor_of(page));
  } else {
    json.null();
  }
  json.end_object();
}

void write_observations_csv(const ObservationPage& page, const ViewSchema& schema, std::string& out) {
  out += "day,model,sdk,epsilon,label,confidence,uncertain,truth";
  for (const FeatureDefinition& feature : schema.features) (out += ',') += feature.name;
  out += '\n';
  for (const ObservationRow& row : page.rows) {
    const Observation& one = row.observation;
    // Models and versions are of letters, digits and -_.+@: nothing needs quotes.
    ((((out += day_text(row.day)) += ',') += row.model) += ',') += row.sdk;
    out += ',';
    append_decimal(row.epsilon, out);
    (out += ',') += label_text(one.video);
    out += ',';
    append_decimal(one.confidence, out);
    out += one.uncertain ? ",true," : ",false,";
    if (one.truth_video) out += label_text(*one.truth_video);
    for_each_feature(row, schema, [&](float value) {
      out += ',';
      append_decimal(value, out);
    });
    out += '\n';
  }
}

}  // namespace reelsense::server
