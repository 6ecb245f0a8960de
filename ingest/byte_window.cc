#include "byte_window.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace reelsense::ingest {

std::unique_ptr<MappedWindow> MappedWindow::open(int fd, std::uint64_t size) {
  if (size == 0 || size > SIZE_MAX / 2) return nullptr;
  const auto length = static_cast<std::size_t>(size);
  void* base = ::mmap(nullptr, length, PROT_READ, MAP_SHARED, fd, 0);
  if (base == MAP_FAILED) return nullptr;
  (void)::madvise(base, length, MADV_SEQUENTIAL);
  return std::unique_ptr<MappedWindow>(new MappedWindow(fd, static_cast<const std::uint8_t*>(base), length));
}

MappedWindow::MappedWindow(int fd, const std::uint8_t* base, std::size_t size)
    : fd_(fd), base_(base), size_(size) {
  bytes_ = {base, size};
}

MappedWindow::~MappedWindow() {
  ::munmap(const_cast<std::uint8_t*>(base_), size_);
  ::close(fd_);
}

void MappedWindow::release_pages() {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t up_to = static_cast<std::size_t>(position_) / page * page;
  (void)::madvise(const_cast<std::uint8_t*>(base_) + released_, up_to - released_, MADV_DONTNEED);
  released_ = up_to;
  struct stat now {};
  if (::fstat(fd_, &now) != 0 || now.st_size < 0) return;
  const auto end =
      std::min<std::uint64_t>(static_cast<std::uint64_t>(now.st_size), position_ + bytes_.size());
  bytes_ = bytes_.first(end > position_ ? static_cast<std::size_t>(end - position_) : 0);
}

BufferedWindow::BufferedWindow(std::unique_ptr<ByteStream> stream, std::uint64_t bytes_total,
                               std::size_t buffer_bytes)
    : stream_(std::move(stream)), bytes_total_(bytes_total), buffer_(buffer_bytes) {}

bool BufferedWindow::fill(std::size_t n) {
  if (bytes_.size() >= n) return true;
  std::size_t have = bytes_.size();
  if (have != 0) std::memmove(buffer_.data(), bytes_.data(), have);
  while (have < n) {
    // Grows with what comes and not with what a header claims.
    if (have == buffer_.size()) buffer_.resize(std::min(n, 2 * buffer_.size()));
    const std::size_t got = stream_->read(buffer_.data() + have, buffer_.size() - have);
    if (got == 0) break;
    have += got;
  }
  bytes_ = {buffer_.data(), have};
  return have >= n;
}

}  // namespace reelsense::ingest
