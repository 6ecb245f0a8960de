#include "cli/output/output.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace reelsense::cli {

Result<Output> Output::open(const std::string& path) {
  if (path.empty() || path == "-") return Output(STDOUT_FILENO, "standard output");
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) return Error{ErrorCode::kIo, path + ": " + std::strerror(errno)};
  return Output(fd, path);
}

Output::Output(int fd, std::string name)
    : buffer_(new char[kBufferBytes]), end_(buffer_.get()), name_(std::move(name)), fd_(fd) {}

Output::Output(Output&& other) noexcept
    : buffer_(std::move(other.buffer_)),
      end_(other.end_),
      name_(std::move(other.name_)),
      fd_(other.fd_),
      errno_(other.errno_) {
  other.fd_ = -1;
}

Output::~Output() {
  if (fd_ >= 0 && fd_ != STDOUT_FILENO) ::close(fd_);
}

void Output::write(std::string_view text) noexcept {
  while (!text.empty()) {
    const std::size_t n = std::min(text.size(), kBufferBytes);
    char* to = reserve(n);
    std::memcpy(to, text.data(), n);
    commit(to + n);
    text.remove_prefix(n);
  }
}

bool Output::flush() noexcept {
  const char* from = buffer_.get();
  while (from != end_ && errno_ == 0) {
    const ssize_t n = ::write(fd_, from, static_cast<std::size_t>(end_ - from));
    if (n >= 0) {
      from += n;
    } else if (errno != EINTR) {
      errno_ = errno;
    }
  }
  end_ = buffer_.get();
  return ok();
}

bool Output::write_at(std::uint64_t offset, std::string_view text) noexcept {
  if (!flush()) return false;
  const ssize_t n = ::pwrite(fd_, text.data(), text.size(), static_cast<off_t>(offset));
  if (n != static_cast<ssize_t>(text.size())) errno_ = n < 0 ? errno : EIO;
  return ok();
}

bool Output::close() noexcept {
  if (fd_ < 0) return ok();
  flush();
  if (fd_ != STDOUT_FILENO) {
    // Some file systems report a full disk only here.
    if (::close(fd_) != 0 && errno_ == 0) errno_ = errno;
    fd_ = -1;
  }
  return ok();
}

std::string Output::error() const {
  return name_ + ": " + std::strerror(errno_);
}

bool Output::is_terminal() const noexcept {
  return ::isatty(fd_) == 1;
}

bool Output::is_seekable() const noexcept {
  struct stat status {};
  return ::fstat(fd_, &status) == 0 && S_ISREG(status.st_mode);
}

}  // namespace reelsense::cli
