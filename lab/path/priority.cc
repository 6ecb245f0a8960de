#include "priority.h"

#include <arpa/inet.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "json_reader.h"

namespace reelsense::path {
namespace {

using nlohmann::json;

constexpr NumberRange kPort{0, 65535, "port", true};

std::optional<Address> parse_address(const std::string& text) {
  Address address{};
  if (::inet_pton(AF_INET6, text.c_str(), address.data()) == 1) return address;
  address = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};  // mapped, as parse_packet gives it
  if (::inet_pton(AF_INET, text.c_str(), address.data() + 12) == 1) return address;
  return std::nullopt;
}

std::optional<Address> read_address(JsonReader& in, const char* key) {
  if (!in.has(key)) return std::nullopt;
  auto address = parse_address(in.text(key));
  if (!address) in.fail(in.name_of(key), "an IPv4 or IPv6 address", in.member(key));
  return address;
}

std::optional<std::uint16_t> read_port(JsonReader& in, const char* key) {
  if (!in.has(key)) return std::nullopt;
  return static_cast<std::uint16_t>(in.required_number(key, kPort));
}

PriorityRule read_rule(const json& value, const std::string& where, const std::string& key,
                       std::optional<std::string>& error) {
  JsonReader in(value, where, key, {"server", "server_port", "client", "client_port", "protocol"}, error);
  PriorityRule rule;
  rule.server = read_address(in, "server");
  rule.client = read_address(in, "client");
  rule.server_port = read_port(in, "server_port");
  rule.client_port = read_port(in, "client_port");
  if (in.has("protocol")) {
    const json& protocol = in.member("protocol");
    if (protocol == "tcp") rule.protocol = kProtocolTcp;
    if (protocol == "udp") rule.protocol = kProtocolUdp;
    if (!rule.protocol) in.fail(in.name_of("protocol"), R"("tcp" or "udp")", protocol);
  }
  if (value.empty())
    in.fail(key, "server, server_port, client, client_port, protocol or several of them", value);
  return rule;
}

}  // namespace

bool PriorityRule::matches(const ParsedPacket& packet, Way way) const noexcept {
  const bool down = way == Way::kDown;
  const auto fits = [](const auto& wanted, const auto& found) { return !wanted || *wanted == found; };
  return fits(protocol, packet.protocol) &&
         fits(server_port, down ? packet.source_port : packet.destination_port) &&
         fits(client_port, down ? packet.destination_port : packet.source_port) &&
         fits(server, down ? packet.source : packet.destination) &&
         fits(client, down ? packet.destination : packet.source);
}

Result<std::vector<PriorityRule>> parse_priority(const json& list, const std::string& where) {
  std::optional<std::string> error;
  std::vector<PriorityRule> rules;
  const json whole = {{"priority", list}};
  JsonReader in(whole, where, "", {"priority"}, error);
  in.each("priority", kMostPriorityRules, [&](const json& each, const std::string& key) {
    rules.push_back(read_rule(each, where, key, error));
  });
  if (error) return Error{ErrorCode::kInvalidArgument, *error};
  return rules;
}

}  // namespace reelsense::path
