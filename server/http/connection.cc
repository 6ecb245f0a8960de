#include "server/http/connection.h"

#include <algorithm>
#include <boost/asio/error.hpp>
#include <charconv>
#include <cstring>

#include "server/base/logger.h"
#include "server/http/app.h"
#include "server/http/worker.h"

namespace reelsense::server {

namespace {

constexpr std::size_t kReadBuffer = 4 << 10;       // of an idle connection
constexpr std::size_t kKeptReadBuffer = 16 << 10;  // a larger one is given back between requests
constexpr std::uint64_t kDiscardBytes =
    64 << 10;  // of a refused request's body; a larger one costs the connection
constexpr double kLingerS = 2;
constexpr double kRefusedS = 2;
constexpr std::size_t kPartBytes = 256 << 10;  // of a download

}  // namespace

Connection::Connection(Worker& worker) : Exchange(worker) {}

Connection::~Connection() {
  release_body();
}

void Connection::start(bool refuse) {
  refuse_ = refuse;
  worker_.enter(self());
  services().metrics.connections(Api::kRest, 1);
  set_deadline(refuse ? kRefusedS : services().config.http.read_timeout_s);
  stream_start();
}

void Connection::on_started(const ErrorCode& error) {
  if (phase_ == Phase::kClosed) return;
  if (error) {
    services().metrics.refused(Api::kRest, "handshake");
    close_now();
    return;
  }
  phase_ = Phase::kHead;
  set_deadline(refuse_ ? kRefusedS : services().config.http.idle_timeout_s);
  advance();
  if (is_draining()) drain();  // the others were told before it was one of them
}

void Connection::set_deadline(double seconds) {
  deadline_ns_ = services().clock.steady_ns() + static_cast<std::int64_t>(seconds * 1e9);
}

void Connection::check_time(std::int64_t now_ns) {
  if (deadline_ns_ == 0 || now_ns < deadline_ns_) return;
  if (phase_ == Phase::kHead && buffered() == 0) {
    close_now();
    return;
  }
  if (phase_ == Phase::kHead || phase_ == Phase::kBody) {
    close_ = true;
    if (request_.id.empty()) reset_request();
    fail(Problem::of(ProblemType::kRequestTimeout, "the request did not arrive in time"));
    return;
  }
  if (phase_ != Phase::kLinger) services().metrics.refused(Api::kRest, "timeout");
  close_now();
}

void Connection::drain() {
  if (phase_ == Phase::kHead && buffered() == 0) close_now();
}

void Connection::close_now() {
  if (phase_ == Phase::kClosed) return;
  const bool answering = phase_ == Phase::kAnswer || phase_ == Phase::kStore;
  phase_ = Phase::kClosed;
  const std::shared_ptr<Connection> alive = self();
  cancel();
  stream_close();
  upload_.reset();
  worker_.leave(*this);
  app_.connections.fetch_sub(1);
  services().metrics.connections(Api::kRest, -1);
  if (answering && route_ != nullptr) {
    const double seconds = static_cast<double>(services().clock.steady_ns() - begun_ns_) / 1e9;
    services().metrics.request(Api::kRest, route_->pattern, "499", seconds);
  }
}

void Connection::advance() {
  if (advancing_) {
    again_ = true;
    return;
  }
  advancing_ = true;
  do {
    again_ = false;
    step();
  } while (again_);
  advancing_ = false;
  want_read();
}

void Connection::step() {
  switch (phase_) {
    case Phase::kHead:
      read_head();
      break;
    case Phase::kBody:
      read_body();
      break;
    case Phase::kDiscard:
      discard();
      break;
    default:
      break;
  }
}

void Connection::on_read(const ErrorCode& error, std::size_t bytes) {
  reading_ = false;
  if (phase_ == Phase::kClosed) return;
  if (error) {
    // A client that closes while its answer is made is gone; one that does so later may still want to read
    // it.
    eof_ = true;
    if (phase_ != Phase::kSend || error != boost::asio::error::eof) close_now();
    return;
  }
  if (reading_body_) {
    body_size_ += bytes;
    body_left_ -= bytes;
  } else {
    in_end_ += bytes;
  }
  if (phase_ == Phase::kLinger) in_begin_ = in_end_ = 0;
  advance();
}

void Connection::want_read() {
  if (reading_ || eof_) return;
  switch (phase_) {
    case Phase::kHead:
      read_into_buffer();
      return;
    case Phase::kBody:
      if (request_.head.chunked || fits_in_place()) {
        read_into_buffer();
      } else if (body_capacity_ > body_size_) {
        start_read(body_in_.get() + body_size_,
                   static_cast<std::size_t>(std::min<std::uint64_t>(body_left_, body_capacity_ - body_size_)),
                   true);
      }
      return;
    case Phase::kDiscard:
      read_into_buffer();
      return;
    case Phase::kAnswer:
    case Phase::kSend:
      if (in_size_ > in_end_) start_read(in_.get() + in_end_, in_size_ - in_end_, false);
      return;
    case Phase::kLinger:
      if (in_size_ != 0) start_read(in_.get(), in_size_, false);
      return;
    default:
      return;
  }
}

void Connection::start_read(char* to, std::size_t bytes, bool body) {
  reading_ = true;
  reading_body_ = body;
  stream_read(to, bytes);
}

void Connection::read_into_buffer() {
  make_room(1);
  start_read(in_.get() + in_end_, in_size_ - in_end_, false);
}

// Room for `bytes` more behind in_end_. Nothing is being read into the buffer.
void Connection::make_room(std::size_t bytes) {
  if (in_size_ - in_end_ >= bytes) return;
  if (in_begin_ > hold_) {
    std::memmove(in_.get() + hold_, in_.get() + in_begin_, buffered());
    in_end_ = hold_ + buffered();
    in_begin_ = hold_;
    if (in_size_ - in_end_ >= bytes) return;
  }
  const std::size_t size = std::max(kReadBuffer, (buffered() + bytes) * 2);
  std::unique_ptr<char[]> larger(new char[size + kJsonPadding]);
  if (buffered() != 0) std::memcpy(larger.get(), in_.get() + in_begin_, buffered());
  if (hold_ != 0) old_in_ = std::move(in_);
  in_ = std::move(larger);
  in_size_ = size;
  in_end_ = buffered();
  in_begin_ = 0;
  hold_ = 0;
}

void Connection::release_body() noexcept {
  if (body_capacity_ != 0) app_.body_bytes.fetch_sub(body_capacity_, std::memory_order_relaxed);
  body_in_.reset();
  body_capacity_ = 0;
  body_size_ = 0;
}

bool Connection::must_close() const noexcept {
  return !body_whole_ &&
         (request_.head.chunked || request_.head.expect_continue || body_left_ > kDiscardBytes);
}

void Connection::transmit() {
  if (!body_whole_ && !close_) {
    phase_ = Phase::kDiscard;
    set_deadline(services().config.http.read_timeout_s);
    advance();
    return;
  }
  begin_send();
}

// The rest of a refused request's body, before its answer.
void Connection::discard() {
  const auto bytes = static_cast<std::size_t>(std::min<std::uint64_t>(buffered(), body_left_));
  in_begin_ += bytes;
  body_left_ -= bytes;
  if (body_left_ != 0) return;
  body_whole_ = true;
  begin_send();
}

void Connection::begin_send() {
  phase_ = Phase::kSend;
  Buffers buffers = {boost::asio::buffer(head_), boost::asio::buffer(body_)};
  std::size_t written = stream_write_now(buffers);
  if (written == head_.size() + body_.size()) {
    on_sent();
    return;
  }
  for (boost::asio::const_buffer& buffer : buffers) {
    const std::size_t gone = std::min(written, buffer.size());
    buffer += gone;
    written -= gone;
  }
  set_deadline(services().config.http.write_timeout_s);
  stream_write(buffers);
  want_read();
}

void Connection::on_written(const ErrorCode& error) {
  if (phase_ == Phase::kClosed) return;
  if (error) {
    close_now();
    return;
  }
  if (phase_ == Phase::kContinue) {
    phase_ = Phase::kBody;
    set_deadline(services().config.http.read_timeout_s);
    advance();
    return;
  }
  on_sent();
}

void Connection::on_sent() {
  if (download_) {
    next_download_part();
  } else {
    finish_request();
  }
}

void Connection::next_download_part() {
  deadline_ns_ = 0;
  auto later = std::make_shared<Later>(keep());
  app_.background.run_next([this, later, download = download_] {
    std::string part;
    const Status status = download->read(part, kPartBytes);
    (*later)([this, status, part = std::move(part)](Exchange&) mutable {
      if (phase_ == Phase::kClosed) return;
      if (!status.ok()) {
        log_error("download cut short", {{"request_id", request_.id}, {"reason", status.error().message}});
        close_now();  // its length told the client: this is not all
        return;
      }
      if (part.empty()) {
        finish_request();
        return;
      }
      part_ = std::move(part);
      set_deadline(services().config.http.write_timeout_s);
      stream_write({boost::asio::buffer(part_), boost::asio::const_buffer()});
    });
  });
}

void Connection::finish_request() {
  const double seconds = static_cast<double>(services().clock.steady_ns() - begun_ns_) / 1e9;
  char status[8];
  const auto end = std::to_chars(status, status + sizeof status, status_);
  const std::string_view status_text(status, static_cast<std::size_t>(end.ptr - status));
  const std::string_view pattern = route_ == nullptr ? std::string_view("unmatched") : route_->pattern;
  services().metrics.request(Api::kRest, pattern, status_text, seconds);
  log_debug("request", {{"request_id", request_.id},
                        {"method", name_of(request_.head.method)},
                        {"route", pattern},
                        {"status", status_},
                        {"seconds", seconds}});
  upload_.reset();
  if (close_ || eof_) {
    linger();
    return;
  }
  clear_answer();
  release_body();
  old_in_.reset();
  request_.head = {};
  request_.path = request_.query = request_.body = request_.id = {};
  hold_ = 0;
  head_begun_ = false;
  if (!reading_ && buffered() == 0) {
    in_begin_ = in_end_ = 0;
    if (in_size_ > kKeptReadBuffer) {
      in_.reset();
      in_size_ = 0;
    }
  }
  phase_ = Phase::kHead;
  set_deadline(services().config.http.idle_timeout_s);
  advance();
}

// What the client still sends is read and dropped for a while, so that the answer is not lost to a reset.
void Connection::linger() {
  if (eof_) {
    close_now();
    return;
  }
  stream_shutdown();
  phase_ = Phase::kLinger;
  set_deadline(kLingerS);
  if (!reading_) {
    in_begin_ = in_end_ = 0;
    hold_ = 0;
  }
  want_read();
}

}  // namespace reelsense::server
