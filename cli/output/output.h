// Output: where rows go. A large buffer over write(2), every failure remembered.
//
// Invariants: bytes appear in order; once a write has failed, ok() stays false, error() says why and further
// bytes are dropped. close() must be called and checked: only then is everything known to be written. Thread
// safety: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "reelsense/base/result.h"

namespace reelsense::cli {

class Output {
 public:
  // Opens (creates, empties) `path`; "-" or "" is standard output.
  static Result<Output> open(const std::string& path);

  Output(Output&& other) noexcept;
  Output& operator=(Output&&) = delete;
  ~Output();

  // Room for n ≤ kBufferBytes bytes; write there and commit their end. Valid until the next call.
  char* reserve(std::size_t n) noexcept {
    if (static_cast<std::size_t>(buffer_.get() + kBufferBytes - end_) < n) flush();
    return end_;
  }
  void commit(char* end) noexcept { end_ = end; }
  void write(std::string_view text) noexcept;

  // Hands everything to the system. Returns ok().
  bool flush() noexcept;
  // Overwrites bytes at `offset` of a regular file, after a flush. Returns ok().
  bool write_at(std::uint64_t offset, std::string_view text) noexcept;
  // flush, then close. Returns ok(). Standard output stays open.
  bool close() noexcept;

  [[nodiscard]] bool ok() const noexcept { return errno_ == 0; }
  // "standard output: No space left on device"
  [[nodiscard]] std::string error() const;
  [[nodiscard]] bool is_terminal() const noexcept;
  // Whether write_at works: a regular file.
  [[nodiscard]] bool is_seekable() const noexcept;

  static constexpr std::size_t kBufferBytes = std::size_t{1} << 20;

 private:
  Output(int fd, std::string name);

  std::unique_ptr<char[]> buffer_;
  char* end_;
  std::string name_;
  int fd_;
  int errno_ = 0;
};

}  // namespace reelsense::cli
