// PacketPort: raw Ethernet frames of one device, received and sent in batches (AF_PACKET, recvmmsg,
// sendmmsg).
//
// Sees only what the device receives (PACKET_IGNORE_OUTGOING), whoever it is for (promiscuous); sends past
// the queueing discipline. Needs CAP_NET_RAW in the network namespace. Thread safety: none.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "file_descriptor.h"
#include "frame_pool.h"
#include "reelsense/base/result.h"

namespace reelsense::path {

inline constexpr std::size_t kEthernetHeader = 14;

struct ReceivedFrame {
  std::uint32_t slot = 0;
  std::uint32_t length = 0;     // whole frame
  std::int64_t arrived_ns = 0;  // the kernel's time, CLOCK_REALTIME; 0: unknown. Not used to send
};

class PacketPort {
 public:
  static constexpr std::size_t kBatch = 64;

  static Result<PacketPort> open(const std::string& device);

  [[nodiscard]] int fd() const noexcept { return socket_.get(); }

  struct Received {
    std::size_t frames = 0;      // that `out` holds
    std::uint64_t oversize = 0;  // longer than a slot, left out
    std::uint64_t oversize_bytes = 0;
    bool more = false;  // the batch was full
  };
  // What has come, without waiting. The slots are the caller's. With no slot to be had, one batch is read and
  // lost: the kernel's buffer must not become a second queue.
  Received receive(FramePool& pool, std::span<ReceivedFrame, kBatch> out, std::uint64_t& no_memory);
  // Sends the frames in order; calls refused(index) for each that the kernel did not take.
  template <class Refused>
  void send(FramePool& pool, std::span<const ReceivedFrame> frames, Refused refused);
  // Packets that the kernel dropped since the last call because its buffer was full.
  [[nodiscard]] std::uint64_t kernel_drops();

 private:
  explicit PacketPort(FileDescriptor socket) noexcept : socket_(std::move(socket)) {}
  [[nodiscard]] std::size_t send_some(FramePool& pool, std::span<const ReceivedFrame> frames);

  FileDescriptor socket_;
};

template <class Refused>
void PacketPort::send(FramePool& pool, std::span<const ReceivedFrame> frames, Refused refused) {
  std::size_t done = 0;
  while (done < frames.size()) {
    const std::size_t sent = send_some(pool, frames.subspan(done));
    done += sent;
    if (sent == 0) refused(done++);
  }
}

}  // namespace reelsense::path
