// HeadParser: HTTP/1.1's framing on Beast's parser, without its containers: header fields are views into the
// read buffer, a chunked body is appended to where the connection wants it.
//
// The head must be whole and in one piece when it is parsed (find_head_end tells), and stay where it is while
// its views are used. Thread safety: none.
#pragma once

#include <boost/beast/http/basic_parser.hpp>
#include <cstdint>
#include <string_view>

#include "server/http/request.h"

namespace reelsense::server {

// One past the "\r\n\r\n" that ends a head; 0: not there yet. `from`: how much was searched before.
std::size_t find_head_end(std::string_view bytes, std::size_t from) noexcept;

class HeadParser final : private boost::beast::http::basic_parser<true> {
  using Base = boost::beast::http::basic_parser<true>;
  using Error = boost::beast::error_code;
  using View = boost::beast::string_view;

 public:
  HeadParser();

  // `head`: up to and with the empty line. False: not HTTP/1.x; error() says what.
  bool parse_head(std::string_view head, Head& out);

  // The chunked body, after parse_head: takes bytes from the front of `bytes`, gives the body's parts to
  // `sink`, which returns false to stop (too large). Returns the number of bytes consumed.
  struct Sink {
    virtual ~Sink() = default;
    virtual bool on_body(std::string_view part) = 0;
  };
  std::size_t parse_chunks(std::string_view bytes, Sink& sink);
  [[nodiscard]] bool done() const { return Base::is_done(); }
  [[nodiscard]] bool failed() const noexcept { return failed_; }
  [[nodiscard]] const std::string& error() const noexcept { return error_; }

 private:
  void on_request_impl(boost::beast::http::verb method, View method_text, View target, int version,
                       Error& error) override;
  void on_response_impl(int, View, int, Error&) override {}
  void on_field_impl(boost::beast::http::field name, View name_text, View value, Error& error) override;
  void on_header_impl(Error&) override { in_head_ = false; }
  void on_body_init_impl(const boost::optional<std::uint64_t>&, Error&) override {}
  std::size_t on_body_impl(View body, Error&) override { return body.size(); }
  void on_chunk_header_impl(std::uint64_t, View, Error&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t remain, View body, Error& error) override;
  void on_finish_impl(Error&) override {}

  Head* head_ = nullptr;
  Sink* sink_ = nullptr;
  std::string_view bytes_;  // that are being parsed
  std::string error_;
  bool in_head_ = true;
  bool failed_ = false;
  bool host_seen_ = false;
  bool is_11_ = true;
};

}  // namespace reelsense::server
