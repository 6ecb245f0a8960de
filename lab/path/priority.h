// Which flows go first. Rules name a flow's ends as the client sees them: server and client, not source and
// destination; what a rule leaves out matches anything. Thread safety: immutable after construction.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "reelsense/base/result.h"
#include "reelsense/packet/packet.h"

namespace reelsense::path {

enum class Way : std::uint8_t { kDown, kUp };  // server to client, client to server

struct PriorityRule {
  std::optional<Address> server;
  std::optional<Address> client;
  std::optional<std::uint16_t> server_port;
  std::optional<std::uint16_t> client_port;
  std::optional<std::uint8_t> protocol;

  [[nodiscard]] bool matches(const ParsedPacket& packet, Way way) const noexcept;
};

// At most this many: each packet is held against each rule.
inline constexpr std::size_t kMostPriorityRules = 256;

// A list of {"server", "server_port", "client", "client_port", "protocol"}, each with one key at least.
Result<std::vector<PriorityRule>> parse_priority(const nlohmann::json& list, const std::string& where);

}  // namespace reelsense::path
