// ingest/byte_stream.cc and record_filter.cc without zlib, zstd and libpcap, so that the wheel needs none of
// them: Python decompresses into a pipe (reelsense/capture.py), and there is no filter.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "byte_stream.h"
#include "record_filter.h"

namespace reelsense::ingest {

std::span<const std::uint8_t> FdStream::peek(std::size_t n) {
  peeked_.resize(n);
  std::size_t have = 0;
  while (have < n) {
    const std::size_t got = read_fd(peeked_.data() + have, n - have);
    if (got == 0) break;
    have += got;
  }
  peeked_.resize(have);
  return peeked_;
}

std::size_t FdStream::read(std::uint8_t* out, std::size_t n) {
  std::size_t got = std::min(n, peeked_.size() - peeked_used_);
  if (got != 0) {
    std::memcpy(out, peeked_.data() + peeked_used_, got);
    peeked_used_ += got;
  } else {
    got = read_fd(out, n);
  }
  bytes_read_ += got;
  return got;
}

std::size_t FdStream::read_fd(std::uint8_t* out, std::size_t n) {
  while (!ended_) {
    const ssize_t got = ::read(fd_, out, n);
    if (got > 0) return static_cast<std::size_t>(got);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) failure_ = std::string("reading failed: ") + std::strerror(errno);
    ended_ = true;
  }
  return 0;
}

std::size_t MemoryStream::read(std::uint8_t* out, std::size_t n) {
  const std::size_t got = std::min(n, bytes_.size() - used_);
  if (got != 0) std::memcpy(out, bytes_.data() + used_, got);
  used_ += got;
  return got;
}

// What is compressed never comes here: then it is no capture, and the message shows its first bytes.
Compression compression_of(std::span<const std::uint8_t> /*first*/) noexcept {
  return Compression::kNone;
}
std::unique_ptr<ByteStream> decompress(Compression /*compression*/, std::unique_ptr<ByteStream> /*input*/) {
  return nullptr;
}

RecordFilter::RecordFilter(RecordFilter&& other) noexcept : program_(std::exchange(other.program_, {})) {}
RecordFilter& RecordFilter::operator=(RecordFilter&& other) noexcept {
  std::swap(program_, other.program_);
  return *this;
}
RecordFilter::~RecordFilter() = default;
Result<RecordFilter> RecordFilter::compile(const std::string& expression, LinkType /*link*/) {
  if (expression.empty()) return RecordFilter();
  return Error{ErrorCode::kUnsupported, "filter '" + expression + "': this build has no libpcap"};
}
bool RecordFilter::pass(const std::uint8_t* /*data*/, std::uint32_t /*captured*/,
                        std::uint32_t /*wire*/) const noexcept {
  return true;
}

}  // namespace reelsense::ingest
