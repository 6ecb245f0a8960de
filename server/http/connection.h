// Connection: one client's HTTP/1.1, request after request.
//
//   handshake → head → body → answer → send → head …        continue: "100 Continue" is being sent
//                  ↘ discard (a small body of a request that is refused) ↗     store: a part of an upload is
//                  written
//                                                                         linger → closed
//
// Requests are answered one at a time, in order; what a client pipelines waits in the read buffer, which is
// bounded, and then in its own socket. While an answer is made the socket is read on, so that a client that
// goes away is noticed and its windows cancelled. A body that fits the read buffer is parsed where it is.
// Every phase but the making of an answer has a deadline, kept by the worker's tick.
//
// Thread safety: none; everything on its worker's thread. The stream below is a template method: plain or
// TLS.
#pragma once

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/system/error_code.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "server/http/exchange.h"
#include "server/http/head_parser.h"

namespace reelsense::server {

class Connection : public Exchange,
                   public std::enable_shared_from_this<Connection>,
                   private HeadParser::Sink {
 public:
  using ErrorCode = boost::system::error_code;
  using Buffers = std::array<boost::asio::const_buffer, 2>;

  ~Connection() override;
  // `refuse`: one too many; its first request is answered with `busy`.
  void start(bool refuse);
  void check_time(std::int64_t now_ns);
  void drain();
  void close_now();

 protected:
  explicit Connection(Worker& worker);

  // The stream. Each ends in the on_… of its name, on the worker's thread, never before it returns.
  virtual void stream_start() = 0;
  virtual void stream_read(char* to, std::size_t bytes) = 0;
  virtual void stream_write(const Buffers& buffers) = 0;  // all of it
  // What can be written without waiting; 0: nothing, or this stream cannot tell.
  virtual std::size_t stream_write_now(const Buffers& buffers) = 0;
  virtual void stream_shutdown() = 0;  // says that nothing more is sent; no on_…
  virtual void stream_close() = 0;

  void on_started(const ErrorCode& error);
  void on_read(const ErrorCode& error, std::size_t bytes);
  void on_written(const ErrorCode& error);
  [[nodiscard]] std::shared_ptr<Connection> self() { return shared_from_this(); }
  // Common name of the client's certificate; empty: none.
  std::string certificate_name_;

 private:
  friend class Worker;
  enum class Phase : std::uint8_t {
    kHandshake,
    kHead,
    kContinue,
    kBody,
    kStore,
    kAnswer,
    kDiscard,
    kSend,
    kLinger,
    kClosed,
  };

  // connection.cc: buffers, phases, time.
  void transmit() override;
  std::shared_ptr<Exchange> keep() override { return shared_from_this(); }
  bool is_gone() const noexcept override { return phase_ == Phase::kClosed; }
  bool must_close() const noexcept override;
  void advance();
  void step();
  void want_read();
  void begin_send();
  void on_sent();
  void next_download_part();
  void finish_request();
  void linger();
  void set_deadline(double seconds);
  void start_read(char* to, std::size_t bytes, bool body);
  void read_into_buffer();
  void discard();
  void make_room(std::size_t bytes);
  void release_body() noexcept;
  [[nodiscard]] std::size_t buffered() const noexcept { return in_end_ - in_begin_; }

  // connection_request.cc: what a request is and what becomes of it.
  void read_head();
  void begin_request(std::size_t head_bytes);
  void reset_request();
  std::optional<Problem> parse_request(std::string_view head);
  std::optional<Problem> find_handler();
  std::optional<Problem> check_body_headers();
  std::optional<Problem> authenticate();
  void begin_body();
  void read_body();
  void take_fixed_body();
  void take_chunks();
  [[nodiscard]] bool fits_in_place() const noexcept;
  bool on_body(std::string_view part) override;  // of a chunked body
  bool grow_body(std::size_t bytes);
  void body_complete();
  void store_part();
  void on_stored(std::optional<Problem> problem);

  Phase phase_ = Phase::kHandshake;
  bool refuse_ = false;
  bool advancing_ = false;
  bool again_ = false;
  bool reading_ = false;
  bool reading_body_ = false;     // the read goes to body_in_, not to in_
  std::size_t place_ = 0;         // in the worker's list
  std::int64_t deadline_ns_ = 0;  // 0: none

  // Read buffer: bytes [in_begin_, in_end_) of in_size_ are there; kJsonPadding more may be read behind
  // in_size_.
  std::unique_ptr<char[]> in_;
  std::size_t in_size_ = 0;
  std::size_t in_begin_ = 0;
  std::size_t in_end_ = 0;
  std::size_t hold_ = 0;            // the head and body before it are in use: they stay where they are
  std::size_t searched_ = 0;        // of what is buffered, for the end of a head
  bool head_begun_ = false;         // its deadline runs
  bool eof_ = false;                // the client sends no more
  std::unique_ptr<char[]> old_in_;  // holds the head when the buffer had to grow behind it

  std::optional<HeadParser> parser_;
  // A body that did not fit the read buffer, or the part of an upload.
  std::unique_ptr<char[]> body_in_;
  std::size_t body_size_ = 0;
  std::size_t body_capacity_ = 0;
  std::uint64_t body_left_ = 0;  // of a fixed length, not in body_in_ yet
  std::uint64_t body_seen_ = 0;  // of a chunked body
  std::uint64_t body_limit_ = 0;
  bool body_whole_ = true;
  std::optional<ProblemType> body_refused_;  // why a chunked body was stopped
  std::shared_ptr<Upload> upload_;
  std::string continue_;  // "100 Continue" while it is sent
  std::string part_;      // of a download
};

}  // namespace reelsense::server
