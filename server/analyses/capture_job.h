// CaptureJob: one capture file → labels as CSV, by the flow classifier's windows and the engine's model.
// Thread safety: run() once, on one thread; cancel() and progress() from any.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "reelsense/base/result.h"
#include "server/analyses/analyses.h"
#include "server/engine/engine.h"

namespace reelsense::server {

class CaptureJob {
 public:
  // `engine` must outlive it.
  CaptureJob(Engine& engine, std::shared_ptr<const ServedModel> model, std::uint32_t principal,
             std::filesystem::path capture, std::filesystem::path labels);

  struct Outcome {
    AnalysisView::Summary summary;
    std::string warning;
  };
  // Blocks until the labels are written. Errors: the capture's (as `reelsense classify` tells them), the
  // disk's, kLimit when the server drains, kInvalidArgument when cancelled.
  Result<Outcome> run();

  void cancel() noexcept { cancelled_ = true; }
  [[nodiscard]] double progress() const noexcept { return progress_; }  // 0 … 1

 private:
  class Sink;

  Engine& engine_;
  std::shared_ptr<const ServedModel> model_;
  std::uint32_t principal_;
  std::filesystem::path capture_;
  std::filesystem::path labels_;
  std::atomic<bool> cancelled_{false};
  std::atomic<double> progress_{0};
};

}  // namespace reelsense::server
