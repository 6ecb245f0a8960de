// The truth of a capture, as the lab or `reelsense-lab import` wrote it, and how labels compare with it.
// Thread safety: none.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

#include "reelsense/base/result.h"
#include "reelsense/classifier/classifier.h"

namespace reelsense::cli {

// Windows by what they are and what they were called.
struct Confusion {
  std::uint64_t video_as_video = 0;
  std::uint64_t video_as_other = 0;
  std::uint64_t other_as_video = 0;
  std::uint64_t other_as_other = 0;

  void add(bool is_video, bool said_video) noexcept;
  [[nodiscard]] std::uint64_t videos() const noexcept { return video_as_video + video_as_other; }
  [[nodiscard]] std::uint64_t others() const noexcept { return other_as_video + other_as_other; }
  // In [0, 1]; 0 where there is nothing to judge.
  [[nodiscard]] double recall() const noexcept;
  [[nodiscard]] double specificity() const noexcept;
  [[nodiscard]] double f1() const noexcept;
};

struct TruthReport {
  std::string file;
  std::uint64_t unknown = 0;  // classified windows that the truth does not hold
  std::uint64_t missed = 0;   // windows of the truth that were not classified
  Confusion active;           // windows of at least 10 packets and 20 kB down
  Confusion all;
};

class Truth {
 public:
  // Reads a CSV file with at least the columns time, client_ip, client_port, server_ip, server_port, protocol
  // and label (video, non-video), in any order. The error names the file, the line and what was expected.
  static Result<Truth> read(const std::string& path);

  void compare(const WindowRow& row);
  [[nodiscard]] TruthReport report() const;

 private:
  struct Entry {
    bool video = false;
    bool met = false;
  };
  std::unordered_map<std::string, Entry> entries_;  // by "time,client_ip,client_port,…,protocol"
  TruthReport report_;
};

std::string truth_as_text(const TruthReport& report);

}  // namespace reelsense::cli
