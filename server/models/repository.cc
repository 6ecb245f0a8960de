#include "server/models/repository.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

namespace reelsense::server {

namespace {

using Key = std::pair<std::string, std::string>;  // name, version

// What readers see: immutable, replaced as a whole.
struct Table {
  std::map<std::string, std::shared_ptr<const ServedModel>, std::less<>>
      by_reference;  // "name", "name@version", alias
  std::shared_ptr<const ServedModel> by_default;
};

}  // namespace

const char* name_of(ModelState state) noexcept {
  switch (state) {
    case ModelState::kReady:
      return "ready";
    case ModelState::kFailed:
      return "failed";
    case ModelState::kVanished:
      return "vanished";
    case ModelState::kUnloaded:
      return "unloaded";
  }
  return "unknown";
}

struct ModelRepository::Impl {
  explicit Impl(ModelRepositoryOptions its_options) : options(std::move(its_options)) {}

  void scan();
  void load_version(const bundle::BundleRef& bundle);
  void publish();
  void tell(const ModelStatus& status) const;
  void poll_loop();
  [[nodiscard]] std::shared_ptr<const ServedModel> resolve(const std::string& reference) const;

  ModelRepositoryOptions options;

  std::mutex admin;  // of everything that changes; held while a model loads
  std::map<Key, ModelStatus> known;
  std::map<std::string, std::string> aliases;
  std::function<void(const ModelStatus&)> listener;

  mutable std::mutex table_mutex;  // held to copy one pointer
  std::shared_ptr<const Table> table = std::make_shared<Table>();

  std::mutex poll_mutex;
  std::condition_variable poll_wake;
  bool stopping = false;
  std::thread poller;
};

// Loads what appeared, marks what vanished. Precondition: `admin` is held.
void ModelRepository::Impl::scan() {
  const std::vector<bundle::BundleRef> found = bundle::list_bundles(options.path);
  std::set<Key> there;
  std::map<std::string, std::size_t> taken;
  bool changed = false;
  for (const bundle::BundleRef& bundle : found) {
    const Key key{bundle.name, bundle.version.text()};
    there.insert(key);
    if (++taken[bundle.name] > options.versions_per_name && !known.contains(key)) continue;
    const auto status = known.find(key);
    if (status == known.end()) {
      load_version(bundle);
      changed = true;
    } else if (status->second.state == ModelState::kVanished) {
      status->second.state = ModelState::kReady;
      changed = true;
    }
  }
  for (auto& [key, status] : known) {
    if (status.state != ModelState::kReady || there.contains(key)) continue;
    status.state = ModelState::kVanished;
    tell(status);
  }
  std::erase_if(known, [&](const auto& entry) {
    return (entry.second.state == ModelState::kFailed || entry.second.state == ModelState::kUnloaded) &&
           !there.contains(entry.first);
  });
  if (changed) publish();
}

void ModelRepository::Impl::load_version(const bundle::BundleRef& bundle) {
  ModelStatus status{bundle.name, bundle.version.text(), ModelState::kReady, "", nullptr};
  Result<std::shared_ptr<const ServedModel>> model = load_served_model(bundle.directory);
  Status prepared = ok_status();
  if (model && options.prepare) prepared = options.prepare(model.value());
  if (model && !prepared) model = prepared.error();
  if (model) {
    status.model = std::move(model).value();
  } else {
    status.state = ModelState::kFailed;
    status.reason = model.error().message;
  }
  known[{status.name, status.version}] = status;
  tell(status);
}

void ModelRepository::Impl::tell(const ModelStatus& status) const {
  if (listener) listener(status);
}

// Precondition: `admin` is held. Publishes everything that is served, under every name it has.
void ModelRepository::Impl::publish() {
  auto next = std::make_shared<Table>();
  std::map<std::string, bundle::Version> highest;
  for (const auto& [key, status] : known) {
    if (!status.model) continue;
    const bundle::Version& version = status.model->manifest().version;
    next->by_reference[status.model->id()] = status.model;
    const auto best = highest.find(key.first);
    // As bundle::find_model: a pre-release only where there is no release.
    const bool better = best == highest.end() || (version.is_prerelease() == best->second.is_prerelease()
                                                      ? best->second < version
                                                      : best->second.is_prerelease());
    if (!better) continue;
    highest[key.first] = version;
    next->by_reference[key.first] = status.model;
  }
  for (const auto& [alias, reference] : aliases) {
    const auto model = next->by_reference.find(reference);
    if (model != next->by_reference.end()) next->by_reference.insert_or_assign(alias, model->second);
  }
  const auto by_default = next->by_reference.find(options.default_model);
  if (by_default != next->by_reference.end()) next->by_default = by_default->second;
  const std::lock_guard lock(table_mutex);
  table = std::move(next);
}

void ModelRepository::Impl::poll_loop() {
  std::unique_lock lock(poll_mutex);
  const auto interval = std::chrono::duration<double>(options.poll_s);
  while (!poll_wake.wait_for(lock, interval, [&] { return stopping; })) {
    lock.unlock();
    {
      const std::lock_guard change(admin);
      scan();
    }
    lock.lock();
  }
}

ModelRepository::ModelRepository(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

ModelRepository::~ModelRepository() {
  {
    const std::lock_guard lock(impl_->poll_mutex);
    impl_->stopping = true;
  }
  impl_->poll_wake.notify_all();
  if (impl_->poller.joinable()) impl_->poller.join();
}

Result<std::unique_ptr<ModelRepository>> ModelRepository::open(ModelRepositoryOptions options) {
  auto impl = std::make_unique<Impl>(std::move(options));
  impl->aliases = impl->options.aliases;
  impl->scan();
  for (const auto& [alias, reference] : impl->aliases) {
    if (!impl->table->by_reference.contains(reference)) {
      return Error{ErrorCode::kNotFound,
                   "alias \"" + alias + "\": model \"" + reference + "\" is not served"};
    }
  }
  auto repository = std::unique_ptr<ModelRepository>(new ModelRepository(std::move(impl)));
  Impl& made = *repository->impl_;
  if (!made.table->by_default) {
    std::string reasons;
    for (const auto& [key, status] : made.known) {
      if (status.state == ModelState::kFailed)
        reasons += "; " + key.first + "@" + key.second + ": " + status.reason;
    }
    return Error{ErrorCode::kNotFound, repository->get("").error().message + reasons};
  }
  if (made.options.poll_s > 0) made.poller = std::thread([&made] { made.poll_loop(); });
  return repository;
}

std::shared_ptr<const ServedModel> ModelRepository::find(std::string_view reference) const {
  std::shared_ptr<const Table> table;
  {
    const std::lock_guard lock(impl_->table_mutex);
    table = impl_->table;
  }
  if (reference.empty()) return table->by_default;
  const auto found = table->by_reference.find(reference);
  return found == table->by_reference.end() ? nullptr : found->second;
}

Result<std::shared_ptr<const ServedModel>> ModelRepository::get(std::string_view reference) const {
  if (auto model = find(reference)) return model;
  std::shared_ptr<const Table> table;
  {
    const std::lock_guard lock(impl_->table_mutex);
    table = impl_->table;
  }
  std::string there;
  for (const auto& [name, model] : table->by_reference) {
    if (name.find('@') != std::string::npos) there += (there.empty() ? "" : ", ") + name;
  }
  const std::string wanted =
      reference.empty() ? impl_->options.default_model : std::string(reference.substr(0, 200));
  return Error{ErrorCode::kNotFound,
               "model \"" + wanted + "\" is not served; there is: " + (there.empty() ? "none" : there)};
}

std::vector<ModelStatus> ModelRepository::list() const {
  const std::lock_guard lock(impl_->admin);
  std::vector<ModelStatus> all;
  for (const auto& [key, status] : impl_->known) all.push_back(status);
  std::stable_sort(all.begin(), all.end(), [](const ModelStatus& a, const ModelStatus& b) {
    if (a.name != b.name) return a.name < b.name;
    const auto left = bundle::Version::parse(a.version);
    const auto right = bundle::Version::parse(b.version);
    return left && right && *right < *left;
  });
  return all;
}

std::map<std::string, std::string> ModelRepository::aliases() const {
  const std::lock_guard lock(impl_->admin);
  return impl_->aliases;
}

Status ModelRepository::load(const std::string& name, const std::string& version) {
  const std::lock_guard lock(impl_->admin);
  const auto present = impl_->known.find({name, version});
  if (present != impl_->known.end() && present->second.state == ModelState::kReady) return ok_status();
  for (const bundle::BundleRef& bundle : bundle::list_bundles(impl_->options.path)) {
    if (bundle.name != name || bundle.version.text() != version) continue;
    impl_->load_version(bundle);
    impl_->publish();
    const ModelStatus& status = impl_->known.at({name, version});
    if (status.state == ModelState::kFailed) return Error{ErrorCode::kMismatch, status.reason};
    return ok_status();
  }
  return Error{ErrorCode::kNotFound, "no bundle " + name + "/" + version + " in the models folders"};
}

Status ModelRepository::unload(const std::string& name, const std::string& version) {
  const std::lock_guard lock(impl_->admin);
  const auto present = impl_->known.find({name, version});
  if (present == impl_->known.end() || !present->second.model) {
    return Error{ErrorCode::kNotFound, "model \"" + name + "@" + version + "\" is not served"};
  }
  if (impl_->resolve(impl_->options.default_model) == present->second.model) {
    std::size_t others = 0;
    for (const auto& [key, status] : impl_->known) others += status.model && key.first == name ? 1 : 0;
    const bool pinned = impl_->options.default_model.find('@') != std::string::npos;
    if (others == 1 || pinned) {
      return Error{ErrorCode::kInvalidArgument,
                   "\"" + name + "@" + version + "\" is all there is of the default model"};
    }
  }
  present->second.state = ModelState::kUnloaded;
  const ModelStatus last = present->second;
  present->second.model = nullptr;
  impl_->publish();
  impl_->tell(last);
  return ok_status();
}

Status ModelRepository::set_alias(const std::string& alias, const std::string& reference) {
  const std::lock_guard lock(impl_->admin);
  if (alias.empty() || alias.size() > 64 || alias.find_first_of("@/ ") != std::string::npos) {
    return Error{ErrorCode::kInvalidArgument,
                 "alias: 1 to 64 characters without '@', '/' and spaces expected"};
  }
  for (const auto& [key, status] : impl_->known) {
    if (key.first == alias) {
      return Error{ErrorCode::kInvalidArgument, "alias \"" + alias + "\" is the name of a model"};
    }
  }
  const auto model = impl_->resolve(reference);
  if (!model || impl_->aliases.contains(reference)) {
    return Error{ErrorCode::kNotFound, "model \"" + reference.substr(0, 200) + "\" is not served"};
  }
  if (!impl_->aliases.contains(alias) && impl_->aliases.size() >= 256) {
    return Error{ErrorCode::kLimit, "256 aliases are there already"};
  }
  impl_->aliases[alias] = reference;
  impl_->publish();
  return ok_status();
}

Status ModelRepository::remove_alias(const std::string& alias) {
  const std::lock_guard lock(impl_->admin);
  if (impl_->aliases.erase(alias) == 0)
    return Error{ErrorCode::kNotFound, "alias \"" + alias + "\" is not there"};
  impl_->publish();
  return ok_status();
}

void ModelRepository::rescan() {
  const std::lock_guard lock(impl_->admin);
  impl_->scan();
}

void ModelRepository::on_event(std::function<void(const ModelStatus&)> listener) {
  const std::lock_guard lock(impl_->admin);
  impl_->listener = std::move(listener);
}

std::shared_ptr<const ServedModel> ModelRepository::Impl::resolve(const std::string& reference) const {
  const std::lock_guard lock(table_mutex);
  const auto found = table->by_reference.find(reference);
  return found == table->by_reference.end() ? nullptr : found->second;
}

}  // namespace reelsense::server
