#include "reelsense/ingest/socket_model.h"

#include <algorithm>

namespace reelsense::ingest {
namespace {

constexpr std::uint32_t kQuicOverheadBytes = 27;
constexpr std::int64_t kHoleNs = 5'000'000'000;
constexpr std::uint32_t kHoleBytes = 8U << 20;

// Whether a comes before b in sequence space (RFC 9293, modulo 2^32).
bool before(std::uint32_t a, std::uint32_t b) noexcept {
  return static_cast<std::int32_t>(a - b) < 0;
}

}  // namespace

std::uint32_t SentBytes::add(std::uint32_t sequence, std::uint32_t bytes) noexcept {
  const std::uint32_t end = sequence + bytes;
  if (!started_) {
    started_ = true;
    next_ = end;
    return bytes;
  }
  if (!before(next_, end)) return 0;
  const std::uint32_t fresh = before(sequence, next_) ? end - next_ : bytes;
  next_ = end;
  return fresh;
}

std::uint64_t InOrderBytes::add(std::int64_t time_ns, std::uint32_t sequence, std::uint32_t bytes) noexcept {
  if (!started_) {
    started_ = true;
    next_ = sequence;
  }
  std::uint32_t end = sequence + bytes;
  if (bytes == 0 || !before(next_, end)) return 0;
  if (!before(next_, sequence)) {
    const std::uint64_t fresh = end - next_;
    next_ = end;
    const std::uint64_t more = drain();
    if (count_ != 0) hole_ns_ = more != 0 ? time_ns : hole_ns_;
    return fresh + more;
  }
  if (count_ == 0) hole_ns_ = time_ns;
  const bool full = count_ == kRanges;
  if (full || end - next_ > kHoleBytes || time_ns - hole_ns_ > kHoleNs) {
    // Nobody will fill this hole: the capture missed a packet.
    std::uint64_t readable = 0;
    if (count_ != 0) {
      next_ = ranges_[0].begin;
      readable = drain();
    }
    hole_ns_ = time_ns;
    if (!before(next_, sequence) || count_ == 0) {
      if (before(next_, sequence)) next_ = sequence;
      readable += before(next_, end) ? end - next_ : 0;
      if (before(next_, end)) next_ = end;
      return readable + drain();
    }
    hold({sequence, end});
    return readable;
  }
  hold({sequence, end});
  return 0;
}

void InOrderBytes::hold(Range range) noexcept {
  std::size_t first = 0;
  while (first < count_ && before(ranges_[first].end, range.begin)) ++first;
  std::size_t last = first;  // ranges [first, last) touch the new one
  while (last < count_ && !before(range.end, ranges_[last].begin)) {
    if (before(ranges_[last].begin, range.begin)) range.begin = ranges_[last].begin;
    if (before(range.end, ranges_[last].end)) range.end = ranges_[last].end;
    ++last;
  }
  if (first == last) {
    std::copy_backward(ranges_.begin() + static_cast<std::ptrdiff_t>(first),
                       ranges_.begin() + static_cast<std::ptrdiff_t>(count_),
                       ranges_.begin() + static_cast<std::ptrdiff_t>(count_) + 1);
    ++count_;
  } else {
    std::copy(ranges_.begin() + static_cast<std::ptrdiff_t>(last),
              ranges_.begin() + static_cast<std::ptrdiff_t>(count_),
              ranges_.begin() + static_cast<std::ptrdiff_t>(first) + 1);
    count_ -= static_cast<std::uint32_t>(last - first - 1);
  }
  ranges_[first] = range;
}

std::uint64_t InOrderBytes::drain() noexcept {
  std::uint64_t readable = 0;
  std::uint32_t used = 0;
  while (used < count_ && !before(next_, ranges_[used].begin)) {
    if (before(next_, ranges_[used].end)) {
      readable += ranges_[used].end - next_;
      next_ = ranges_[used].end;
    }
    ++used;
  }
  std::copy(ranges_.begin() + used, ranges_.begin() + count_, ranges_.begin());
  count_ -= used;
  return readable;
}

SocketEvent SocketModel::add(const ParsedPacket& packet, Direction direction,
                             std::optional<std::uint32_t> sequence) noexcept {
  const std::uint32_t header = packet.header_bytes;
  const std::uint32_t payload = packet.wire_bytes > header ? packet.wire_bytes - header : 0;
  SocketEvent event = {packet.time_ns, direction, payload};
  if (packet.protocol == kProtocolUdp) {
    event.bytes = payload > kQuicOverheadBytes ? payload - kQuicOverheadBytes : 0;
  } else if (packet.protocol != kProtocolTcp) {
    event.bytes = 0;
  } else if (sequence) {
    const std::uint32_t first = *sequence + ((packet.tcp_flags & kTcpSyn) != 0 ? 1 : 0);
    event.bytes = direction == Direction::kUp ? up_.add(first, payload)
                                              : static_cast<std::uint32_t>(std::min<std::uint64_t>(
                                                    down_.add(packet.time_ns, first, payload), 1U << 31));
  }
  return event;
}

}  // namespace reelsense::ingest
