#include "reelsense/bundle/manifest.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>

namespace reelsense::bundle {
namespace {

using nlohmann::json;

constexpr std::array kKeys = {
    "format",        "name",        "version",  "description",   "tier",
    "view",          "schema_hash", "features", "labels",        "threshold",
    "uncertain",     "calibration", "metrics",  "training_data", "reference_histograms",
    "source_commit", "files"};
constexpr std::string_view kOptionalKey = "description";

// Carries the first problem out of the readers below; parse_manifest turns it into an Error.
struct Problem {
  ErrorCode code;
  std::string message;
};

[[noreturn]] void fail(const std::string& key, const std::string& expected, const json& found) {
  std::string text = found.dump(-1, ' ', false, json::error_handler_t::replace);
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  throw Problem{ErrorCode::kCorrupt, "\"" + key + "\" must be " + expected + ", found " + text};
}

bool is_digest(const json& value) {
  if (!value.is_string()) return false;
  const auto& text = value.get_ref<const std::string&>();
  return text.size() == 64 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

std::string read_text(const json& object, const std::string& key) {
  const json& value = object[key];
  if (!value.is_string()) fail(key, "a string", value);
  return value.get<std::string>();
}

std::string read_digest(const json& value, const std::string& key) {
  if (!is_digest(value)) fail(key, "64 lower-case hexadecimal digits", value);
  return value.get<std::string>();
}

std::string read_choice(const json& object, const std::string& key,
                        std::initializer_list<std::string_view> choices) {
  std::string expected;
  for (const std::string_view choice : choices) {
    if (object[key] == choice) return std::string(choice);
    expected += (expected.empty() ? "\"" : ", \"") + std::string(choice) + "\"";
  }
  fail(key, "one of " + expected, object[key]);
}

std::vector<std::string> read_texts(const json& object, const std::string& key) {
  std::vector<std::string> texts;
  if (!object[key].is_array()) fail(key, "an array of strings", object[key]);
  for (const json& item : object[key]) {
    if (!item.is_string()) fail(key, "an array of strings", object[key]);
    texts.push_back(item.get<std::string>());
  }
  return texts;
}

std::string read_name(const json& object) {
  std::string name = read_text(object, "name");
  const bool good = !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
  if (!good) fail("name", "1 to 64 lower-case letters, digits and '-'", object["name"]);
  return name;
}

double read_probability(const json& value, const std::string& key) {
  if (!value.is_number() || !(value.get<double>() >= 0.0 && value.get<double>() <= 1.0)) {
    fail(key, "a number from 0 to 1", value);
  }
  return value.get<double>();
}

std::map<std::string, std::string> read_files(const json& object) {
  std::map<std::string, std::string> files;
  if (!object["files"].is_object()) fail("files", "an object of file name: SHA-256", object["files"]);
  for (const auto& [file, digest] : object["files"].items()) {
    // A name, not a path: a manifest cannot point outside its folder.
    const bool plain =
        !file.empty() && file[0] != '.' && file.find('/') == std::string::npos && file != kManifestFile;
    if (!plain) fail("files", "an object whose keys are plain file names", json(file));
    files[file] = read_digest(digest, "files." + file);
  }
  if (!files.contains(std::string(kModelFile)))
    fail("files", "an object that lists model.onnx", object["files"]);
  return files;
}

void check_keys(const json& object) {
  if (!object.is_object()) throw Problem{ErrorCode::kCorrupt, "a manifest is a JSON object"};
  for (const auto& [key, value] : object.items()) {
    if (std::find(kKeys.begin(), kKeys.end(), key) == kKeys.end()) {
      throw Problem{ErrorCode::kCorrupt, "unknown key \"" + key + "\""};
    }
  }
  for (const char* key : kKeys) {
    if (key != kOptionalKey && !object.contains(key)) {
      throw Problem{ErrorCode::kCorrupt, std::string("missing key \"") + key + "\""};
    }
  }
}

void read_limits(const json& object, Manifest& manifest) {
  manifest.threshold = read_probability(object["threshold"], "threshold");
  const json& band = object["uncertain"];
  if (!band.is_array() || band.size() != 2) fail("uncertain", "an array of two numbers [low, high]", band);
  manifest.uncertain_low = read_probability(band[0], "uncertain");
  manifest.uncertain_high = read_probability(band[1], "uncertain");
  if (manifest.uncertain_low > manifest.uncertain_high)
    fail("uncertain", "[low, high] with low <= high", band);
}

Manifest read_manifest(const json& object) {
  check_keys(object);
  if (object["format"] != kManifestFormat) {
    throw Problem{ErrorCode::kUnsupported, "\"format\" " + object["format"].dump() +
                                               " is not read by this build (" +
                                               std::to_string(kManifestFormat) + " is)"};
  }
  Manifest manifest;
  manifest.name = read_name(object);
  const auto version = Version::parse(read_text(object, "version"));
  if (!version) fail("version", "a semantic version such as \"1.2.3\"", object["version"]);
  manifest.version = *version;
  if (object.contains(kOptionalKey)) manifest.description = read_text(object, std::string(kOptionalKey));
  manifest.tier = read_choice(object, "tier", {"ue", "server"});
  manifest.view = read_choice(object, "view", {"packet", "socket", "record"});
  manifest.schema_hash = read_digest(object["schema_hash"], "schema_hash");
  manifest.features = read_texts(object, "features");
  if (manifest.features.empty()) fail("features", "an array with at least one name", object["features"]);
  manifest.labels = read_texts(object, "labels");
  if (manifest.labels != std::vector<std::string>{"non-video", "video"}) {
    fail("labels", R"(["non-video", "video"])", object["labels"]);
  }
  read_limits(object, manifest);
  for (const char* key : {"calibration", "metrics", "training_data", "reference_histograms"}) {
    if (!object[key].is_object()) fail(key, "an object", object[key]);
  }
  const json& training = object["training_data"];
  if (!training.contains("digest"))
    throw Problem{ErrorCode::kCorrupt, "missing key \"training_data.digest\""};
  manifest.training_digest = read_digest(training["digest"], "training_data.digest");
  manifest.source_commit = read_text(object, "source_commit");
  manifest.files = read_files(object);
  return manifest;
}

// nlohmann::json keeps the last of two equal keys without a word; a manifest must not say a thing twice.
json parse_strictly(std::string_view text) {
  std::vector<std::set<std::string>> open_objects;
  const auto watch = [&](int depth, json::parse_event_t event, json& value) {
    // A bound on nesting keeps hostile files from exhausting the stack when the value is destroyed or
    // printed.
    if (depth > 32) throw Problem{ErrorCode::kCorrupt, "nested deeper than 32 levels"};
    if (event == json::parse_event_t::object_start) open_objects.emplace_back();
    if (event == json::parse_event_t::object_end) open_objects.pop_back();
    if (event == json::parse_event_t::key && !open_objects.back().insert(value.get<std::string>()).second) {
      throw Problem{ErrorCode::kCorrupt, "key \"" + value.get<std::string>() + "\" stands twice"};
    }
    return true;
  };
  return json::parse(text, watch);
}

}  // namespace

Result<Manifest> parse_manifest(std::string_view text) {
  try {
    Manifest manifest = read_manifest(parse_strictly(text));
    manifest.json = text;
    return manifest;
  } catch (const Problem& problem) {
    return Error{problem.code, problem.message};
  } catch (const json::exception& error) {
    return Error{ErrorCode::kCorrupt, std::string("not JSON: ") + error.what()};
  }
}

}  // namespace reelsense::bundle
