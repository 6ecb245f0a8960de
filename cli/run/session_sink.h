// Folds the windows of a second into one row per client address, and writes a row for idle seconds too.
//
// Bounds: at most `max_sessions` at a time; windows of clients beyond that are counted in refused_windows().
// Thread safety: none.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <unordered_map>
#include <vector>

#include "cli/output/row_writer.h"
#include "reelsense/classifier/classifier.h"
#include "reelsense/policy/session.h"

namespace reelsense::cli {

class SessionTable {
 public:
  using Emit = std::function<void(const LabelRow&)>;
  using ToDecision = std::function<Decision(float probability)>;

  SessionTable(ToDecision to_decision, std::size_t max_sessions, Emit emit);

  void add(const WindowRow& row);
  // No window of second k or before will come: writes the rows up to and including it.
  void end_second(std::int64_t k);
  // The capture ended or its clock was set anew: writes what is open and forgets every session.
  void finish();

  [[nodiscard]] std::uint64_t refused_windows() const noexcept { return refused_; }

 private:
  struct Session {
    FiveTuple who;  // only the client is set
    SessionScore score;
    SessionSecond open;
  };
  struct AddressHash {
    std::size_t operator()(const Address& address) const noexcept;
  };

  void close_second(std::int64_t k);

  ToDecision to_decision_;
  std::size_t max_sessions_;
  Emit emit_;
  std::vector<Session> sessions_;  // in the order in which they were first seen
  std::unordered_map<Address, std::size_t, AddressHash> index_;
  std::int64_t next_second_ = 0;  // first one not yet closed; meaningful while sessions_ is not empty
  std::uint64_t refused_ = 0;
};

}  // namespace reelsense::cli
