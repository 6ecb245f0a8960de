// What the two capture formats share: batches from a window, and what happens where records stop making
// sense. Thread safety: as CaptureReader.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "byte_window.h"
#include "reelsense/ingest/capture.h"

namespace reelsense::ingest {

class WindowReader : public CaptureReader {
 public:
  std::size_t read(std::span<CaptureRecord> out) final;
  [[nodiscard]] const CaptureStatus& status() const noexcept final { return status_; }

 protected:
  enum class Stop : std::uint8_t {
    kBatchFull,
    kNeedMore,   // the next record is not whole in the window
    kBadRecord,  // where the next record should start is none: the boundary is lost
  };
  struct Walked {
    std::size_t records;
    Stop stop;
  };
  struct RecordSize {
    bool plausible;
    std::size_t bytes;  // header included; where plausible
  };

  WindowReader(std::unique_ptr<ByteWindow> window, std::size_t header_bytes, std::size_t alignment);

  // Fills `out` from the whole records in the window and consumes them.
  virtual Walked walk(std::span<CaptureRecord> out) = 0;
  // Size of the record whose header is at p (header_bytes readable). May be stateful about byte order only.
  [[nodiscard]] virtual RecordSize size_at(const std::uint8_t* p) const noexcept = 0;
  // Whether good records start at bytes.front(). at_end: the input ends where bytes do.
  [[nodiscard]] virtual bool chain_at(std::span<const std::uint8_t> bytes, bool at_end) const noexcept = 0;

  void skip(SkipReason reason) noexcept { ++status_.skipped[static_cast<std::size_t>(reason)]; }
  [[nodiscard]] ByteWindow& window() noexcept { return *window_; }

 private:
  bool more();
  bool resynchronise();
  bool resynchronise_within(std::size_t reach, std::size_t view);
  void finish();

  std::unique_ptr<ByteWindow> window_;
  std::size_t header_bytes_;
  std::size_t alignment_;  // records start at multiples of it
  CaptureStatus status_;
  bool ended_ = false;
};

}  // namespace reelsense::ingest
