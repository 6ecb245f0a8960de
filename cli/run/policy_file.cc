#include "cli/run/policy_file.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "reelsense/bundle/bundle.h"

namespace reelsense::cli {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr std::size_t kFileBytes = std::size_t{1} << 20;
constexpr const char* kSchemaId = "https://json-schema.org/draft/2020-12/schema";
// Keys of a file that are no settings.
constexpr const char* kNotSettings[] = {"$schema", "comment"};

// Carries the first problem out of the parser's callback.
struct Problem {
  std::string message;
};

json parse_flat(std::string_view text) {
  std::set<std::string> seen;
  const auto watch = [&](int depth, json::parse_event_t event, json& value) {
    if (depth > 1) throw Problem{"a flat object of settings was expected, found a value inside a value"};
    if (event == json::parse_event_t::key && !seen.insert(value.get<std::string>()).second) {
      throw Problem{value.get<std::string>() + ": stands twice"};
    }
    return true;
  };
  return json::parse(text, watch);
}

bool is_setting(const std::string& key) {
  for (const char* other : kNotSettings) {
    if (key == other) return false;
  }
  return true;
}

Status set_from(PolicyOptions& options, const std::string& key, const json& value) {
  if (value.is_number()) return set_policy(options, key, value.get<double>());
  const auto known = get_policy(options, key);
  if (!known) return known.error();
  std::string found = value.dump(-1, ' ', true, json::error_handler_t::replace);
  if (found.size() > 40) found = found.substr(0, 37) + "...";
  return Error{ErrorCode::kInvalidArgument, key + ": expected a number, found " + found};
}

Result<PolicyOptions> parse_policy(std::string_view text) {
  PolicyOptions options;
  try {
    const json object = parse_flat(text);
    if (!object.is_object()) {
      return Error{ErrorCode::kCorrupt, "an object of settings was expected: {\"video_share\": 0.8}"};
    }
    for (const auto& [key, value] : object.items()) {
      if (!is_setting(key)) {
        if (value.is_string()) continue;
        return Error{ErrorCode::kInvalidArgument, key + ": expected a string"};
      }
      if (Status set = set_from(options, key, value); !set) return set.error();
    }
  } catch (const Problem& problem) {
    return Error{ErrorCode::kCorrupt, problem.message};
  } catch (const json::exception& error) {
    return Error{ErrorCode::kCorrupt, std::string("not JSON: ") + error.what()};
  }
  if (Status sound = check_policy(options); !sound) return sound.error();
  return options;
}

// Whole numbers without a point: 20000, 0.75.
ordered_json number(double value) {
  const double rounded = std::nearbyint(value);
  if (rounded == value) return static_cast<std::int64_t>(rounded);
  return value;
}

std::string range(const PolicyKey& key) {
  return number(key.low).dump() + " to " + number(key.high).dump();
}

const char* unit(const PolicyKey& key) {
  return std::string_view(key.unit) == "1" ? "" : key.unit;
}

}  // namespace

Result<PolicyOptions> read_policy(const std::string& path) {
  const auto bytes = bundle::read_file(path, kFileBytes);
  if (!bytes) return bytes.error();
  const auto& text = bytes.value();
  auto options = parse_policy({reinterpret_cast<const char*>(text.data()), text.size()});
  if (!options) return options.error().in(path);
  return options;
}

std::string policy_as_text() {
  std::string text = "Settings of the QoS policy\n";
  for (const PolicyKey& key : policy_keys()) {
    text += "\n" + std::string(key.name) + " = " + number(key.standard).dump();
    if (*unit(key) != '\0') text += " " + std::string(unit(key));
    text += "  (" + range(key) + (key.whole ? ", whole)\n" : ")\n");
    text += "    " + std::string(key.help) + "\n";
  }
  return text;
}

std::string policy_as_markdown() {
  std::string text =
      "<!-- Made by `reelsense decide --describe --format markdown` from core/policy/policy_options.cc. Do "
      "not "
      "edit. -->\n# Settings of the QoS policy\n\n"
      "What they do together is [explained here](../explanation/qos-policy.md). All of them are numbers; "
      "switches are 0 or 1.\nThe command takes them from a file, `reelsense decide --policy FILE.json`, one "
      "flat object that names what differs from\nthe defaults and follows "
      "[qos-policy.schema.json](qos-policy.schema.json); the C ABI takes them one by "
      "one,\n`rs_policy_set`.\n\n"
      "```json\n{\"video_prefetch_depth\": 4, \"min_bitrate_kbps\": 450, \"ample_kbps\": 6000}\n```\n\n"
      "| setting | default | unit | range | meaning |\n|---|---:|---|---|---|\n";
  for (const PolicyKey& key : policy_keys()) {
    text += "| `" + std::string(key.name) + "` | " + number(key.standard).dump() + " | " + unit(key) + " | " +
            range(key) + (key.whole ? ", whole" : "") + " | " + key.help + " |\n";
  }
  text +=
      "\nWhat contradicts itself is refused: `busy_bins` above `full_bins`, `min_bitrate_kbps` above "
      "`ample_kbps`,\n`congested_share` above `video_share`, `congested_prefetch_depth` above "
      "`video_prefetch_depth`.\n";
  return text;
}

std::string policy_as_schema() {
  ordered_json schema;
  schema["$schema"] = kSchemaId;
  schema["title"] = "Settings of the Reelsense QoS policy";
  schema["description"] =
      "Made by `reelsense decide --describe --format schema` from core/policy/policy_options.cc. Do not "
      "edit.";
  schema["type"] = "object";
  schema["additionalProperties"] = false;
  for (const char* key : kNotSettings) schema["properties"][key] = {{"type", "string"}};
  for (const PolicyKey& key : policy_keys()) {
    ordered_json& property = schema["properties"][key.name];
    property["description"] =
        std::string(key.help) + (*unit(key) == '\0' ? "" : " Unit: " + std::string(unit(key)) + ".");
    property["type"] = key.whole ? "integer" : "number";
    property["minimum"] = number(key.low);
    property["maximum"] = number(key.high);
    property["default"] = number(key.standard);
  }
  return schema.dump(2) + "\n";
}

}  // namespace reelsense::cli
