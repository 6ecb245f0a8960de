// What the end-to-end tests share: a whole server on a free port with the source tree's models, and a client
// that speaks HTTP byte by byte.
#pragma once

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "server/analyses/analyses.h"
#include "server/http/http_server.h"

namespace reelsense::server {

using Json = nlohmann::json;

class FakeClock final : public Clock {
 public:
  [[nodiscard]] std::int64_t steady_ns() const noexcept override { return now_ns.load(); }
  [[nodiscard]] std::int64_t wall_ns() const noexcept override { return kEpoch + now_ns.load(); }
  void advance(double seconds) { now_ns += static_cast<std::int64_t>(seconds * 1e9); }

 private:
  static constexpr std::int64_t kEpoch = 1'750'000'000'000'000'000;
  std::atomic<std::int64_t> now_ns{1'000'000'000};
};

struct Reply {
  int status = 0;                              // 0: the connection ended first
  std::map<std::string, std::string> headers;  // lower-case names
  std::string body;
  [[nodiscard]] Json json() const { return Json::parse(body); }
  [[nodiscard]] std::string problem() const { return status >= 400 ? json()["type"].get<std::string>() : ""; }
};

// One connection. Waits at most kPatienceS for anything: a test that would hang fails instead.
class Client {
 public:
  explicit Client(std::uint16_t port, int receive_buffer = 0) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    if (receive_buffer != 0)
      ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    const timeval patience{kPatienceS, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  ~Client() { close(); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  [[nodiscard]] bool connected() const { return connected_; }
  [[nodiscard]] int native() const { return socket_; }
  void close() {
    if (socket_ >= 0) ::close(socket_);
    socket_ = -1;
  }
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  // Until `end` is in what came; false: the connection ended or patience did.
  bool read_until(std::string_view end) {
    while (pending_.find(end) == std::string::npos) {
      if (!read_some()) return false;
    }
    return true;
  }
  Reply read(bool head_only = false) {
    Reply reply;
    if (!read_until("\r\n\r\n")) return reply;
    const std::size_t head_end = pending_.find("\r\n\r\n") + 4;
    std::string head = pending_.substr(0, head_end);
    pending_.erase(0, head_end);
    reply.status = std::atoi(head.c_str() + 9);
    for (std::size_t at = head.find("\r\n") + 2; at + 2 < head.size(); at = head.find("\r\n", at) + 2) {
      const std::size_t colon = head.find(": ", at);
      const std::size_t end = head.find("\r\n", at);
      std::string name = head.substr(at, colon - at);
      for (char& c : name) c = static_cast<char>(std::tolower(c));
      reply.headers[name] = head.substr(colon + 2, end - colon - 2);
    }
    const auto length = reply.headers.find("content-length");
    if (head_only || length == reply.headers.end()) return reply;
    const std::size_t bytes = std::stoul(length->second);
    while (pending_.size() < bytes) {
      if (!read_some()) return {};
    }
    reply.body = pending_.substr(0, bytes);
    pending_.erase(0, bytes);
    return reply;
  }
  // True if the server closes without another byte.
  bool ended() { return pending_.empty() && !read_some() && last_ == 0; }

  Reply ask(const std::string& method, const std::string& target, const std::string& body = {},
            const std::string& headers = {}) {
    std::string request = method + " " + target + " HTTP/1.1\r\nHost: test\r\n" + headers;
    if (!body.empty() || method == "POST" || method == "PUT") {
      request += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    }
    if (!send(request + "\r\n" + body)) return {};
    return read(method == "HEAD");
  }

 private:
  static constexpr int kPatienceS = 20;

  bool read_some() {
    char bytes[16384];
    last_ = ::recv(socket_, bytes, sizeof bytes, 0);
    if (last_ <= 0) return false;
    pending_.append(bytes, static_cast<std::size_t>(last_));
    return true;
  }

  int socket_;
  bool connected_ = false;
  ssize_t last_ = 0;
  std::string pending_;
};

class ServerTest : public ::testing::Test {
 protected:
  ServerTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "reelsense_http_XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    config_.http.listen = "127.0.0.1:0";
    config_.http.request_timeout_s = 300;  // a sanitizer's build compiles a network for long
    config_.models.default_model = "reelsense-ue-linear";
    config_.log.file.clear();
    config_.analyses.folder = folder_.string();
    engine_options_.max_wait_ns = 0;
    engine_options_.max_batch = 4;  // compiles less
  }
  ~ServerTest() override {
    server_.reset();
    analyses_.reset();
    engine_.reset();
    log_.reset();
    std::filesystem::remove_all(folder_);
  }

  // Every model is loaded once for all tests of the process.
  static ModelRepository& models() {
    static const std::unique_ptr<ModelRepository> repository = [] {
      ModelRepositoryOptions options;
      options.path = {std::filesystem::path(REELSENSE_SOURCE_DIR) / "models"};
      options.default_model = "reelsense-ue-linear";
      options.poll_s = 0;
      auto opened = ModelRepository::open(options);
      if (!opened.ok()) {
        ADD_FAILURE() << opened.error().message;
        std::abort();
      }
      return std::move(opened).value();
    }();
    return *repository;
  }

  void start() {
    std::vector<EngineObserver*> observers{&metrics_};
    engine_ = std::make_unique<Engine>(engine_options_, *clock_, observers);
    analyses_ = std::make_unique<Analyses>(config_, *clock_, *engine_);
    auto auth = Authenticator::open(config_);
    ASSERT_TRUE(auth.ok()) << auth.error().message;
    auth_ = std::move(auth).value();
    services_.reset(new Services{config_, *clock_, models(), *engine_, log_.get(), metrics_, watch_, *auth_,
                                 limiter_, *analyses_, "1.2.3"});
    services_->ready = true;
    auto server = HttpServer::start(*services_);
    ASSERT_TRUE(server.ok()) << server.error().message;
    server_ = std::move(server).value();
  }

  Reply ask(const std::string& method, const std::string& target, const std::string& body = {},
            const std::string& headers = {}) {
    return Client(server_->port()).ask(method, target, body, headers);
  }

  std::filesystem::path folder_;
  Config config_;
  SystemClock system_clock_;
  FakeClock fake_clock_;
  const Clock* clock_ = &system_clock_;
  EngineOptions engine_options_;
  Metrics metrics_;
  WatchHub watch_;
  RateLimiter limiter_;
  std::unique_ptr<InferenceLog> log_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Analyses> analyses_;
  std::unique_ptr<Authenticator> auth_;
  std::unique_ptr<Services> services_;
  std::unique_ptr<HttpServer> server_;
};

// A JSON array of `count` numbers, a pattern that differs with `seed`.
inline std::string some_numbers(std::size_t count, int seed, double scale = 0.25) {
  std::string out = "[";
  for (std::size_t i = 0; i < count; ++i) {
    const double value = static_cast<double>((static_cast<int>(i) * 7 + seed * 13) % 29) * scale;
    out += (i == 0 ? "" : ",") + Json(value).dump();
  }
  return out + "]";
}

inline std::string edge_window(const std::string& flow, int second, int seed) {
  return R"({"flow":")" + flow + R"(","second":)" + std::to_string(second) + R"(,"features":)" +
         some_numbers(48, seed) + R"(,"bins":)" + some_numbers(40, seed, 100) + "}";
}
inline std::string ue_window(const std::string& flow, int second, int seed) {
  return R"({"flow":")" + flow + R"(","second":)" + std::to_string(second) + R"(,"features":)" +
         some_numbers(48, seed) + "}";
}

}  // namespace reelsense::server
