// HttpConnection: one kept-alive HTTP/1.1 connection that never blocks, one request at a time. Just what a
// load needs: answers with Content-Length, no redirects, no chunks, no TLS. Thread safety: none.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "reelsense/base/result.h"

namespace reelsense::cli {

struct HttpAnswer {
  int status = 0;
  std::string_view body;  // valid until the next call
};

// Where to connect to, again and again.
struct HttpTarget {
  sockaddr_storage address{};
  socklen_t length = 0;

  // The first address of the host that takes a connection.
  static Result<HttpTarget> find(const std::string& host, const std::string& port);
};

class HttpConnection {
 public:
  enum class State : std::uint8_t { kWaiting, kAnswered, kBroken };

  explicit HttpConnection(const HttpTarget& target) : target_(target) {}
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;
  ~HttpConnection() { disconnect(); }

  // Begins to connect. False: problem() says why.
  bool connect();
  void disconnect() noexcept;
  [[nodiscard]] bool connected() const noexcept { return fd_ >= 0; }
  [[nodiscard]] int fd() const noexcept { return fd_; }
  [[nodiscard]] std::uint64_t connects() const noexcept { return connects_; }  // changes with the socket

  // Begins to send; the last answer must have been taken. `request` is head and body.
  State send(std::string_view request);
  // The socket is ready: goes on. kAnswered: answer() is whole.
  State proceed();
  [[nodiscard]] bool writing() const noexcept { return written_ < out_.size(); }
  [[nodiscard]] const HttpAnswer& answer() const noexcept { return answer_; }
  [[nodiscard]] const std::string& problem() const noexcept { return problem_; }

 private:
  static constexpr std::size_t kMaxAnswerBytes = 64U << 20;

  State broken(std::string why);
  bool write_some();
  State read_some();
  State parse();

  const HttpTarget& target_;
  int fd_ = -1;
  std::uint64_t connects_ = 0;
  std::string out_;
  std::size_t written_ = 0;
  std::string in_;
  std::size_t head_bytes_ = 0;  // 0: the head is not whole
  std::size_t body_bytes_ = 0;
  bool closes_ = false;  // the server closes after this answer
  HttpAnswer answer_;
  std::string problem_;
};

}  // namespace reelsense::cli
