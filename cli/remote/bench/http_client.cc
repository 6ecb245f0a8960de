#include "cli/remote/bench/http_client.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

namespace reelsense::cli {
namespace {

bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

// The value of a header field in a head, or an empty view.
std::string_view field(std::string_view head, std::string_view name) noexcept {
  while (!head.empty()) {
    const std::size_t end = std::min(head.find("\r\n"), head.size());
    const std::string_view line = head.substr(0, end);
    head.remove_prefix(std::min(end + 2, head.size()));
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || !equal_ignoring_case(line.substr(0, colon), name)) continue;
    std::string_view value = line.substr(colon + 1);
    while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
    while (!value.empty() && value.back() == ' ') value.remove_suffix(1);
    return value;
  }
  return {};
}

template <class Number>
bool read_number(std::string_view text, Number& value) noexcept {
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  return code == std::errc{} && end == text.data() + text.size();
}

}  // namespace

Result<HttpTarget> HttpTarget::find(const std::string& host, const std::string& port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  if (const int code = getaddrinfo(host.c_str(), port.c_str(), &hints, &list); code != 0) {
    return Error{ErrorCode::kNotFound, host + ": " + gai_strerror(code)};
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(list, freeaddrinfo);
  int reason = EADDRNOTAVAIL;
  for (const addrinfo* at = list; at != nullptr; at = at->ai_next) {
    const int fd = ::socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool there = fd >= 0 && ::connect(fd, at->ai_addr, at->ai_addrlen) == 0;
    if (!there) reason = errno;
    if (fd >= 0) ::close(fd);
    if (!there) continue;
    HttpTarget target;
    std::memcpy(&target.address, at->ai_addr, at->ai_addrlen);
    target.length = at->ai_addrlen;
    return target;
  }
  return Error{ErrorCode::kIo, std::string("the server cannot be reached: ") + std::strerror(reason)};
}

bool HttpConnection::connect() {
  disconnect();
  ++connects_;
  fd_ = ::socket(target_.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  if (fd_ < 0 || ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
      (::connect(fd_, reinterpret_cast<const sockaddr*>(&target_.address), target_.length) != 0 &&
       errno != EINPROGRESS)) {
    broken(std::strerror(errno));
    return false;
  }
  return true;
}

void HttpConnection::disconnect() noexcept {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
  out_.clear();
  in_.clear();
  written_ = head_bytes_ = body_bytes_ = 0;
  closes_ = false;
}

HttpConnection::State HttpConnection::broken(std::string why) {
  disconnect();
  problem_ = std::move(why);
  return State::kBroken;
}

HttpConnection::State HttpConnection::send(std::string_view request) {
  if (closes_ || fd_ < 0) {
    if (!connect()) return State::kBroken;
  }
  out_.assign(request);
  written_ = 0;
  in_.clear();
  head_bytes_ = 0;
  return write_some() ? State::kWaiting : State::kBroken;
}

bool HttpConnection::write_some() {
  while (written_ < out_.size()) {
    const ssize_t n = ::send(fd_, out_.data() + written_, out_.size() - written_, MSG_NOSIGNAL);
    if (n > 0) {
      written_ += static_cast<std::size_t>(n);
    } else if (errno == EAGAIN || errno == ENOTCONN || errno == EINPROGRESS) {
      return true;  // epoll tells when there is room
    } else if (errno != EINTR) {
      broken(std::strerror(errno));
      return false;
    }
  }
  return true;
}

HttpConnection::State HttpConnection::proceed() {
  if (fd_ < 0) return State::kBroken;
  if (written_ < out_.size() && !write_some()) return State::kBroken;
  return read_some();
}

HttpConnection::State HttpConnection::read_some() {
  char piece[65'536];
  for (;;) {
    const ssize_t n = ::recv(fd_, piece, sizeof piece, 0);
    if (n > 0) {
      if (in_.size() + static_cast<std::size_t>(n) > kMaxAnswerBytes)
        return broken("an answer of over 64 MiB");
      in_.append(piece, static_cast<std::size_t>(n));
      if (const State state = parse(); state != State::kWaiting) return state;
      if (static_cast<std::size_t>(n) < sizeof piece) return State::kWaiting;
    } else if (n == 0) {
      return broken("the server closed the connection");
    } else if (errno == EAGAIN || errno == ENOTCONN) {
      return State::kWaiting;
    } else if (errno != EINTR) {
      return broken(std::strerror(errno));
    }
  }
}

HttpConnection::State HttpConnection::parse() {
  if (head_bytes_ == 0) {
    const std::size_t end = in_.find("\r\n\r\n");
    if (end == std::string::npos) return State::kWaiting;
    const std::string_view head = std::string_view(in_).substr(0, end);
    if (head.size() < 12 || !head.starts_with("HTTP/1.1 ") ||
        !read_number(head.substr(9, 3), answer_.status)) {
      return broken("not an HTTP/1.1 answer");
    }
    const std::string_view fields = head.substr(std::min(head.find("\r\n") + 2, head.size()));
    if (!read_number(field(fields, "Content-Length"), body_bytes_))
      return broken("an answer without Content-Length");
    closes_ = equal_ignoring_case(field(fields, "Connection"), "close");
    head_bytes_ = end + 4;
  }
  if (in_.size() - head_bytes_ < body_bytes_) return State::kWaiting;
  answer_.body = std::string_view(in_).substr(head_bytes_, body_bytes_);
  return State::kAnswered;
}

}  // namespace reelsense::cli
