// Runs the QoS policy over a classifier's windows: a mark for each flow, a decision a second for each client
// address, idle seconds included.
//
// Bounds: at most `max_sessions` sessions at a time; windows of clients beyond that are counted in
// refused_windows() and their flows get marks all the same. Thread safety: none.
#pragma once

#include <cstdint>
#include <functional>
#include <unordered_map>
#include <vector>

#include "cli/output/decision_writer.h"
#include "reelsense/classifier/classifier.h"
#include "reelsense/policy/qos_policy.h"

namespace reelsense::cli {

struct DecisionSinkOptions {
  PolicyOptions policy;
  bool flows = false;          // rows of flows too
  bool changes = false;        // only rows whose decision differs from the one before, and a session's first
  bool flush_seconds = false;  // a live reader waits for each second's rows
  std::size_t max_sessions = 0;
  std::function<Decision(float probability)> to_decision;  // of a session's score
};

class DecisionSink : public ClassifierSink {
 public:
  // All of them must outlive the sink.
  DecisionSink(Output& out, DecisionWriter& rows, const DecisionSinkOptions& options);

  void on_windows(std::span<const WindowRow> rows) override;
  void on_flow_end(const FlowSummary& flow) override;
  void on_second_end(std::int64_t k) override;
  // After the last row of an input: sessions and flows are forgotten.
  void end_input();

  [[nodiscard]] std::uint64_t refused_windows() const noexcept { return refused_; }

 private:
  struct FlowEntry {
    FlowPolicy policy;
    std::uint8_t dscp = kDscpDefault;
  };
  struct Session {
    FiveTuple who;  // only the client is set
    SessionPolicy policy;
    std::uint64_t bytes_up = 0;  // of the open second
    std::uint64_t bytes_down = 0;
    bool is_new = true;
    bool over = false;
  };
  struct AddressHash {
    std::size_t operator()(const Address& address) const noexcept;
  };

  FlowPolicy::Mark mark_flow(const WindowRow& row);
  void add_to_session(const WindowRow& row, FlowPolicy::Mark mark);
  void close_second(std::int64_t k);
  void close_until(std::int64_t k);
  void forget_sessions();

  Output& out_;
  DecisionWriter& rows_;
  DecisionSinkOptions options_;
  std::unordered_map<std::uint64_t, FlowEntry> flows_;  // by flow_id, the live ones
  FlowPeers peers_;                                     // all flows: they are seen on one path
  std::vector<Session> sessions_;                       // in the order in which they were first seen
  std::unordered_map<Address, std::size_t, AddressHash> index_;
  std::int64_t next_second_ = 0;  // first one not yet closed; meaningful while sessions_ is not empty
  std::uint64_t refused_ = 0;
};

}  // namespace reelsense::cli
