#include "priority.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "frame.h"

namespace reelsense::path {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

Address ipv4(std::uint8_t last) {
  return {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 77, 0, last};
}

ParsedPacket packet_down() {
  ParsedPacket packet;
  packet.source = ipv4(10);
  packet.destination = ipv4(2);
  packet.source_port = 443;
  packet.destination_port = 40000;
  packet.protocol = kProtocolUdp;
  return packet;
}

ParsedPacket reversed(const ParsedPacket& packet) {
  ParsedPacket back = packet;
  std::swap(back.source, back.destination);
  std::swap(back.source_port, back.destination_port);
  return back;
}

PriorityRule rule(const char* text) {
  auto rules = parse_priority(json::parse(std::string("[") + text + "]"), "control");
  EXPECT_TRUE(rules.ok()) << rules.error().message;
  return rules.value().at(0);
}

TEST(Priority_Matches, ServersAddressPortProtocol_BothWays) {
  for (const char* text : {R"({"server": "10.77.0.10"})", R"({"server_port": 443, "protocol": "udp"})",
                           R"({"server": "10.77.0.10", "server_port": 443, "client": "10.77.0.2",
                               "client_port": 40000, "protocol": "udp"})"}) {
    EXPECT_TRUE(rule(text).matches(packet_down(), Way::kDown)) << text;
    EXPECT_TRUE(rule(text).matches(reversed(packet_down()), Way::kUp)) << text;
  }
}

TEST(Priority_Matches, OneFieldDiffers_DoesNot) {
  for (const char* text :
       {R"({"server": "10.77.0.11"})", R"({"server_port": 40000})", R"({"protocol": "tcp"})",
        R"({"server": "10.77.0.10", "client_port": 40001})", R"({"client": "fd77:77::2"})"}) {
    EXPECT_FALSE(rule(text).matches(packet_down(), Way::kDown)) << text;
  }
  EXPECT_FALSE(rule(R"({"server": "10.77.0.10"})").matches(packet_down(), Way::kUp));
}

TEST(Priority_Parse, Mistake_NamesKeyAndExpectation) {
  const auto error = [](const char* text) {
    const auto rules = parse_priority(json::parse(text), "control");
    return rules.ok() ? std::string("no error") : rules.error().message;
  };
  EXPECT_EQ(error("[]"), "no error");
  EXPECT_THAT(error("{}"), HasSubstr("control: priority: expected a list"));
  EXPECT_THAT(error("[{}]"), HasSubstr("priority[0]: expected server, server_port"));
  EXPECT_THAT(error("[3]"), HasSubstr("priority[0]: expected an object, got 3"));
  EXPECT_THAT(error(R"([{"port": 1}])"), HasSubstr("priority[0].port: unknown key"));
  EXPECT_THAT(error(R"([{"server": "10.77.0"}])"),
              HasSubstr("priority[0].server: expected an IPv4 or IPv6 address"));
  EXPECT_THAT(error(R"([{"server_port": 65536}])"), HasSubstr("a whole number of port from 0 to 65535"));
  EXPECT_THAT(error(R"([{"protocol": "icmp"}])"), HasSubstr(R"(expected "tcp" or "udp")"));
}

std::vector<std::uint8_t> ethernet(std::uint8_t high, std::uint8_t low) {
  std::vector<std::uint8_t> frame(80, 0);
  frame[12] = high;
  frame[13] = low;
  return frame;
}

TEST(Frame_Exempt, ArpAndDiscovery_AreAndIpIsNot) {
  EXPECT_TRUE(is_exempt(ethernet(0x08, 0x06)));
  EXPECT_FALSE(is_exempt(ethernet(0x08, 0x00)));
  auto ipv6 = ethernet(0x86, 0xdd);
  EXPECT_FALSE(is_exempt(ipv6));
  ipv6[20] = 58;
  ipv6[54] = 128;  // echo request
  EXPECT_FALSE(is_exempt(ipv6));
  for (std::uint8_t type = 133; type <= 137; ++type) {
    ipv6[54] = type;
    EXPECT_TRUE(is_exempt(ipv6));
  }
  EXPECT_FALSE(is_exempt(std::span(ipv6).first(50)));
}

}  // namespace
}  // namespace reelsense::path
