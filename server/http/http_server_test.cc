// End to end: protocol, limits and life of the server. What the routes answer is in http_api_test.cc.
#include "server/http/http_server.h"

#include "server/http/server_fixture.h"

namespace reelsense::server {
namespace {

using ::testing::HasSubstr;

const std::string kJsonHeader = "Content-Type: application/json\r\n";

TEST_F(ServerTest, KeepAlive_ManyRequests_OneConnection) {
  start();
  Client client(server_->port());
  for (int i = 0; i < 20; ++i) {
    const Reply reply = client.ask("GET", "/v2/health/live");
    ASSERT_EQ(reply.status, 200);
    EXPECT_EQ(reply.body, R"({"live":true})");
    EXPECT_FALSE(reply.headers.at("x-request-id").empty());
  }
}

TEST_F(ServerTest, Pipelined_Requests_AnsweredInOrder) {
  start();
  Client client(server_->port());
  std::string all;
  constexpr int kRequests = 50;
  for (int i = 0; i < kRequests; ++i) {
    const std::string body = R"({"windows":[)" + ue_window("flow-" + std::to_string(i), 1, i) + "]}";
    all += "POST /v1/classify HTTP/1.1\r\nHost: t\r\nX-Request-Id: r" + std::to_string(i) +
           "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }
  ASSERT_TRUE(client.send(all));
  for (int i = 0; i < kRequests; ++i) {
    const Reply reply = client.read();
    ASSERT_EQ(reply.status, 200) << reply.body;
    EXPECT_EQ(reply.headers.at("x-request-id"), "r" + std::to_string(i));
    EXPECT_EQ(reply.json()["labels"][0]["flow"], "flow-" + std::to_string(i));
  }
}

TEST_F(ServerTest, Request_InPiecesOfAnySize_IsTheSame) {
  start();
  const std::string body = R"({"windows":[)" + ue_window("f", 1, 3) + "]}";
  const std::string fixed = "POST /v1/classify HTTP/1.1\r\nHost: t\r\n" + kJsonHeader +
                            "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  std::string chunked = "POST /v1/classify HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (std::size_t at = 0; at < body.size(); at += 100) {
    const std::string part = body.substr(at, 100);
    char size[16];
    std::snprintf(size, sizeof size, "%zx\r\n", part.size());
    chunked += size + part + "\r\n";
  }
  chunked += "0\r\n\r\n";
  std::string expected;
  for (const std::string& request : {fixed, chunked}) {
    for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{300}, request.size()}) {
      Client client(server_->port());
      for (std::size_t at = 0; at < request.size(); at += piece)
        ASSERT_TRUE(client.send(request.substr(at, piece)));
      const Reply reply = client.read();
      ASSERT_EQ(reply.status, 200) << reply.body;
      const std::string label = reply.json()["labels"][0]["probability"].dump();
      if (expected.empty()) expected = label;
      EXPECT_EQ(label, expected);
    }
  }
}

TEST_F(ServerTest, Body_LargerThanTheReadBuffer_IsReadWhole) {
  start();
  Client client(server_->port());
  for (const int windows : {64, 1000, 2}) {
    std::string body = R"({"windows":[)";
    for (int i = 0; i < windows; ++i)
      body += (i == 0 ? "" : ",") + ue_window("big-" + std::to_string(i), 5, i);
    const Reply reply = client.ask("POST", "/v1/classify", body + "]}");
    ASSERT_EQ(reply.status, 200) << reply.body;
    EXPECT_EQ(reply.json()["labels"].size(), static_cast<std::size_t>(windows));
  }
}

TEST_F(ServerTest, Expect_100Continue_IsToldToGoOn) {
  start();
  Client client(server_->port());
  const std::string body = R"({"windows":[]})";
  ASSERT_TRUE(
      client.send("POST /v1/classify HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: " +
                  std::to_string(body.size()) + "\r\n\r\n"));
  ASSERT_TRUE(client.read_until("\r\n\r\n"));
  EXPECT_EQ(client.read().status, 100);
  ASSERT_TRUE(client.send(body));
  EXPECT_EQ(client.read().status, 200);
}

TEST_F(ServerTest, Expect_OfARefusedRequest_IsRefusedAtOnce) {
  start();
  Client client(server_->port());
  ASSERT_TRUE(
      client.send("POST /nowhere HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n"));
  const Reply reply = client.read();
  EXPECT_EQ(reply.status, 404);
  EXPECT_EQ(reply.headers.at("connection"), "close");
}

TEST_F(ServerTest, Head_AnswersAsGetWithoutBody) {
  start();
  Client client(server_->port());
  const Reply head = client.ask("HEAD", "/docs");
  EXPECT_EQ(head.status, 200);
  EXPECT_GT(std::stoul(head.headers.at("content-length")), 1000U);
  EXPECT_EQ(client.ask("GET", "/v2/health/live").status, 200);
}

TEST_F(ServerTest, Http10_ClosesUnlessAskedNotTo) {
  start();
  Client once(server_->port());
  ASSERT_TRUE(once.send("GET /v2/health/live HTTP/1.0\r\n\r\n"));
  EXPECT_EQ(once.read().status, 200);
  EXPECT_TRUE(once.ended());
  Client kept(server_->port());
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(kept.send("GET /v2/health/live HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    const Reply reply = kept.read();
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.headers.at("connection"), "keep-alive");
  }
}

TEST_F(ServerTest, Malformed_Http_IsAnsweredAndClosed) {
  start();
  for (const char* bytes :
       {"GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "GET / HTTP/3.0\r\nHost: t\r\n\r\n", "GET nowhere HTTP/1.1\r\nHost: t\r\n\r\n",
        "POST /v1/classify HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "GET / HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"}) {
    Client client(server_->port());
    ASSERT_TRUE(client.send(bytes));
    const Reply reply = client.read();
    EXPECT_EQ(reply.status, 400) << bytes;
    EXPECT_EQ(reply.headers.at("content-type"), "application/problem+json");
  }
  EXPECT_EQ(ask("GET", "/v2/health/live").status, 200);
}

TEST_F(ServerTest, Limits_OfHeaderAndBody_Hold) {
  config_.http.max_header_bytes = 1000;
  config_.http.max_body_bytes = 2000;
  start();
  EXPECT_EQ(ask("GET", "/v2/health/live", {}, "X-Long: " + std::string(1000, 'x') + "\r\n").status, 431);
  Client endless(server_->port());
  ASSERT_TRUE(endless.send("GET /" + std::string(5000, 'x')));
  EXPECT_EQ(endless.read().status, 431);
  // Small enough to be read away: the connection is kept.
  Client kept(server_->port());
  const Reply large = kept.ask("POST", "/v1/classify", std::string(2001, ' '));
  EXPECT_EQ(large.status, 413);
  EXPECT_EQ(large.problem(), "/problems/too-large");
  EXPECT_EQ(kept.ask("GET", "/v2/health/live").status, 200);
  // Too large for that.
  Client closed(server_->port());
  ASSERT_TRUE(closed.send("POST /v1/classify HTTP/1.1\r\nHost: t\r\nContent-Length: 1000000000\r\n\r\n"));
  const Reply huge = closed.read();
  EXPECT_EQ(huge.status, 413);
  EXPECT_EQ(huge.headers.at("connection"), "close");
  EXPECT_TRUE(closed.ended());
  Client chunked(server_->port());
  ASSERT_TRUE(
      chunked.send("POST /v1/classify HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n7d1\r\n" +
                   std::string(2001, ' ')));
  EXPECT_EQ(chunked.read().status, 413);
}

TEST_F(ServerTest, Types_OfBodies_AreChecked) {
  start();
  const std::string body = R"({"windows":[]})";
  EXPECT_EQ(ask("POST", "/v1/classify", body).status, 200);
  EXPECT_EQ(ask("POST", "/v1/classify", body, "Content-Type: application/json; charset=utf-8\r\n").status,
            200);
  for (const char* type :
       {"text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/xml"}) {
    EXPECT_EQ(ask("POST", "/v1/classify", body, "Content-Type: " + std::string(type) + "\r\n").status, 415)
        << type;
  }
  EXPECT_EQ(ask("POST", "/v1/classify", body, "Content-Encoding: gzip\r\n").status, 415);
}

TEST_F(ServerTest, UnknownPathsAndMethods_AreTold) {
  start();
  const Reply path = ask("GET", "/v1/nothing");
  EXPECT_EQ(path.status, 404);
  EXPECT_EQ(path.problem(), "/problems/not-found");
  const Reply method = ask("GET", "/v1/classify");
  EXPECT_EQ(method.status, 405);
  EXPECT_EQ(method.headers.at("allow"), "POST");
  EXPECT_EQ(ask("PATCH", "/v1/models").headers.at("allow"), "GET, HEAD");
}

TEST_F(ServerTest, RequestId_SaneOnes_AreEchoed) {
  start();
  const Reply echoed = ask("GET", "/nowhere", {}, "X-Request-Id: trace-1\r\n");
  EXPECT_EQ(echoed.headers.at("x-request-id"), "trace-1");
  EXPECT_EQ(echoed.json()["request_id"], "trace-1");
  EXPECT_NE(ask("GET", "/nowhere", {}, "X-Request-Id: a b\r\n").headers.at("x-request-id"), "a b");
}

TEST_F(ServerTest, SlowRequest_IsTimedOut) {
  clock_ = &fake_clock_;
  start();
  Client head(server_->port());
  Client body(server_->port());
  ASSERT_TRUE(head.send("GET /v2/health/li"));
  ASSERT_TRUE(body.send("POST /v1/classify HTTP/1.1\r\nHost: t\r\nContent-Length: 100\r\n\r\n{"));
  // Both have been seen by the server once another connection's later request is answered.
  Client other(server_->port());
  ASSERT_EQ(other.ask("GET", "/v2/health/live").status, 200);
  fake_clock_.advance(config_.http.read_timeout_s + 1);
  EXPECT_EQ(head.read().status, 408);
  const Reply reply = body.read();
  EXPECT_EQ(reply.problem(), "/problems/request-timeout");
  EXPECT_EQ(reply.headers.at("connection"), "close");
}

TEST_F(ServerTest, IdleConnection_IsClosedWithoutAWord) {
  clock_ = &fake_clock_;
  start();
  Client client(server_->port());
  ASSERT_EQ(client.ask("GET", "/v2/health/live").status, 200);
  // Its time runs once its answer was sent, which is before another connection is answered.
  ASSERT_EQ(ask("GET", "/v2/health/live").status, 200);
  fake_clock_.advance(config_.http.idle_timeout_s + 1);
  EXPECT_TRUE(client.ended());
}

TEST_F(ServerTest, ClientThatDoesNotRead_IsCutOff) {
  clock_ = &fake_clock_;
  start();
  Client client(server_->port(), 4096);
  // Requests for the page until the server's answers fill every buffer and it reads no more.
  const timeval short_patience{0, 200'000};
  ::setsockopt(client.native(), SOL_SOCKET, SO_SNDTIMEO, &short_patience, sizeof short_patience);
  const std::string request = "GET /docs HTTP/1.1\r\nHost: t\r\n\r\n";
  std::string many;
  for (int i = 0; i < 1000; ++i) many += request;
  bool stuck = false;
  for (int i = 0; i < 2000 && !stuck; ++i) stuck = !client.send(many);
  ASSERT_TRUE(stuck);
  // Its answers go nowhere and it is let go: only the connection that asks is left.
  Client other(server_->port());
  const std::string left = "reelsense_server_connections{api=\"rest\"} 1\n";
  std::string metrics;
  do {
    fake_clock_.advance(config_.http.write_timeout_s + 1);
    metrics = other.ask("GET", "/metrics").body;
    ASSERT_FALSE(metrics.empty());
  } while (metrics.find(left) == std::string::npos);
  EXPECT_THAT(metrics, HasSubstr(R"(reason="timeout")"));
}

TEST_F(ServerTest, Connections_OverTheLimit_AreToldToComeBack) {
  config_.http.max_connections = 2;
  start();
  Client one(server_->port());
  Client two(server_->port());
  ASSERT_EQ(one.ask("GET", "/v2/health/live").status, 200);
  ASSERT_EQ(two.ask("GET", "/v2/health/live").status, 200);
  Client three(server_->port());
  const Reply refused = three.ask("GET", "/v2/health/live");
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.problem(), "/problems/busy");
  EXPECT_EQ(refused.headers.at("retry-after"), "1");
  EXPECT_EQ(one.ask("GET", "/v2/health/live").status, 200);
}

TEST_F(ServerTest, IdleConnections_ByTheHundred_AreServedOn) {
  start();
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 400; ++i) {
    clients.push_back(std::make_unique<Client>(server_->port()));
    ASSERT_TRUE(clients.back()->connected());
  }
  for (const auto& client : clients) EXPECT_EQ(client->ask("GET", "/v2/health/live").status, 200);
}

TEST_F(ServerTest, Threads_Several_ShareTheConnections) {
  config_.http.threads = 3;
  start();
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 12; ++i) clients.push_back(std::make_unique<Client>(server_->port()));
  for (int round = 1; round < 4; ++round) {
    for (std::size_t i = 0; i < clients.size(); ++i) {
      const std::string body =
          R"({"model":"reelsense-edge","windows":[)" + edge_window(std::to_string(i), round, round) + "]}";
      ASSERT_EQ(clients[i]->ask("POST", "/v1/classify", body).status, 200);
    }
  }
}

TEST_F(ServerTest, Drain_ClosesIdleAndTakesNothingNew) {
  start();
  Client idle(server_->port());
  ASSERT_EQ(idle.ask("GET", "/v2/health/live").status, 200);
  server_->stop_accepting();
  EXPECT_TRUE(idle.ended());
  // The listening socket is gone once the first worker has closed it; connections after that are refused.
  bool refused = false;
  for (int i = 0; i < 1000 && !refused; ++i)
    refused = Client(server_->port()).ask("GET", "/v2/health/live").status == 0;
  EXPECT_TRUE(refused);
  server_->stop(std::chrono::seconds(1));
}

TEST_F(ServerTest, EngineDrains_RequestsAreRefusedAsDraining) {
  start();
  Client client(server_->port());
  ASSERT_EQ(client.ask("GET", "/v2/health/ready").status, 200);
  services_->ready = false;
  engine_->drain(0);
  const Reply reply = client.ask("POST", "/v1/classify", R"({"windows":[)" + ue_window("f", 1, 1) + "]}");
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(reply.problem(), "/problems/draining");
  const Reply ready = client.ask("GET", "/v2/health/ready");
  EXPECT_EQ(ready.status, 503);
  EXPECT_EQ(ready.problem(), "/problems/not-ready");
  EXPECT_EQ(client.ask("GET", "/v2/health/live").status, 200);
}

TEST_F(ServerTest, ClientsThatVanish_LeaveTheServerServing) {
  start();
  const std::string body = R"({"model":"reelsense-edge","windows":[)" + edge_window("v", 1, 1) + "]}";
  const std::string request =
      "POST /v1/classify HTTP/1.1\r\nHost: t\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
      body;
  for (std::size_t i = 0; i < 200; ++i) {
    Client client(server_->port());
    ASSERT_TRUE(client.send(request.substr(0, i % 2 == 0 ? request.size() : i)));
    const linger reset{1, 0};
    if (i % 3 == 0) ::setsockopt(client.native(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  }
  EXPECT_EQ(ask("POST", "/v1/classify", R"({"windows":[)" + ue_window("w", 1, 1) + "]}").status, 200);
  server_->stop(std::chrono::seconds(1));
}

TEST_F(ServerTest, Port_Taken_IsAnError) {
  start();
  config_.http.listen = "127.0.0.1:" + std::to_string(server_->port());
  const auto second = HttpServer::start(*services_);
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(second.error().message, HasSubstr("http.listen: 127.0.0.1:"));
}

}  // namespace
}  // namespace reelsense::server
