// Classifier: packets in, one labelled window per flow and second out.
//
// It owns the flow table, the features' state and the batch that is scored when a second closes; the rules
// are docs/explanation/flows-and-windows.md. Invariants: after construction nothing is allocated; every
// packet given to add() is either accepted or counted under one drop reason (or still held, see
// held_packets()); rows come in the order of their seconds. Thread safety: none; one classifier a thread. The
// model and the sink must outlive it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "reelsense/base/result.h"
#include "reelsense/features/schema.h"
#include "reelsense/flow/flow_key.h"
#include "reelsense/model/ue_model.h"
#include "reelsense/packet/packet.h"

namespace reelsense {

inline constexpr std::size_t kBinValues = 2 * kBinsPerWindow;

// One flow and second that had packets.
struct WindowRow {
  std::int64_t second = 0;  // k: the window is [k, k+1) s since the epoch
  FiveTuple flow;           // empty in the socket view
  std::uint64_t flow_id =
      0;  // unique in this classifier's life, in order of first packets; socket view: its handle
  std::uint32_t slot = 0;  // below max_flows; the flow's alone from its first row until its end
  std::uint32_t packets_up = 0;
  std::uint32_t packets_down = 0;
  std::uint64_t bytes_up = 0;
  std::uint64_t bytes_down = 0;
  Decision decision;                    // without a model: probability 0.5, uncertain
  const float* features = nullptr;      // [kFeatureCount]
  const std::uint32_t* bins = nullptr;  // [kBinValues]: 20 × 50 ms bytes down, then up
};

enum class FlowEnd : std::uint8_t { kFinished, kIdle, kActive, kReopened, kEvicted, kTimeStep, kEnd, kCount };
const char* name_of(FlowEnd reason) noexcept;  // "finished", "idle", …

struct FlowSummary {
  FiveTuple flow;
  std::uint64_t flow_id = 0;
  std::uint32_t slot = 0;     // free again
  std::int64_t first_ns = 0;  // effective times of its first and last packet
  std::int64_t last_ns = 0;
  std::uint64_t packets_up = 0;
  std::uint64_t packets_down = 0;
  std::uint64_t bytes_up = 0;
  std::uint64_t bytes_down = 0;
  std::uint32_t windows = 0;       // classified
  std::uint32_t idle_windows = 0;  // seconds between its first and last packet without one
  std::uint32_t video_windows = 0;
  FlowEnd reason = FlowEnd::kEnd;
};

// What the caller receives. Spans and the pointers in rows are valid during the call only; the sink must not
// call back into the classifier.
class ClassifierSink {
 public:
  virtual ~ClassifierSink() = default;
  virtual void on_windows(std::span<const WindowRow> rows) = 0;
  virtual void on_flow_end(const FlowSummary&) {}
  // All rows of second k (and of every earlier one) were delivered.
  virtual void on_second_end(std::int64_t /*k*/) {}
};

struct ClassifierOptions {
  std::uint32_t max_flows = 131'072;  // 1 … 2^24; memory is about 500 bytes each, taken when first used
  std::int64_t idle_timeout_ns = 120 * kSecondNs;     // 1 s … 1 day
  std::int64_t active_timeout_ns = 3600 * kSecondNs;  // 1 s … 7 days
};

struct ClassifierStats {
  std::uint64_t records = 0;  // accepted: captured IP packets that count for a flow
  std::uint64_t packets = 0;  // the packets they stand for (super-packet rule)
  std::uint64_t super_packets = 0;
  std::uint64_t late = 0;
  std::array<std::uint64_t, static_cast<std::size_t>(DropReason::kCount)> dropped{};
  std::uint64_t flows = 0;  // opened
  std::array<std::uint64_t, static_cast<std::size_t>(FlowEnd::kCount)> ended{};
  std::uint64_t windows = 0;
  std::uint64_t video_windows = 0;
  std::uint64_t uncertain_windows = 0;
  std::uint64_t idle_windows = 0;
  std::uint64_t time_steps = 0;
  std::uint32_t live_flows = 0;
  std::uint32_t peak_flows = 0;
};

class Classifier {
 public:
  // `model` may be null: features only. kInvalidArgument names the option that is out of range; kMismatch: a
  // model of another view than packet.
  static Result<Classifier> create(const UeModel* model, ClassifierSink& sink,
                                   const ClassifierOptions& options = {});

  Classifier(Classifier&&) noexcept;
  Classifier& operator=(Classifier&&) noexcept;
  ~Classifier();

  // Accepts packets in capture order. Fastest in batches of 32 and more.
  void add(std::span<const ParsedPacket> packets) noexcept;
  // Counts a record that parse_packet refused.
  void count_drop(DropReason reason) noexcept;
  // Event time has reached `now_ns` though no packet came: closes the seconds before it. For live use.
  void advance(std::int64_t now_ns) noexcept;
  // End of input: releases held packets, closes every window, ends every flow. The classifier may be used
  // again.
  void finish() noexcept;
  // Scores from the next closed window on; null or one of view packet. It must outlive the classifier.
  void set_model(const UeModel* model) noexcept;

  [[nodiscard]] const ClassifierStats& stats() const noexcept;
  [[nodiscard]] std::uint32_t held_packets() const noexcept;

  // Bytes of state that one flow costs, index and history included.
  static std::size_t bytes_per_flow() noexcept;
  // All that it holds once every flow was in use.
  [[nodiscard]] std::size_t memory_bytes() const noexcept;

 private:
  struct Impl;
  explicit Classifier(std::unique_ptr<Impl> impl) noexcept;
  std::unique_ptr<Impl> impl_;
};

}  // namespace reelsense
