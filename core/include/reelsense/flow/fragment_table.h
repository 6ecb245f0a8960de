// FragmentTable: gives later IP fragments the ports of their first fragment.
//
// A direct-mapped table of fixed size: a collision forgets the older datagram, an entry counts for 30 s.
// Thread safety: none.
#pragma once

#include <array>
#include <cstdint>

#include "reelsense/packet/packet.h"

namespace reelsense {

class FragmentTable {
 public:
  static constexpr std::size_t kEntries = 256;
  static constexpr std::int64_t kLifetimeNs = 30'000'000'000;

  // Precondition: packet.first_fragment.
  void remember(const ParsedPacket& packet) noexcept;
  // Sets the ports of a later fragment; false if its first fragment is not known. Precondition:
  // packet.later_fragment.
  [[nodiscard]] bool resolve(ParsedPacket& packet) const noexcept;

 private:
  struct Entry {
    Address source{};
    Address destination{};
    std::int64_t time_ns = 0;
    std::uint32_t id = 0;
    std::uint16_t source_port = 0;
    std::uint16_t destination_port = 0;
    std::uint8_t protocol = 0;
    bool used = false;
  };
  static std::size_t place_of(const ParsedPacket& packet) noexcept;

  std::array<Entry, kEntries> entries_{};
};

}  // namespace reelsense
