// Sequential bytes: a file descriptor, memory, or a decompressor over another stream.
//
// Invariant: once read() has returned 0 it returns 0 for good, and cut() and failure() say why it ended.
// Thread safety: none; one reader each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace reelsense::ingest {

class ByteStream {
 public:
  ByteStream() = default;
  ByteStream(const ByteStream&) = delete;
  ByteStream& operator=(const ByteStream&) = delete;
  virtual ~ByteStream() = default;

  // Up to n bytes; 0 at the end. Precondition: n > 0.
  virtual std::size_t read(std::uint8_t* out, std::size_t n) = 0;
  // Bytes taken from the input as stored.
  [[nodiscard]] virtual std::uint64_t bytes_read() const noexcept = 0;

  // The input ended where more had to come (a compressed stream cut short).
  [[nodiscard]] bool cut() const noexcept { return cut_; }
  // The input could not be read on: the reason, with its place.
  [[nodiscard]] const std::optional<std::string>& failure() const noexcept { return failure_; }

 protected:
  bool cut_ = false;
  std::optional<std::string> failure_;
};

// Reads a file descriptor that it does not own.
class FdStream final : public ByteStream {
 public:
  explicit FdStream(int fd) : fd_(fd) {}
  // The first bytes, up to n of them, left in the stream. Before any read().
  std::span<const std::uint8_t> peek(std::size_t n);
  std::size_t read(std::uint8_t* out, std::size_t n) override;
  [[nodiscard]] std::uint64_t bytes_read() const noexcept override { return bytes_read_; }

 private:
  std::size_t read_fd(std::uint8_t* out, std::size_t n);

  int fd_;
  bool ended_ = false;
  std::uint64_t bytes_read_ = 0;
  std::vector<std::uint8_t> peeked_;
  std::size_t peeked_used_ = 0;
};

// Bytes that the caller keeps alive.
class MemoryStream final : public ByteStream {
 public:
  explicit MemoryStream(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}
  std::size_t read(std::uint8_t* out, std::size_t n) override;
  [[nodiscard]] std::uint64_t bytes_read() const noexcept override { return used_; }

 private:
  std::span<const std::uint8_t> bytes_;
  std::size_t used_ = 0;
};

enum class Compression : std::uint8_t { kNone, kGzip, kZstd };

// By the first four bytes.
Compression compression_of(std::span<const std::uint8_t> first) noexcept;

// A decompressor; members and frames that follow each other are one stream. nullptr: out of memory.
// Precondition: compression is not kNone.
std::unique_ptr<ByteStream> decompress(Compression compression, std::unique_ptr<ByteStream> input);

}  // namespace reelsense::ingest
