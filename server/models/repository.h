// ModelRepository: which models are served, by name, version and alias.
//
// A background thread looks at the models folders every poll interval and loads what appeared, newest
// versions first, at most `versions_per_name` of each name. A version that fails its checks is listed with
// the reason and never served; what was served before goes on. A version whose folder vanished is served on
// and listed as vanished until it is unloaded. Every change publishes a new immutable table: readers see all
// of it or nothing. Thread safety: all members.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "reelsense/base/result.h"
#include "server/models/served_model.h"

namespace reelsense::server {

struct ModelRepositoryOptions {
  std::vector<std::filesystem::path> path;
  std::string default_model = "reelsense-edge";
  std::map<std::string, std::string> aliases;  // alias → "name" or "name@version"
  std::size_t versions_per_name = 3;
  double poll_s = 5;  // 0: only when asked
  // Called for a checked version before it is served; if it fails so does the version.
  std::function<Status(const std::shared_ptr<const ServedModel>&)> prepare;
};

enum class ModelState : std::uint8_t { kReady, kFailed, kVanished, kUnloaded };
const char* name_of(ModelState state) noexcept;  // "ready", "failed", "vanished", "unloaded"

struct ModelStatus {
  std::string name;
  std::string version;
  ModelState state = ModelState::kReady;
  std::string reason;                        // why it failed
  std::shared_ptr<const ServedModel> model;  // ready or vanished
};

// True if `reference` names a model with its version, not by name or alias: Job::exact.
inline bool names_version(std::string_view reference) noexcept {
  return reference.find('@') != std::string_view::npos;
}

class ModelRepository {
 public:
  // Loads everything once; fails (kNotFound) only if the default model cannot be served then.
  static Result<std::unique_ptr<ModelRepository>> open(ModelRepositoryOptions options);
  ~ModelRepository();

  // "" (the default), "name" (its highest loaded release), "name@version" or an alias; null if nothing of
  // that name is served. Wait-free for readers but for one reference count.
  [[nodiscard]] std::shared_ptr<const ServedModel> find(std::string_view reference) const;
  // As find, but says what there is instead: "model \"x\" is not served; there is: …".
  [[nodiscard]] Result<std::shared_ptr<const ServedModel>> get(std::string_view reference) const;

  [[nodiscard]] std::vector<ModelStatus> list() const;  // by name, falling version
  [[nodiscard]] std::map<std::string, std::string> aliases() const;

  // Admin. load: reads that version now, again if it failed before. unload: its flows restart on another
  // version.
  Status load(const std::string& name, const std::string& version);
  Status unload(const std::string& name, const std::string& version);
  Status set_alias(const std::string& alias, const std::string& reference);  // kNotFound if not served
  Status remove_alias(const std::string& alias);
  // Looks at the folders now.
  void rescan();

  // Called after each change and each failure, from the thread that made it; it must not call back. An
  // unloaded version's model is given a last time.
  void on_event(std::function<void(const ModelStatus&)> listener);

 private:
  struct Impl;
  explicit ModelRepository(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace reelsense::server
