// SocketModel: what an app would have read from and written to its socket, told from a connection's packets.
//
// The model (docs/reference/features-socket.md is made for real logs; this is how captures stand in for
// them):
//   TCP down  payload by sequence number, each byte once, read when it and all bytes before it have arrived
//   TCP up    payload by sequence number, each byte once, written when it was first sent
//   UDP       payload less 27 bytes (QUIC's short header and tag), as it comes; QUIC's retransmissions are
//   not told
//             apart
// TLS records count as they are. What waits behind a hole is kept as at most 16 ranges; with more, after 8
// MiB, or 5 s after the hole opened, the hole is taken for a packet that the capture lost. Thread safety:
// none.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "reelsense/flow/flow_key.h"
#include "reelsense/packet/packet.h"

namespace reelsense::ingest {

struct SocketEvent {
  std::int64_t time_ns = 0;
  Direction direction = Direction::kUp;
  std::uint32_t bytes = 0;  // 0: nothing
};

// One direction of a TCP connection that only sends.
class SentBytes {
 public:
  // New bytes of a segment. `sequence` of its first byte, SYN not counted.
  std::uint32_t add(std::uint32_t sequence, std::uint32_t bytes) noexcept;

 private:
  bool started_ = false;
  std::uint32_t next_ = 0;
};

// One direction of a TCP connection as its receiver reads it.
class InOrderBytes {
 public:
  // Bytes that this segment makes readable.
  std::uint64_t add(std::int64_t time_ns, std::uint32_t sequence, std::uint32_t bytes) noexcept;

 private:
  static constexpr std::size_t kRanges = 16;
  struct Range {
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
  };

  void hold(Range range) noexcept;
  // Moves next_ over ranges that it has reached; returns bytes that became readable.
  std::uint64_t drain() noexcept;

  bool started_ = false;
  std::uint32_t next_ = 0;
  std::uint32_t count_ = 0;
  std::int64_t hole_ns_ = 0;             // when the present hole opened
  std::array<Range, kRanges> ranges_{};  // behind the hole: apart, in order
};

class SocketModel {
 public:
  // One packet of the connection; `sequence` is its TCP sequence number where known.
  SocketEvent add(const ParsedPacket& packet, Direction direction,
                  std::optional<std::uint32_t> sequence) noexcept;

 private:
  SentBytes up_;
  InOrderBytes down_;
};

// Merges reads as an app that looks at its socket every `period` does: what arrived is read at the next
// multiple of the period. A period of 0 merges nothing.
class ReadCoalescer {
 public:
  explicit ReadCoalescer(std::int64_t period_ns) noexcept : period_ns_(period_ns) {}

  // Takes one read or write and hands out what is due, in order: use(SocketEvent).
  template <class Use>
  void add(const SocketEvent& event, Use use) {
    if (period_ns_ == 0 || event.direction == Direction::kUp) {
      flush_before(event.time_ns, use);
      return use(event);
    }
    const std::int64_t due = (event.time_ns + period_ns_ - 1) / period_ns_ * period_ns_;
    if (waiting_.bytes != 0 && (due != waiting_.time_ns || waiting_.bytes + event.bytes > kMost)) flush(use);
    waiting_ = {due, Direction::kDown, waiting_.bytes + event.bytes};
  }
  template <class Use>
  void flush(Use use) {
    if (waiting_.bytes != 0) use(waiting_);
    waiting_ = {};
  }

 private:
  static constexpr std::uint32_t kMost = 1U << 31;

  template <class Use>
  void flush_before(std::int64_t time_ns, Use use) {
    if (waiting_.bytes != 0 && waiting_.time_ns <= time_ns) flush(use);
  }

  std::int64_t period_ns_;
  SocketEvent waiting_;
};

}  // namespace reelsense::ingest
