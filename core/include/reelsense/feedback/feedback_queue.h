// FeedbackQueue: anonymised windows that wait to be sent, in memory of the caller's.
//
// A record is a window's quantised features (quantise.h), the label given, the confidence in steps of 1/64,
// and the truth behind randomised response: told truly with probability e^ε / (1 + e^ε), else inverted, so
// that no record proves what was watched (Warner 1965; ε-local differential privacy of that one bit). No
// address, name, flow or time is in it. docs/explanation/privacy.md says what this does not hide.
//
// The memory may be a mapped file. A record is written before the header that counts it, headers alternate
// between two places, and each carries a checksum, so a process that dies at any instruction leaves a queue
// that opens with every record that was added. After a power cut, records whose pages never reached the disk
// are found by their checksums and counted as lost.
//
// Bounds: the capacity of the memory; a window that does not fit is counted in lost(). Nothing is allocated.
// Thread safety: none.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "reelsense/base/result.h"
#include "reelsense/model/ue_model.h"

namespace reelsense {

enum class Truth : std::uint8_t { kUnknown = 0, kNonVideo = 1, kVideo = 2 };

struct FeedbackOptions {
  double sample = 0.01;  // share of the windows that is kept, 0 … 1
  double epsilon = 1.0;  // of the truth's randomised response, 0.1 … 10
};

// What one call to add() draws its chances from: new for each, from a generator that cannot be guessed.
using FeedbackRandom = std::span<const std::uint8_t, 16>;

class FeedbackQueue {
 public:
  static constexpr std::uint32_t kMaxRecords = 1'000'000;
  static constexpr std::size_t kAlignment = 8;

  // Bytes that `records` need; 0 if not 1 … kMaxRecords.
  static std::size_t memory_for(std::uint32_t records) noexcept;

  // Takes over `memory`, all zero or a queue from before, of this or another model. kInvalidArgument (size,
  // alignment, options), kCorrupt (it is neither: nothing was touched), kLimit (the model's name and version
  // together over 47 bytes). The memory must outlive the queue; the model may go.
  static Result<FeedbackQueue> open(std::span<std::byte> memory, const UeModel& model,
                                    const FeedbackOptions& options);

  enum class Added : std::uint8_t { kKept, kLeftOut, kFull };
  // A window's full feature vector [schema().features.size()] of the model's view and what the model said of
  // it.
  Added add(const float* features, const Decision& decision, Truth truth, FeedbackRandom random) noexcept;

  [[nodiscard]] std::uint32_t size() const noexcept;
  [[nodiscard]] std::uint32_t capacity() const noexcept { return capacity_; }
  // Windows that found the queue full, and records that were found damaged, since the memory was new.
  [[nodiscard]] std::uint64_t lost() const noexcept;

  // JSON for the server: the oldest records, at most max_records of one model, as many as `json` holds with a
  // 0 behind them. bytes is 0 where not even one fits. Pure.
  struct Batch {
    std::size_t bytes = 0;
    std::uint32_t records = 0;
  };
  Batch write(std::span<char> json, std::uint32_t max_records) const noexcept;

  // Forgets the oldest `records`, at most size().
  void discard(std::uint32_t records) noexcept;

 private:
  struct Header;
  struct Record;

  FeedbackQueue() = default;
  [[nodiscard]] Header& header(int which) const noexcept;
  [[nodiscard]] Record& record(std::uint64_t number) const noexcept;
  void name_schemas();
  [[nodiscard]] bool is_whole(const Record& record) const noexcept;
  [[nodiscard]] bool read_header() noexcept;
  void drop_damaged() noexcept;
  void commit() noexcept;

  std::byte* memory_ = nullptr;
  std::uint32_t capacity_ = 0;
  std::uint64_t sequence_ = 0;  // of the present header
  std::uint64_t head_ = 0;      // number of the oldest record
  std::uint64_t tail_ = 0;      // number of the next one
  std::uint64_t lost_ = 0;

  // Of the records to come.
  char model_[48] = {};
  View view_ = View::kPacket;
  std::array<std::array<char, 64>, std::size(kAllViews)> schemas_ =
      {};                           // hashes of this build's feature tables
  std::uint32_t sample_below_ = 0;  // kept if a 32-bit draw is below it; 2^32 − 1: always
  std::uint32_t truthful_below_ = 0;
  std::uint32_t epsilon_milli_ = 0;
};

}  // namespace reelsense
