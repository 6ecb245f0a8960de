// What the capture fuzzers share: a capture read from memory and the same read from a stream that dribbles
// must give the same records and the same status.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "capture_window.h"

namespace reelsense::ingest::fuzz {

inline void require(bool promise) {
  if (!promise) std::abort();
}

class DribbleStream final : public ByteStream {
 public:
  explicit DribbleStream(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}
  std::size_t read(std::uint8_t* out, std::size_t n) override {
    constexpr std::size_t kMost = 61;
    const std::size_t got = std::min({n, kMost, bytes_.size() - used_});
    if (got != 0) std::memcpy(out, bytes_.data() + used_, got);
    used_ += got;
    return got;
  }
  [[nodiscard]] std::uint64_t bytes_read() const noexcept override { return used_; }

 private:
  std::span<const std::uint8_t> bytes_;
  std::size_t used_ = 0;
};

struct Outcome {
  CaptureStatus status;
  std::vector<std::uint64_t> records;
};

// Touches every byte of every record.
inline Outcome walk(CaptureReader& reader, std::size_t batch) {
  constexpr std::uint64_t kPrime = 0x100000001b3;
  Outcome outcome;
  std::vector<CaptureRecord> records(batch);
  while (const std::size_t n = reader.read(records)) {
    for (const CaptureRecord& r : std::span(records).first(n)) {
      require(is_supported(r.link) && r.wire_bytes >= r.captured_bytes && r.time_ns >= 0);
      std::uint64_t digest = static_cast<std::uint64_t>(r.time_ns) ^ (std::uint64_t{r.wire_bytes} << 20);
      for (std::uint32_t i = 0; i < r.captured_bytes; ++i) digest = (digest ^ r.data[i]) * kPrime;
      outcome.records.push_back(digest);
    }
  }
  outcome.status = reader.status();
  require(outcome.status.records == outcome.records.size());
  return outcome;
}

inline void read_both_ways(std::span<const std::uint8_t> bytes, const CaptureOptions& options) {
  auto memory = open_window(std::make_unique<MemoryWindow>(bytes), options);
  constexpr std::size_t kSmallBuffer = 128;
  auto stream = open_window(
      std::make_unique<BufferedWindow>(std::make_unique<DribbleStream>(bytes), bytes.size(), kSmallBuffer),
      options);
  require(memory.ok() == stream.ok());
  if (!memory.ok()) {
    require(memory.error().message == stream.error().message);
    return;
  }
  require(memory.value()->description() == stream.value()->description());
  const Outcome a = walk(*memory.value(), 64);
  const Outcome b = walk(*stream.value(), 3);
  require(a.records == b.records && a.status.skipped == b.status.skipped);
  require(a.status.truncated_at == b.status.truncated_at && a.status.damage == b.status.damage);
  require(a.status.bytes_read == bytes.size() && b.status.bytes_read == bytes.size());
}

}  // namespace reelsense::ingest::fuzz
