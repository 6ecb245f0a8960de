#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/config/config.h"

namespace reelsense::server {
namespace {

using ::testing::HasSubstr;

TEST(ParseEndpoint, HostAndPort_GivesTheParts) {
  const auto v4 = parse_endpoint("127.0.0.1:8080");
  ASSERT_TRUE(v4.ok());
  EXPECT_EQ(v4.value().host, "127.0.0.1");
  EXPECT_EQ(v4.value().port, 8080);
  const auto v6 = parse_endpoint("[::1]:65535");
  ASSERT_TRUE(v6.ok());
  EXPECT_EQ(v6.value().host, "::1");
  EXPECT_EQ(v6.value().port, 65535);
  const auto name = parse_endpoint("edge-1.example_net.org:0");
  ASSERT_TRUE(name.ok());
  EXPECT_EQ(name.value().host, "edge-1.example_net.org");
  EXPECT_EQ(name.value().port, 0);
}

TEST(ParseEndpoint, Malformed_SaysWhatIsWrong) {
  const std::pair<std::string, const char*> bad[] = {
      {"", "no port"},
      {"localhost", "no port"},
      {":8080", "no host"},
      {"localhost:", "0 to 65535"},
      {"localhost:65536", "0 to 65535"},
      {"localhost:-1", "0 to 65535"},
      {"localhost:80x", "0 to 65535"},
      {"localhost: 80", "0 to 65535"},
      {"::1:80", "needs brackets"},
      {"[::1:80", "needs brackets"},
      {"[]:80", "no IPv6 address"},
      {"[127.0.0.1]:80", "no IPv6 address"},
      {"[::g]:80", "no IPv6 address"},
      {"256.0.0.1:80", "neither a name nor an IPv4"},
      {"127.1:80", "neither a name nor an IPv4"},
      {"-host:80", "neither a name nor an IPv4"},
      {"ho st:80", "neither a name nor an IPv4"},
      {"a..b:80", "neither a name nor an IPv4"},
      {std::string(254, 'a') + ":80", "neither a name nor an IPv4"},
      {std::string("127.0.0.1\0.example.org:80", 25), "neither a name nor an IPv4"},
      {std::string("[::1\0x]:80", 10), "no IPv6 address"},
  };
  for (const auto& [text, reason] : bad) {
    const auto read = parse_endpoint(text);
    ASSERT_FALSE(read.ok()) << text;
    EXPECT_THAT(read.error().message, HasSubstr(reason)) << text;
    EXPECT_THAT(read.error().message, HasSubstr("expected \"host:port\"")) << text;
  }
}

TEST(IsLoopback, Hosts_OnlyThisOnesOwn) {
  for (const char* host :
       {"127.0.0.1", "127.255.0.9", "::1", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1", "localhost", "LocalHost"}) {
    EXPECT_TRUE(is_loopback({host, 80})) << host;
  }
  for (const char* host : {"0.0.0.0", "128.0.0.1", "10.0.0.1", "::", "::2", "fe80::1", "::ffff:10.0.0.1",
                           "localhost.example.org", "local", "", "127.0.0.1.example.org"}) {
    EXPECT_FALSE(is_loopback({host, 80})) << host;
  }
}

}  // namespace
}  // namespace reelsense::server
