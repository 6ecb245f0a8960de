// A sliding view over a capture's bytes, mapped or buffered: what the format readers walk.
//
// Invariants: bytes() stays valid until the next fill(); consume() moves the front and never the memory.
// Thread safety: none; one reader each.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "byte_stream.h"

namespace reelsense::ingest {

class ByteWindow {
 public:
  ByteWindow() = default;
  ByteWindow(const ByteWindow&) = delete;
  ByteWindow& operator=(const ByteWindow&) = delete;
  virtual ~ByteWindow() = default;

  // What is there to read now.
  [[nodiscard]] std::span<const std::uint8_t> bytes() const noexcept { return bytes_; }
  // Passes n bytes. Precondition: n ≤ bytes().size().
  void consume(std::size_t n) noexcept {
    assert(n <= bytes_.size());
    bytes_ = bytes_.subspan(n);
    position_ += n;
  }
  // Offset of bytes() in the (decompressed) capture.
  [[nodiscard]] std::uint64_t position() const noexcept { return position_; }

  // Tries to have n bytes there; false when the input ends before. Invalidates earlier bytes().
  virtual bool fill(std::size_t n) = 0;
  // Says that what was consumed is not looked at any more.
  virtual void release() {}

  [[nodiscard]] virtual std::uint64_t bytes_read() const noexcept = 0;   // of the input as stored
  [[nodiscard]] virtual std::uint64_t bytes_total() const noexcept = 0;  // 0: not known
  [[nodiscard]] virtual bool cut() const noexcept { return false; }
  [[nodiscard]] virtual std::optional<std::string> failure() const { return std::nullopt; }

 protected:
  std::span<const std::uint8_t> bytes_;
  std::uint64_t position_ = 0;
};

// A whole file, mapped. Pages that were passed are given back every kReleaseBytes, so the resident size does
// not grow with the file. The file must not shrink meanwhile: its size is looked at again at every release,
// which narrows that race but cannot close it.
class MappedWindow final : public ByteWindow {
 public:
  static constexpr std::size_t kReleaseBytes = std::size_t{4} << 20;

  // Owns fd. nullptr where the file cannot be mapped (fd stays the caller's then).
  static std::unique_ptr<MappedWindow> open(int fd, std::uint64_t size);
  ~MappedWindow() override;

  bool fill(std::size_t n) override { return bytes_.size() >= n; }
  void release() override {
    if (position_ - released_ >= kReleaseBytes) release_pages();
  }
  [[nodiscard]] std::uint64_t bytes_read() const noexcept override { return position_; }
  [[nodiscard]] std::uint64_t bytes_total() const noexcept override { return size_; }

 private:
  MappedWindow(int fd, const std::uint8_t* base, std::size_t size);
  void release_pages();

  int fd_;
  const std::uint8_t* base_;
  std::size_t size_;
  std::size_t released_ = 0;  // multiple of the page size
};

// A stream through one buffer, which grows only as fill() asks.
class BufferedWindow final : public ByteWindow {
 public:
  static constexpr std::size_t kBufferBytes = std::size_t{1} << 20;

  // Precondition: buffer_bytes > 0.
  BufferedWindow(std::unique_ptr<ByteStream> stream, std::uint64_t bytes_total,
                 std::size_t buffer_bytes = kBufferBytes);

  bool fill(std::size_t n) override;
  [[nodiscard]] std::uint64_t bytes_read() const noexcept override { return stream_->bytes_read(); }
  [[nodiscard]] std::uint64_t bytes_total() const noexcept override { return bytes_total_; }
  [[nodiscard]] bool cut() const noexcept override { return stream_->cut(); }
  [[nodiscard]] std::optional<std::string> failure() const override { return stream_->failure(); }

 private:
  std::unique_ptr<ByteStream> stream_;
  std::uint64_t bytes_total_;
  std::vector<std::uint8_t> buffer_;
};

// Memory that the caller keeps alive: tests and fuzzers.
class MemoryWindow final : public ByteWindow {
 public:
  explicit MemoryWindow(std::span<const std::uint8_t> bytes) : size_(bytes.size()) { bytes_ = bytes; }
  bool fill(std::size_t n) override { return bytes_.size() >= n; }
  [[nodiscard]] std::uint64_t bytes_read() const noexcept override { return position_; }
  [[nodiscard]] std::uint64_t bytes_total() const noexcept override { return size_; }

 private:
  std::uint64_t size_;
};

}  // namespace reelsense::ingest
