// Analyses: whole captures labelled in the background, the batch side of the server.
//
// submit() takes a capture file that was uploaded; a thread runs it through the flow classifier and the
// engine's models and keeps the labels (CSV on disk) and a summary. At most `running` at once, others wait in
// turn; at most `kept` finished ones are remembered, the oldest and their files go first. Thread safety:
// every member from any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "reelsense/base/result.h"
#include "server/base/clock.h"
#include "server/config/config.h"
#include "server/engine/engine.h"
#include "server/models/repository.h"

namespace reelsense::server {

enum class AnalysisState : std::uint8_t { kWaiting, kRunning, kDone, kFailed, kCancelled };
const char* name_of(AnalysisState state) noexcept;  // "waiting", "running", …

struct AnalysisView {
  std::string id;  // 128 random bits, hex
  AnalysisState state = AnalysisState::kWaiting;
  std::string model;
  std::string name;     // as the client called the capture
  double progress = 0;  // 0 … 1, by bytes read
  std::int64_t submitted_ms = 0;
  std::int64_t finished_ms = 0;
  std::string error;    // kFailed: what and where
  std::string warning;  // cut or damaged input: what was left out
  struct Summary {
    std::uint64_t packets = 0;
    std::uint64_t skipped = 0;
    std::uint64_t flows = 0;
    std::uint64_t windows = 0;
    std::uint64_t video_windows = 0;
    std::uint64_t uncertain_windows = 0;
    std::uint64_t bytes_down = 0;
    std::uint64_t video_bytes_down = 0;
    double capture_s = 0;
    double elapsed_s = 0;
  } summary;
};

class Analyses {
 public:
  Analyses(const Config& config, const Clock& clock, Engine& engine);
  ~Analyses();  // cancels what runs, deletes its files

  // A new file to write an upload to; submit() or discard() it.
  Result<std::filesystem::path> new_upload();
  void discard(const std::filesystem::path& upload) noexcept;

  // kUnsupported: a model that is not of view packet; kLimit: too many wait.
  Result<std::string> submit(const std::filesystem::path& upload, std::string name,
                             std::shared_ptr<const ServedModel> model, std::uint32_t principal);

  // Those of `principal` (nothing: everybody's), newest first.
  [[nodiscard]] std::vector<AnalysisView> list(std::optional<std::uint32_t> principal) const;
  [[nodiscard]] std::optional<AnalysisView> find(const std::string& id,
                                                 std::optional<std::uint32_t> principal) const;
  // The labels' CSV once done: flow (a number in this capture), second, client_port and addresses are not in
  // it … see docs: columns flow, protocol, second, label, confidence, uncertain, packets_up, packets_down,
  // bytes_up, bytes_down.
  [[nodiscard]] std::optional<std::filesystem::path> labels(const std::string& id,
                                                            std::optional<std::uint32_t> principal) const;
  // Cancels and forgets it.
  bool remove(const std::string& id, std::optional<std::uint32_t> principal);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace reelsense::server
