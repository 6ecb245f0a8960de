// Names of link types and drop reasons: what errors, counters and summaries print.
#include "reelsense/packet/link_type.h"
#include "reelsense/packet/packet.h"

namespace reelsense {

bool is_supported(LinkType type) noexcept {
  switch (type) {
    case LinkType::kNull:
    case LinkType::kEthernet:
    case LinkType::kPpp:
    case LinkType::kRawDlt12:
    case LinkType::kRawDlt14:
    case LinkType::kRaw:
    case LinkType::kCiscoHdlc:
    case LinkType::kLoop:
    case LinkType::kLinuxCooked:
    case LinkType::kIpv4:
    case LinkType::kIpv6:
    case LinkType::kLinuxCooked2:
      return true;
  }
  return false;
}

const char* name_of(LinkType type) noexcept {
  switch (type) {
    case LinkType::kNull:
      return "BSD null";
    case LinkType::kEthernet:
      return "Ethernet";
    case LinkType::kPpp:
      return "PPP";
    case LinkType::kRawDlt12:
    case LinkType::kRawDlt14:
    case LinkType::kRaw:
      return "raw IP";
    case LinkType::kCiscoHdlc:
      return "Cisco HDLC";
    case LinkType::kLoop:
      return "OpenBSD loop";
    case LinkType::kLinuxCooked:
      return "Linux cooked v1";
    case LinkType::kIpv4:
      return "raw IPv4";
    case LinkType::kIpv6:
      return "raw IPv6";
    case LinkType::kLinuxCooked2:
      return "Linux cooked v2";
  }
  return "unknown";
}

const char* name_of(DropReason reason) noexcept {
  switch (reason) {
    case DropReason::kNone:
      return "none";
    case DropReason::kLinkType:
      return "link_type";
    case DropReason::kNotIp:
      return "not_ip";
    case DropReason::kTruncated:
      return "truncated";
    case DropReason::kBadHeader:
      return "bad_header";
    case DropReason::kTunnelDepth:
      return "tunnel_depth";
    case DropReason::kFragmentUnknown:
      return "fragment_unknown";
    case DropReason::kTimeStep:
      return "time_step";
    case DropReason::kCount:
      break;
  }
  return "unknown";
}

}  // namespace reelsense
