// Model bundles on disk: find, load, verify.
//
// A bundle is <models folder>/<name>/<version>/ with manifest.json, model.onnx and the other files the
// manifest lists. Nothing half-checked is returned: load_model hands out a model only when manifest, digest
// and the metadata inside model.onnx agree. Every error names the file and the reason. Thread safety:
// functions without state.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "reelsense/base/result.h"
#include "reelsense/bundle/manifest.h"
#include "reelsense/model/ue_model.h"

namespace reelsense::bundle {

inline constexpr std::string_view kDefaultModel = "reelsense-ue";

// Where models are looked for, first match wins:
//   1. `models_dir` (the command's --models-dir), alone if it is given
//   2. each folder of `environment` ($REELSENSE_MODELS, separated by ':'), alone if it is set
//   3. <folder of the executable>/../../../models      a source checkout: build/<preset>/bin/reelsense
//   4. <folder of the executable>/../share/reelsense/models
//   5. /usr/share/reelsense/models
std::vector<std::filesystem::path> models_path(const std::string& models_dir, const char* environment,
                                               const std::filesystem::path& executable);

// The bytes of a regular file of at most `limit` bytes. kNotFound, kIo or kLimit.
Result<std::vector<std::uint8_t>> read_file(const std::filesystem::path& file, std::size_t limit);

// A bundle found by its folder names; nothing of it was read yet.
struct BundleRef {
  std::string name;
  Version version;
  std::filesystem::path directory;
};

// Every <name>/<version> folder that holds a manifest, by name and then falling version. Of two with the same
// name and version the one found first in `path` counts.
std::vector<BundleRef> list_bundles(const std::vector<std::filesystem::path>& path);

// What --model may say: a bundle's folder, a .onnx file, or name[@version] in `path`. Without a version the
// highest one that is not a pre-release, else the highest pre-release. Returns the folder or the file.
// kNotFound says where was looked and what is there.
Result<std::filesystem::path> find_model(const std::string& text,
                                         const std::vector<std::filesystem::path>& path);

struct LoadedModel {
  std::filesystem::path file;        // model.onnx
  std::optional<Manifest> manifest;  // none for a bare .onnx file
  UeModel model;

  // "reelsense-ue@0.1.0", from the model's own metadata
  [[nodiscard]] std::string id() const { return model.name() + "@" + model.version(); }
};

// Loads a UE model from a bundle's folder (manifest.json and model.onnx are checked against each other) or a
// .onnx file. kMismatch: digest, metadata or folder disagree.
Result<LoadedModel> load_model(const std::filesystem::path& folder_or_file);

// Reads and checks manifest.json alone.
Result<Manifest> load_manifest(const std::filesystem::path& folder);

// One checked thing of a bundle.
struct Check {
  std::string what;  // "model.onnx: SHA-256"
  std::optional<Error> problem;
};

// Everything load_model checks and the digest of every file, files the manifest does not know, and the
// folder's names; goes on after a problem so that all are told.
std::vector<Check> verify_bundle(const std::filesystem::path& folder);

}  // namespace reelsense::bundle
