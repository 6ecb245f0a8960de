// manifest.json of a model bundle: what a released model is, on what it was trained and how well it does.
//
// One JSON object with exactly these keys; an unknown, missing or wrong-typed one is an error that names it.
//
//   key                   type                  meaning
//   format                integer, 1            version of this layout
//   name                  string                "reelsense-ue": lower-case letters, digits, '-'
//   version               string                semantic version; name and version are also the folder's
//   description           string, optional      one line for people
//   tier                  "ue" | "server"       where it runs
//   view                  string                "packet", "socket" or "record"
//   schema_hash           64 hex digits         feature schema it was trained under
//   features              array of strings      its inputs in order
//   labels                array of two strings  ["non-video", "video"]: names of probability 0 and 1
//   threshold             number in (0, 1)      video if probability >= threshold
//   uncertain             [low, high]           uncertain if low < probability < high
//   calibration           object                how probabilities were calibrated; free form
//   metrics               object                figures by source and condition; free form
//   training_data         object                "digest" (64 hex digits) is required; the rest is free form
//   reference_histograms  object                per feature, for drift; free form
//   source_commit         string                commit of the code that trained it; may be empty
//   files                 object                file name in the bundle → SHA-256 (64 hex digits); every file
//   but the
//                                               manifest itself, "model.onnx" among them
//
// Thread safety: plain values.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "reelsense/base/result.h"
#include "reelsense/bundle/version.h"

namespace reelsense::bundle {

inline constexpr std::string_view kManifestFile = "manifest.json";
inline constexpr std::string_view kModelFile = "model.onnx";
inline constexpr int kManifestFormat = 1;

struct Manifest {
  std::string name;
  Version version;
  std::string description;
  std::string tier;
  std::string view;
  std::string schema_hash;
  std::vector<std::string> features;
  std::vector<std::string> labels;
  double threshold = 0.5;
  double uncertain_low = 0.5;
  double uncertain_high = 0.5;
  std::string training_digest;
  std::string source_commit;
  std::map<std::string, std::string> files;  // name → SHA-256
  std::string json;                          // the whole text, for the free-form parts

  // "reelsense-ue@0.1.0"
  [[nodiscard]] std::string id() const { return name + "@" + version.text(); }
};

// Parses a manifest. kCorrupt names the key and what was expected; kUnsupported: another `format`.
Result<Manifest> parse_manifest(std::string_view json);

}  // namespace reelsense::bundle
