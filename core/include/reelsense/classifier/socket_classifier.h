// SocketClassifier: reads and writes of an app's connections in, one labelled window per connection and
// second out. The view `socket` of what Classifier does for packets.
//
// Connections are named by handles: never 0, never given twice; a handle whose connection is gone is told
// from one that lives. Invariants: after construction nothing is allocated; every event of a live connection
// is counted, as an event or as dropped; rows come in the order of their seconds, in a second by first event,
// but where a closing or evicted connection's comes early. Time is one clock for all connections:
//
//  - an event before the latest time is late: it counts at its own time, but never before the clock's second
//    nor before its connection's latest event;
//  - an event more than 300 s before the latest time says that the clock was set: every window closes, and
//    every connection begins anew at its next event;
//  - a time outside 1970 … 2200 is dropped.
//
// Thread safety: none; one classifier a thread. The model and the sink must outlive it; the sink must not
// call back into it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "reelsense/classifier/classifier.h"

namespace reelsense {

using SocketHandle = std::uint64_t;

class SocketClassifier {
 public:
  // `model` may be null: features only. In options, the timeouts say when a connection's features begin anew;
  // the connection itself stays until it is closed or evicted. kInvalidArgument, kMismatch as for Classifier.
  static Result<SocketClassifier> create(const UeModel* model, ClassifierSink& sink,
                                         const ClassifierOptions& options);

  SocketClassifier(SocketClassifier&&) noexcept;
  SocketClassifier& operator=(SocketClassifier&&) noexcept;
  ~SocketClassifier();

  // A connection was opened. In a full table the one that was quiet for longest gives way (kEvicted).
  SocketHandle open(std::int64_t now_ns) noexcept;
  // It read (down) or wrote (up) `bytes`, at most kMaxSocketEventBytes; 0 bytes only tell the time. False: no
  // such connection.
  bool add(SocketHandle flow, Direction direction, std::uint32_t bytes, std::int64_t now_ns) noexcept;
  // Its open window is scored and delivered, then it ends (kFinished). False: no such connection.
  bool close(SocketHandle flow, std::int64_t now_ns) noexcept;

  // What the open window would be labelled if its second ended now; the latest window's label where none is
  // open; uncertain before the first. Nothing: no such connection.
  [[nodiscard]] std::optional<Decision> peek(SocketHandle flow) const noexcept;

  // Time has reached now_ns: closes the seconds before it. Earlier than the latest time: nothing.
  void advance(std::int64_t now_ns) noexcept;
  // Closes every window and ends every connection (kEnd). May be used again.
  void finish() noexcept;
  // Scores from the next closed window on; null or one of view socket.
  void set_model(const UeModel* model) noexcept;

  // records and packets count events.
  [[nodiscard]] const ClassifierStats& stats() const noexcept;
  // All that it holds.
  [[nodiscard]] std::size_t memory_bytes() const noexcept;

 private:
  struct Impl;
  explicit SocketClassifier(std::unique_ptr<Impl> impl) noexcept;
  std::unique_ptr<Impl> impl_;
};

}  // namespace reelsense
