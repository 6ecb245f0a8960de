// A false alarm of GCC inside boost::optional when it inlines less, as the sanitizers make it; to the file's
// end, where templates are instantiated.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#include "server/http/head_parser.h"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <cstring>

namespace reelsense::server {

namespace http = boost::beast::http;

namespace {

std::string_view view(boost::beast::string_view text) noexcept {
  return {text.data(), text.size()};
}

bool iequals(std::string_view a, std::string_view b) noexcept {
  return boost::beast::iequals({a.data(), a.size()}, {b.data(), b.size()});
}

Method method_of(http::verb verb) noexcept {
  switch (verb) {
    case http::verb::get:
      return Method::kGet;
    case http::verb::head:
      return Method::kHead;
    case http::verb::post:
      return Method::kPost;
    case http::verb::put:
      return Method::kPut;
    case http::verb::delete_:
      return Method::kDelete;
    default:
      return Method::kOther;
  }
}

}  // namespace

std::size_t find_head_end(std::string_view bytes, std::size_t from) noexcept {
  const std::size_t at = bytes.find("\r\n\r\n", from > 3 ? from - 3 : 0);
  return at == std::string_view::npos ? 0 : at + 4;
}

HeadParser::HeadParser() {
  Base::header_limit(UINT32_MAX);  // the connection has its own
  Base::body_limit(UINT64_MAX);    // and so for bodies
  Base::eager(false);
}

bool HeadParser::parse_head(std::string_view head, Head& out) {
  head_ = &out;
  bytes_ = head;
  Error error;
  Base::put(boost::asio::const_buffer(head.data(), head.size()), error);
  head_ = nullptr;
  if (!error && !Base::is_header_done()) error = http::error::need_more;
  if (!error && is_11_ && !host_seen_) error_ = "an HTTP/1.1 request has one Host field";
  if (error && error_.empty()) error_ = error.message();
  if (!error_.empty()) {
    failed_ = true;
    return false;
  }
  out.keep_alive = Base::keep_alive();
  out.http_1_0 = !is_11_;
  out.chunked = Base::chunked();
  const auto length = Base::content_length();
  out.content_length = length ? *length : 0;
  return true;
}

std::size_t HeadParser::parse_chunks(std::string_view bytes, Sink& sink) {
  sink_ = &sink;
  std::size_t consumed = 0;
  while (!Base::is_done() && consumed < bytes.size()) {
    Error error;
    const std::string_view rest = bytes.substr(consumed);
    const std::size_t taken = Base::put(boost::asio::const_buffer(rest.data(), rest.size()), error);
    consumed += taken;
    if (error == http::error::need_more) break;
    if (error) {
      failed_ = true;
      if (error_.empty()) error_ = error.message();
      break;
    }
  }
  sink_ = nullptr;
  return consumed;
}

void HeadParser::on_request_impl(http::verb method, View, View target, int version, Error&) {
  head_->method = method_of(method);
  head_->target = view(target);
  is_11_ = version >= 11;
}

void HeadParser::on_field_impl(http::field name, View name_text, View value_text, Error& error) {
  if (!in_head_) return;  // a trailer
  const std::string_view value = view(value_text);
  // A value folded over several lines is given in a buffer of Beast's own; RFC 9112 lets us refuse it.
  if (!value.empty() && (value.data() < bytes_.data() || value.data() >= bytes_.data() + bytes_.size())) {
    error_ = "a header field is folded over several lines";
    error = http::error::bad_value;
    return;
  }
  switch (name) {
    case http::field::host:
      if (host_seen_) {
        error_ = "an HTTP/1.1 request has one Host field";
        error = http::error::bad_field;
      }
      host_seen_ = true;
      break;
    case http::field::authorization:
      head_->authorization = value;
      break;
    case http::field::content_type:
      head_->content_type = value;
      break;
    case http::field::content_encoding:
      head_->content_encoding = value;
      break;
    case http::field::accept:
      head_->accept = value;
      break;
    case http::field::expect:
      head_->expect_continue = iequals(value, "100-continue");
      break;
    case http::field::unknown: {
      const std::string_view text = view(name_text);
      if (iequals(text, "x-request-id")) head_->request_id = value;
      if (iequals(text, "x-api-key")) head_->api_key = value;
      if (iequals(text, "x-timeout-ms")) head_->timeout_ms = value;
      if (iequals(text, "inference-header-content-length")) head_->infer_header_bytes = value;
      break;
    }
    default:
      break;
  }
}

std::size_t HeadParser::on_chunk_body_impl(std::uint64_t, View body, Error& error) {
  if (sink_->on_body(view(body))) return body.size();
  error = http::error::body_limit;
  return body.size();
}

}  // namespace reelsense::server
