#include "server/analyses/analyses.h"

#include <openssl/rand.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "server/analyses/capture_job.h"

namespace reelsense::server {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMostWaiting = 256;

std::string random_id() {
  std::array<unsigned char, 16> bytes;
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1)
    std::abort();  // no randomness: nothing is safe
  std::string id;
  constexpr char kDigits[] = "0123456789abcdef";
  for (const unsigned char byte : bytes) {
    id += kDigits[byte >> 4];
    id += kDigits[byte & 15];
  }
  return id;
}

void remove_file(const fs::path& file) noexcept {
  std::error_code ignored;
  fs::remove(file, ignored);
}

}  // namespace

const char* name_of(AnalysisState state) noexcept {
  switch (state) {
    case AnalysisState::kWaiting:
      return "waiting";
    case AnalysisState::kRunning:
      return "running";
    case AnalysisState::kDone:
      return "done";
    case AnalysisState::kFailed:
      return "failed";
    case AnalysisState::kCancelled:
      return "cancelled";
  }
  return "unknown";
}

struct Analyses::Impl {
  struct Analysis {
    AnalysisView view;
    std::uint32_t principal = 0;
    fs::path capture;
    fs::path labels;
    std::shared_ptr<CaptureJob> job;
  };
  using Shared = std::shared_ptr<Analysis>;

  Impl(const Config& its_config, const Clock& its_clock, Engine& its_engine)
      : config(its_config), clock(its_clock), engine(its_engine) {}

  void work();
  void finish(const Shared& analysis, const Result<CaptureJob::Outcome>& outcome);
  void forget_old();
  [[nodiscard]] Shared find(const std::string& id, std::optional<std::uint32_t> principal) const;
  [[nodiscard]] static AnalysisView view_of(const Analysis& analysis);

  const Config& config;
  const Clock& clock;
  Engine& engine;
  fs::path folder;

  mutable std::mutex mutex;
  std::condition_variable wake;
  std::deque<Shared> all;  // oldest first
  std::deque<Shared> waiting;
  bool stopping = false;
  std::vector<std::thread> threads;
};

Analyses::Analyses(const Config& config, const Clock& clock, Engine& engine)
    : impl_(std::make_unique<Impl>(config, clock, engine)) {
  std::error_code code;
  const fs::path base =
      config.analyses.folder.empty() ? fs::temp_directory_path(code) : fs::path(config.analyses.folder);
  impl_->folder =
      base / ("reelsense-analyses-" + std::to_string(::getpid()) + "-" + random_id().substr(0, 8));
  for (std::int64_t i = 0; i < config.analyses.running; ++i)
    impl_->threads.emplace_back([this] { impl_->work(); });
}

Analyses::~Analyses() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
    for (const Impl::Shared& analysis : impl_->all) {
      if (analysis->job) analysis->job->cancel();
    }
  }
  impl_->wake.notify_all();
  for (std::thread& thread : impl_->threads) thread.join();
  std::error_code ignored;
  fs::remove_all(impl_->folder, ignored);
}

// The folder is made when it is first needed: a server on a read-only disk that takes no captures needs none.
Result<fs::path> Analyses::new_upload() {
  std::error_code code;
  fs::create_directories(impl_->folder, code);
  if (!code) fs::permissions(impl_->folder, fs::perms::owner_all, code);
  if (code) return Error{ErrorCode::kIo, impl_->folder.string() + ": " + code.message()};
  return impl_->folder / (random_id() + ".capture");
}

void Analyses::discard(const fs::path& upload) noexcept {
  remove_file(upload);
}

Result<std::string> Analyses::submit(const fs::path& upload, std::string name,
                                     std::shared_ptr<const ServedModel> model, std::uint32_t principal) {
  if (model->schema().view != View::kPacket) {
    return Error{ErrorCode::kUnsupported, "model \"" + model->id() + "\" is of view " +
                                              std::string(model->schema().name) +
                                              "; a capture needs one of view packet"};
  }
  auto analysis = std::make_shared<Impl::Analysis>();
  analysis->view.id = random_id();
  analysis->view.model = model->id();
  analysis->view.name = std::move(name);
  analysis->view.submitted_ms = impl_->clock.wall_ns() / 1'000'000;
  analysis->principal = principal;
  analysis->capture = upload;
  analysis->labels = fs::path(upload).replace_extension(".csv");
  analysis->job =
      std::make_shared<CaptureJob>(impl_->engine, std::move(model), principal, upload, analysis->labels);
  const std::lock_guard lock(impl_->mutex);
  if (impl_->waiting.size() >= kMostWaiting) {
    return Error{ErrorCode::kLimit, std::to_string(kMostWaiting) + " analyses wait already"};
  }
  impl_->all.push_back(analysis);
  impl_->waiting.push_back(analysis);
  impl_->wake.notify_one();
  return analysis->view.id;
}

void Analyses::Impl::work() {
  std::unique_lock lock(mutex);
  while (true) {
    wake.wait(lock, [&] { return stopping || !waiting.empty(); });
    if (stopping) return;
    const Shared analysis = waiting.front();
    waiting.pop_front();
    if (analysis->view.state != AnalysisState::kWaiting) continue;
    analysis->view.state = AnalysisState::kRunning;
    const std::shared_ptr<CaptureJob> job = analysis->job;
    lock.unlock();
    const Result<CaptureJob::Outcome> outcome = job->run();
    remove_file(analysis->capture);
    lock.lock();
    finish(analysis, outcome);
    forget_old();
  }
}

void Analyses::Impl::finish(const Shared& analysis, const Result<CaptureJob::Outcome>& outcome) {
  AnalysisView& view = analysis->view;
  view.progress = analysis->job->progress();
  view.finished_ms = clock.wall_ns() / 1'000'000;
  analysis->job.reset();
  if (view.state == AnalysisState::kCancelled) {
    remove_file(analysis->labels);
  } else if (outcome) {
    view.state = AnalysisState::kDone;
    view.summary = outcome.value().summary;
    view.warning = outcome.value().warning;
  } else {
    view.state = AnalysisState::kFailed;
    view.error = outcome.error().message;
    remove_file(analysis->labels);
  }
}

void Analyses::Impl::forget_old() {
  const auto finished = [](const Shared& analysis) { return analysis->view.finished_ms > 0; };
  auto kept = std::count_if(all.begin(), all.end(), finished);
  for (auto it = all.begin(); it != all.end() && kept > config.analyses.kept;) {
    if (!finished(*it)) {
      ++it;
      continue;
    }
    remove_file((*it)->labels);
    it = all.erase(it);
    --kept;
  }
}

AnalysisView Analyses::Impl::view_of(const Analysis& analysis) {
  AnalysisView view = analysis.view;
  if (analysis.job) view.progress = analysis.job->progress();
  return view;
}

Analyses::Impl::Shared Analyses::Impl::find(const std::string& id,
                                            std::optional<std::uint32_t> principal) const {
  for (const Shared& analysis : all) {
    if (analysis->view.id == id && (!principal || *principal == analysis->principal)) return analysis;
  }
  return nullptr;
}

std::vector<AnalysisView> Analyses::list(std::optional<std::uint32_t> principal) const {
  const std::lock_guard lock(impl_->mutex);
  std::vector<AnalysisView> views;
  for (auto it = impl_->all.rbegin(); it != impl_->all.rend(); ++it) {
    if (!principal || *principal == (*it)->principal) views.push_back(Impl::view_of(**it));
  }
  return views;
}

std::optional<AnalysisView> Analyses::find(const std::string& id,
                                           std::optional<std::uint32_t> principal) const {
  const std::lock_guard lock(impl_->mutex);
  const Impl::Shared found = impl_->find(id, principal);
  return found ? std::optional<AnalysisView>(Impl::view_of(*found)) : std::nullopt;
}

std::optional<fs::path> Analyses::labels(const std::string& id,
                                         std::optional<std::uint32_t> principal) const {
  const std::lock_guard lock(impl_->mutex);
  const Impl::Shared found = impl_->find(id, principal);
  if (!found || found->view.state != AnalysisState::kDone) return std::nullopt;
  return found->labels;
}

bool Analyses::remove(const std::string& id, std::optional<std::uint32_t> principal) {
  const std::lock_guard lock(impl_->mutex);
  const Impl::Shared found = impl_->find(id, principal);
  if (!found) return false;
  const bool was_waiting = found->view.state == AnalysisState::kWaiting;
  if (found->job) {
    found->view.state = AnalysisState::kCancelled;
    found->job->cancel();
    if (was_waiting) remove_file(found->capture);
  }
  if (!found->job) remove_file(found->labels);
  std::erase(impl_->waiting, found);
  std::erase(impl_->all, found);
  return true;
}

}  // namespace reelsense::server
