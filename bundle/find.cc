#include <algorithm>

#include "reelsense/bundle/bundle.h"

namespace reelsense::bundle {

namespace fs = std::filesystem;

namespace {

void list_versions(const fs::path& folder, const std::string& name, std::vector<BundleRef>& found) {
  std::error_code code;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, code)) {
    const auto version = Version::parse(entry.path().filename().string());
    if (!version || !fs::exists(entry.path() / kManifestFile, code)) continue;
    found.push_back({name, *version, entry.path()});
  }
}

std::string join(const std::vector<fs::path>& path) {
  std::string text;
  for (const fs::path& folder : path) text += (text.empty() ? "" : ", ") + folder.string();
  return text.empty() ? "nowhere" : text;
}

// Bundles are ordered by falling version; a pre-release is taken only when nothing else is there or it is
// named.
const BundleRef* choose(const std::vector<BundleRef>& bundles, const std::string& name,
                        const std::string& version_text) {
  const BundleRef* prerelease = nullptr;
  for (const BundleRef& bundle : bundles) {
    if (bundle.name != name) continue;
    if (!version_text.empty()) {
      if (bundle.version.text() == version_text) return &bundle;
    } else if (!bundle.version.is_prerelease()) {
      return &bundle;
    } else if (prerelease == nullptr) {
      prerelease = &bundle;
    }
  }
  return prerelease;
}

}  // namespace

std::vector<BundleRef> list_bundles(const std::vector<fs::path>& path) {
  std::vector<BundleRef> bundles;
  for (const fs::path& folder : path) {
    std::error_code code;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder, code)) {
      if (entry.is_directory(code)) list_versions(entry.path(), entry.path().filename().string(), bundles);
    }
  }
  // Stable: of two equal ones the one found first stays in front, and unique keeps it.
  std::stable_sort(bundles.begin(), bundles.end(), [](const BundleRef& a, const BundleRef& b) {
    return a.name != b.name ? a.name < b.name : b.version < a.version;
  });
  const auto same = [](const BundleRef& a, const BundleRef& b) {
    return a.name == b.name && a.version.text() == b.version.text();
  };
  bundles.erase(std::unique(bundles.begin(), bundles.end(), same), bundles.end());
  return bundles;
}

Result<fs::path> find_model(const std::string& text, const std::vector<fs::path>& path) {
  std::error_code code;
  // A path is told from a name by its slash or ending, so that a file called like a model does not shadow it.
  const bool is_path =
      text.find('/') != std::string::npos || text.ends_with(".onnx") || text == "." || text == "..";
  if (is_path) {
    if (!fs::exists(text, code)) return Error{ErrorCode::kNotFound, text + ": no such file or folder"};
    return fs::path(text);
  }
  const std::size_t at = text.find('@');
  const std::string name = text.substr(0, at);
  const std::string version_text = at == std::string::npos ? "" : text.substr(at + 1);
  if (at != std::string::npos && !Version::parse(version_text)) {
    return Error{ErrorCode::kInvalidArgument,
                 "\"" + text + "\": \"" + version_text + "\" is not a semantic version such as 1.2.3"};
  }
  const std::vector<BundleRef> bundles = list_bundles(path);
  if (const BundleRef* chosen = choose(bundles, name, version_text)) return chosen->directory;

  std::string there;
  for (const BundleRef& bundle : bundles)
    there += (there.empty() ? "" : ", ") + bundle.name + "@" + bundle.version.text();
  std::string hint;
  if (fs::is_directory(text, code)) hint = "; for the folder of this name say ./" + text;
  return Error{ErrorCode::kNotFound, "model \"" + text + "\" was not found; looked in: " + join(path) +
                                         "; there is: " + (there.empty() ? "none" : there) + hint};
}

}  // namespace reelsense::bundle
