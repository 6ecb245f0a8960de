// A progress bar on standard error, shown only on a terminal and only once a file takes longer than half a
// second. Thread safety: none.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "cli/output/terminal.h"

namespace reelsense::cli {

class Progress {
 public:
  // `enabled`: false where rows scroll by on the same terminal.
  explicit Progress(bool enabled);

  void start(const std::string& file);
  // total = 0: not known; the bytes read are shown instead of a bar.
  void update(std::uint64_t done, std::uint64_t total);
  // Takes the bar off the screen.
  void clear();

 private:
  void draw(std::uint64_t done, std::uint64_t total);

  Terminal terminal_;
  std::string file_;
  std::chrono::steady_clock::time_point next_;
  bool shown_ = false;
};

}  // namespace reelsense::cli
