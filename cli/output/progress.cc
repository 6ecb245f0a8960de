#include "cli/output/progress.h"

#include <algorithm>
#include <cstdio>

#include "cli/output/format.h"

namespace reelsense::cli {
namespace {

constexpr std::chrono::milliseconds kFirst{500};
constexpr std::chrono::milliseconds kEvery{100};

}  // namespace

Progress::Progress(bool enabled) : terminal_(Terminal::of_stderr()) {
  if (!enabled) terminal_.is_terminal = false;
}

void Progress::start(const std::string& file) {
  file_ = file == "-" ? "standard input" : file;
  next_ = std::chrono::steady_clock::now() + kFirst;
}

void Progress::update(std::uint64_t done, std::uint64_t total) {
  if (!terminal_.is_terminal) return;
  const auto now = std::chrono::steady_clock::now();
  if (now < next_) return;
  next_ = now + kEvery;
  draw(done, total);
}

void Progress::draw(std::uint64_t done, std::uint64_t total) {
  std::string line = "\r\x1b[K" + file_.substr(file_.size() > 40 ? file_.size() - 40 : 0) + " ";
  if (total == 0) {
    line += bytes_text(done);
  } else {
    const double share = std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
    const std::size_t cells = std::min<std::size_t>(40, terminal_.width > 60 ? terminal_.width - 60 : 10);
    const auto full = static_cast<std::size_t>(share * static_cast<double>(cells));
    line += "[" + std::string(full, '#') + std::string(cells - full, ' ') + "] ";
    line += std::to_string(static_cast<int>(share * 100)) + " % of " + bytes_text(total);
  }
  std::fwrite(line.data(), 1, line.size(), stderr);
  std::fflush(stderr);
  shown_ = true;
}

void Progress::clear() {
  if (shown_) std::fputs("\r\x1b[K", stderr);
  shown_ = false;
}

}  // namespace reelsense::cli
