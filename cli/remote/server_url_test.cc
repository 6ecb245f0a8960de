#include "cli/remote/server_url.h"

#include <gtest/gtest.h>

namespace reelsense::cli {
namespace {

TEST(ServerUrl, EveryForm_IsRead) {
  const ServerUrl bare = parse_server_url("localhost:8081").value();
  EXPECT_EQ(bare.scheme, UrlScheme::kGrpc);
  EXPECT_EQ(bare.authority(), "localhost:8081");
  EXPECT_TRUE(bare.is_loopback());

  const ServerUrl tls = parse_server_url("grpcs://edge-1.example.org:443/").value();
  EXPECT_EQ(tls.scheme, UrlScheme::kGrpcTls);
  EXPECT_EQ(tls.host, "edge-1.example.org");
  EXPECT_EQ(tls.port, "443");
  EXPECT_FALSE(tls.is_loopback());

  const ServerUrl ipv6 = parse_server_url("grpc://[::1]:8081").value();
  EXPECT_EQ(ipv6.host, "::1");
  EXPECT_EQ(ipv6.authority(), "[::1]:8081");
  EXPECT_TRUE(ipv6.is_loopback());

  EXPECT_EQ(parse_server_url("http://127.0.0.1:8080").value().scheme, UrlScheme::kHttp);
}

TEST(ServerUrl, Others_AreNamedInTheError) {
  for (const char* text :
       {"", "localhost", "localhost:", ":8081", "grpc://", "https://a:1", "a:0", "a:65536", "a:1x", "::1:80",
        "[::1]", "[]:80", "a b:1", "a/b:1", "grpc://grpc://a:1", "user@a:1"}) {
    const auto url = parse_server_url(text);
    ASSERT_FALSE(url.ok()) << text;
    EXPECT_EQ(url.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(url.error().message.find("'" + std::string(text) + "'"), std::string::npos);
  }
}

}  // namespace
}  // namespace reelsense::cli
