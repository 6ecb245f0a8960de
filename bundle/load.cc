#include <algorithm>
#include <charconv>

#include "reelsense/base/sha256.h"
#include "reelsense/bundle/bundle.h"

namespace reelsense::bundle {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kManifestLimit = 4u << 20;
constexpr std::size_t kOtherFileLimit = 1u << 30;

Error mismatch(const fs::path& file, const std::string& what, const std::string& manifest,
               const std::string& found) {
  return {ErrorCode::kMismatch,
          file.string() + ": " + what + " is " + found + ", manifest.json says " + manifest};
}

std::string join_names(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ",") + name;
  return text;
}

std::string number(double value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  return {text, end};
}

Status check_digest(const fs::path& file, const std::string& expected,
                    const std::vector<std::uint8_t>& bytes) {
  const std::string digest = sha256_hex(bytes);
  if (digest != expected) return mismatch(file, "SHA-256", expected, digest);
  return ok_status();
}

// What model.onnx says of itself against what the manifest says.
Status check_metadata(const fs::path& file, const Manifest& manifest, const UeModel& model) {
  const ModelInfo& info = model.model().info();
  const auto check = [&](const char* key, const std::string& expected) -> Status {
    const std::string found(info.find(key));
    if (found != expected) return mismatch(file, key, expected, found.empty() ? "missing" : found);
    return ok_status();
  };
  const std::pair<const char*, std::string> texts[] = {{"reelsense.name", manifest.name},
                                                       {"reelsense.version", manifest.version.text()},
                                                       {"reelsense.tier", manifest.tier},
                                                       {"reelsense.view", manifest.view},
                                                       {"reelsense.schema_hash", manifest.schema_hash},
                                                       {"reelsense.features", join_names(manifest.features)}};
  for (const auto& [key, expected] : texts) {
    if (Status status = check(key, expected); !status) return status;
  }
  const std::tuple<const char*, double, float> numbers[] = {
      {"reelsense.threshold", manifest.threshold, model.threshold()},
      {"reelsense.uncertain low", manifest.uncertain_low, model.uncertain_low()},
      {"reelsense.uncertain high", manifest.uncertain_high, model.uncertain_high()}};
  for (const auto& [key, expected, found] : numbers) {
    if (static_cast<float>(expected) != found)
      return mismatch(file, key, number(expected), number(double{found}));
  }
  return ok_status();
}

Status check_tier(const fs::path& folder, const Manifest& manifest) {
  if (manifest.tier == "ue") return ok_status();
  return Error{ErrorCode::kUnsupported, (folder / kManifestFile).string() + ": a model of tier \"" +
                                            manifest.tier + "\"; this command runs tier \"ue\""};
}

Result<UeModel> parse_model(const fs::path& file, const std::vector<std::uint8_t>& bytes) {
  Result<UeModel> model = UeModel::parse(bytes);
  if (!model) return model.error().in(file.string());
  return model;
}

Status check_folder_name(const fs::path& folder, const Manifest& manifest) {
  std::error_code code;
  const fs::path real = fs::canonical(folder, code);
  const std::string found = real.parent_path().filename().string() + "/" + real.filename().string();
  const std::string expected = manifest.name + "/" + manifest.version.text();
  if (found != expected) return mismatch(folder, "the folder", expected, found);
  return ok_status();
}

std::optional<Error> problem_of(const Status& status) {
  return status ? std::nullopt : std::optional<Error>(status.error());
}

}  // namespace

Result<Manifest> load_manifest(const fs::path& folder) {
  const fs::path file = folder / kManifestFile;
  const auto bytes = read_file(file, kManifestLimit);
  if (!bytes) return bytes.error();
  const std::string_view text(reinterpret_cast<const char*>(bytes.value().data()), bytes.value().size());
  Result<Manifest> manifest = parse_manifest(text);
  if (!manifest) return manifest.error().in(file.string());
  return manifest;
}

Result<LoadedModel> load_model(const fs::path& folder_or_file) {
  std::error_code code;
  const bool is_bundle = fs::is_directory(folder_or_file, code);
  const fs::path file = is_bundle ? folder_or_file / kModelFile : folder_or_file;
  std::optional<Manifest> manifest;
  if (is_bundle) {
    Result<Manifest> loaded = load_manifest(folder_or_file);
    if (!loaded) return loaded.error();
    manifest = std::move(loaded).value();
    if (Status status = check_tier(folder_or_file, *manifest); !status) return status.error();
  }
  const auto bytes = read_file(file, ModelLimits{}.file_bytes);
  if (!bytes) return bytes.error();
  if (manifest) {
    const std::string& expected = manifest->files.at(std::string(kModelFile));
    if (Status status = check_digest(file, expected, bytes.value()); !status) return status.error();
  }
  Result<UeModel> model = parse_model(file, bytes.value());
  if (!model) return model.error();
  if (manifest) {
    if (Status status = check_metadata(file, *manifest, model.value()); !status) return status.error();
  }
  return LoadedModel{file, std::move(manifest), std::move(model).value()};
}

std::vector<Check> verify_bundle(const fs::path& folder) {
  std::vector<Check> checks;
  const Result<Manifest> loaded = load_manifest(folder);
  checks.push_back(
      {"manifest.json: keys and types", loaded ? std::nullopt : std::optional<Error>(loaded.error())});
  if (!loaded) return checks;
  const Manifest& manifest = loaded.value();
  checks.push_back({"folder: name and version", problem_of(check_folder_name(folder, manifest))});

  std::vector<std::uint8_t> onnx;
  for (const auto& [name, digest] : manifest.files) {
    const auto bytes = read_file(folder / name, kOtherFileLimit);
    const Status status = bytes ? check_digest(folder / name, digest, bytes.value()) : Status(bytes.error());
    checks.push_back({name + ": SHA-256", problem_of(status)});
    if (bytes && name == kModelFile) onnx = bytes.value();
  }
  std::error_code code;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, code)) {
    const std::string name = entry.path().filename().string();
    if (name == kManifestFile || manifest.files.contains(name)) continue;
    checks.push_back({name + ": listed",
                      Error{ErrorCode::kMismatch, entry.path().string() + ": not listed in manifest.json"}});
  }
  if (manifest.tier != "ue") return checks;  // a server model's graph is the server's to check
  const fs::path file = folder / kModelFile;
  const Result<UeModel> model = parse_model(file, onnx);
  checks.push_back(
      {"model.onnx: graph and schema", model ? std::nullopt : std::optional<Error>(model.error())});
  if (model) {
    checks.push_back({"model.onnx: metadata", problem_of(check_metadata(file, manifest, model.value()))});
  }
  return checks;
}

}  // namespace reelsense::bundle
