#include "packet_port.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <utility>

namespace reelsense::path {
namespace {

constexpr int kReceiveBytes = 16 << 20;  // what arrives in a pause of the scheduler, at hundreds of Mbit/s

template <class T>
bool set(int socket, int level, int option, const T& value) {
  return ::setsockopt(socket, level, option, &value, sizeof value) == 0;
}

// Room for the one control message that is asked for, the arrival time.
struct alignas(cmsghdr) Control {
  std::array<std::uint8_t, CMSG_SPACE(sizeof(timespec))> bytes;
};

std::int64_t arrival_ns(msghdr& message) {
  for (cmsghdr* each = CMSG_FIRSTHDR(&message); each != nullptr; each = CMSG_NXTHDR(&message, each)) {
    if (each->cmsg_level != SOL_SOCKET || each->cmsg_type != SCM_TIMESTAMPNS) continue;
    timespec time{};
    std::memcpy(&time, CMSG_DATA(each), sizeof time);
    return time.tv_sec * 1'000'000'000 + time.tv_nsec;
  }
  return 0;
}

}  // namespace

Result<PacketPort> PacketPort::open(const std::string& device) {
  const auto failed = [&](const char* what) {
    return Error{ErrorCode::kIo, device + ": " + what + ": " + std::strerror(errno)};
  };
  const unsigned index = ::if_nametoindex(device.c_str());
  if (index == 0)
    return Error{ErrorCode::kNotFound, device + ": expected a device of this network namespace"};
  // Protocol 0: nothing is received before bind(), so nothing of other devices.
  FileDescriptor socket(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.open()) return failed("raw socket (needs CAP_NET_RAW)");
  if (!set(socket.get(), SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)) return failed("PACKET_IGNORE_OUTGOING");
  if (!set(socket.get(), SOL_PACKET, PACKET_QDISC_BYPASS, 1)) return failed("PACKET_QDISC_BYPASS");
  if (!set(socket.get(), SOL_SOCKET, SO_TIMESTAMPNS, 1)) return failed("SO_TIMESTAMPNS");
  // FORCE needs CAP_NET_ADMIN; without it the system's limit holds, and the kernel's drops are counted.
  if (!set(socket.get(), SOL_SOCKET, SO_RCVBUFFORCE, kReceiveBytes)) {
    (void)set(socket.get(), SOL_SOCKET, SO_RCVBUF, kReceiveBytes);
  }
  packet_mreq promiscuous{};
  promiscuous.mr_ifindex = static_cast<int>(index);
  promiscuous.mr_type = PACKET_MR_PROMISC;
  if (!set(socket.get(), SOL_PACKET, PACKET_ADD_MEMBERSHIP, promiscuous)) return failed("promiscuous mode");
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = static_cast<int>(index);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return failed("bind");
  }
  return PacketPort(std::move(socket));
}

PacketPort::Received PacketPort::receive(FramePool& pool, std::span<ReceivedFrame, kBatch> out,
                                         std::uint64_t& no_memory) {
  std::array<mmsghdr, kBatch> messages{};
  std::array<iovec, kBatch> vectors;
  std::array<Control, kBatch> controls;
  std::array<std::uint32_t, kBatch> slots;
  std::size_t ready = 0;
  for (; ready < kBatch; ++ready) {
    const auto slot = pool.take();
    if (!slot) break;
    slots[ready] = *slot;
    vectors[ready] = {pool.at(*slot), FramePool::kSlotBytes};
    messages[ready].msg_hdr.msg_iov = &vectors[ready];
    messages[ready].msg_hdr.msg_iovlen = 1;
    messages[ready].msg_hdr.msg_control = controls[ready].bytes.data();
    messages[ready].msg_hdr.msg_controllen = sizeof controls[ready].bytes;
  }
  Received received;
  if (ready == 0) {
    std::uint8_t nothing = 0;
    for (std::size_t i = 0; i < kBatch && ::recv(fd(), &nothing, sizeof nothing, MSG_DONTWAIT) >= 0; ++i)
      ++no_memory;
    return received;
  }
  // MSG_TRUNC: the length is the frame's own.
  const int count =
      ::recvmmsg(fd(), messages.data(), static_cast<unsigned>(ready), MSG_DONTWAIT | MSG_TRUNC, nullptr);
  const auto got = static_cast<std::size_t>(std::max(count, 0));
  for (std::size_t i = 0; i < got; ++i) {
    const std::uint32_t length = messages[i].msg_len;
    if (length <= FramePool::kSlotBytes && length >= kEthernetHeader) {
      out[received.frames++] = {slots[i], length, arrival_ns(messages[i].msg_hdr)};
    } else {
      ++received.oversize;
      received.oversize_bytes += length;
      pool.give_back(slots[i]);
    }
  }
  for (std::size_t i = ready; i-- > got;) pool.give_back(slots[i]);
  received.more = got == kBatch;
  return received;
}

std::size_t PacketPort::send_some(FramePool& pool, std::span<const ReceivedFrame> frames) {
  std::array<mmsghdr, kBatch> messages{};
  std::array<iovec, kBatch> vectors;
  const std::size_t count = std::min(frames.size(), kBatch);
  for (std::size_t i = 0; i < count; ++i) {
    vectors[i] = {pool.at(frames[i].slot), frames[i].length};
    messages[i].msg_hdr.msg_iov = &vectors[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  const int sent = ::sendmmsg(fd(), messages.data(), static_cast<unsigned>(count), MSG_DONTWAIT);
  return static_cast<std::size_t>(std::max(sent, 0));
}

std::uint64_t PacketPort::kernel_drops() {
  tpacket_stats stats{};
  socklen_t size = sizeof stats;
  if (::getsockopt(fd(), SOL_PACKET, PACKET_STATISTICS, &stats, &size) != 0) return 0;
  return stats.tp_drops;
}

}  // namespace reelsense::path
