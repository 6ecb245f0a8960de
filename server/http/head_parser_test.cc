#include "server/http/head_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reelsense::server {
namespace {

using ::testing::HasSubstr;

struct Body final : HeadParser::Sink {
  bool on_body(std::string_view part) override {
    text += part;
    return text.size() <= most;
  }
  std::string text;
  std::size_t most = 1000;
};

TEST(FindHeadEnd, Piecewise_IsFoundWherePiecesMeet) {
  const std::string bytes = "GET / HTTP/1.1\r\n\r\nrest";
  EXPECT_EQ(find_head_end(bytes, 0), 18U);
  EXPECT_EQ(find_head_end(bytes, 17), 18U);
  EXPECT_EQ(find_head_end(bytes.substr(0, 17), 0), 0U);
}

TEST(HeadParser, Head_Fields_AreViewsOfIt) {
  const std::string bytes =
      "POST /v1/classify?x=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 12\r\nCONTENT-TYPE: application/json\r\n"
      "X-Api-Key: k\r\nx-request-id: r1\r\nInference-Header-Content-Length: 7\r\nExpect: "
      "100-Continue\r\n\r\n";
  HeadParser parser;
  Head head;
  ASSERT_TRUE(parser.parse_head(bytes, head)) << parser.error();
  EXPECT_EQ(head.method, Method::kPost);
  EXPECT_EQ(head.target, "/v1/classify?x=1");
  EXPECT_EQ(head.content_length, 12U);
  EXPECT_EQ(head.content_type, "application/json");
  EXPECT_EQ(head.api_key, "k");
  EXPECT_EQ(head.request_id, "r1");
  EXPECT_EQ(head.infer_header_bytes, "7");
  EXPECT_TRUE(head.expect_continue);
  EXPECT_TRUE(head.keep_alive);
  EXPECT_FALSE(head.chunked);
}

TEST(HeadParser, KeepAlive_ByVersionAndField) {
  const auto keep_alive = [](const std::string& bytes) {
    HeadParser parser;
    Head head;
    EXPECT_TRUE(parser.parse_head(bytes, head)) << parser.error();
    return head.keep_alive;
  };
  EXPECT_FALSE(keep_alive("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"));
  EXPECT_FALSE(keep_alive("GET / HTTP/1.0\r\n\r\n"));
  EXPECT_TRUE(keep_alive("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
}

TEST(HeadParser, Malformed_IsRefusedWithAReason) {
  for (
      const char* bytes : {
          "GET / HTTP/1.1\r\n\r\n",                                                       // no Host
          "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",                                 // two
          "GET / HTTP/2.0\r\nHost: a\r\n\r\n",                                            // another version
          "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",                              // folded
          "GET / HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n",                             // not a token
          "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",                      // not a length
          "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",  // two
          "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",  // smuggling
          "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
          "\x16\x03\x01\r\n\r\n",
      }) {
    HeadParser parser;
    Head head;
    EXPECT_FALSE(parser.parse_head(bytes, head)) << bytes;
    EXPECT_NE(parser.error(), "") << bytes;
  }
}

constexpr const char* kChunkedHead = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";

TEST(HeadParser, Chunks_ByteByByte_GiveTheBody) {
  HeadParser parser;
  Head head;
  const std::string head_bytes = kChunkedHead;
  ASSERT_TRUE(parser.parse_head(head_bytes, head));
  ASSERT_TRUE(head.chunked);
  const std::string chunks =
      "4;ext=1\r\nWiki\r\n5\r\npedia\r\n0\r\nHost: trailer\r\nX-Api-Key: forged\r\n\r\nGET /";
  Body body;
  std::string pending;
  std::size_t fed = 0;
  while (!parser.done() && fed < chunks.size()) {
    pending += chunks[fed++];
    pending.erase(0, parser.parse_chunks(pending, body));
    ASSERT_FALSE(parser.failed()) << parser.error();
  }
  EXPECT_EQ(body.text, "Wikipedia");
  EXPECT_EQ(head.api_key, "");
  EXPECT_EQ(chunks.substr(fed), "GET /");
}

TEST(HeadParser, Chunks_TooMuchOrMalformed_Fails) {
  const std::string head_bytes = kChunkedHead;
  for (const char* chunks :
       {"4\r\nWikipedia\r\n0\r\n\r\n", "zz\r\n", "ffffffffffffffffff\r\n", "5\r\nabcde\r\n"}) {
    HeadParser parser;
    Head head;
    ASSERT_TRUE(parser.parse_head(head_bytes, head));
    Body body;
    body.most = 4;
    std::string_view rest = chunks;
    for (int i = 0; i < 4 && !parser.failed(); ++i) rest.remove_prefix(parser.parse_chunks(rest, body));
    EXPECT_TRUE(parser.failed()) << chunks;
  }
}

}  // namespace
}  // namespace reelsense::server
