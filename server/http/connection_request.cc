// Connection, what a request is and what becomes of it: head, route, authentication, body.
#include <algorithm>
#include <cstring>

#include "server/http/app.h"
#include "server/http/connection.h"
#include "server/http/worker.h"

namespace reelsense::server {

namespace {

constexpr std::uint64_t kIgnoredBodyBytes = 64 << 10;  // of routes that take none
constexpr std::size_t kUploadPart = 256 << 10;
constexpr std::size_t kLongestChunkHeader = 8 << 10;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

std::string_view name_of(Scope scope) noexcept {
  switch (scope) {
    case Scope::kInfer:
      return "infer";
    case Scope::kFeedback:
      return "feedback";
    case Scope::kAdmin:
      return "admin";
  }
  return "";
}

bool is_letter(char c) noexcept {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

std::uint64_t body_limit(BodyKind kind, const Config& config) noexcept {
  switch (kind) {
    case BodyKind::kNone:
      return kIgnoredBodyBytes;
    case BodyKind::kUpload:
      return static_cast<std::uint64_t>(config.analyses.max_capture_mib) << 20;
    case BodyKind::kJson:
    case BodyKind::kTensor:
      break;
  }
  return static_cast<std::uint64_t>(config.http.max_body_bytes);
}

}  // namespace

void Connection::reset_request() {
  request_.head = {};
  request_.path = request_.query = request_.body = {};
  request_.principal.reset();
  request_.parameters = {};
  request_id_.clear();
  worker_.make_request_id(request_id_);
  request_.id = request_id_;
  route_ = nullptr;
  begun_ns_ = services().clock.steady_ns();
  body_whole_ = true;
  body_left_ = body_seen_ = 0;
  body_refused_.reset();
}

void Connection::read_head() {
  while (buffered() >= 2 && std::memcmp(in_.get() + in_begin_, "\r\n", 2) == 0) in_begin_ += 2;
  if (buffered() == 0) return;
  const std::string_view bytes(in_.get() + in_begin_, buffered());
  const auto most = static_cast<std::size_t>(services().config.http.max_header_bytes);
  const std::size_t end = find_head_end(bytes, searched_);
  if (end != 0 && end <= most) {
    searched_ = 0;
    begin_request(end);
    return;
  }
  searched_ = bytes.size();
  if (end != 0 || bytes.size() > most) {
    reset_request();
    close_ = true;
    fail(Problem::of(ProblemType::kHeaderTooLarge, "over " + std::to_string(most) + " bytes"));
  } else if (!is_letter(bytes[0])) {
    reset_request();
    close_ = true;
    fail(Problem::at("", "not an HTTP/1.1 request"));
  } else if (!head_begun_) {
    head_begun_ = true;
    set_deadline(services().config.http.read_timeout_s);
  }
}

void Connection::begin_request(std::size_t head_bytes) {
  const std::string_view head(in_.get() + in_begin_, head_bytes);
  in_begin_ += head_bytes;
  hold_ = in_begin_;
  reset_request();
  std::optional<Problem> problem = parse_request(head);
  if (!problem) problem = find_handler();
  if (!problem) problem = authenticate();
  if (!problem) problem = check_body_headers();
  if (!problem && !route_->admits && route_->access != Access::kOpen) problem = over_limit(0);
  if (problem) {
    fail(std::move(*problem));
  } else {
    begin_body();
  }
}

std::optional<Problem> Connection::parse_request(std::string_view head) {
  parser_.emplace();
  if (!parser_->parse_head(head, request_.head)) {
    close_ = true;
    request_.head = {};
    return Problem::at("", "malformed HTTP request: " + parser_->error());
  }
  const Head& fields = request_.head;
  close_ = !fields.keep_alive;
  body_whole_ = !fields.chunked && fields.content_length == 0;
  body_left_ = fields.content_length;
  if (is_sane_request_id(fields.request_id)) request_.id = fields.request_id;
  std::string_view target = fields.target;
  if (!target.starts_with('/')) {
    // "http://host/path", which a server must take too.
    const std::size_t authority = target.find("://");
    const std::size_t path =
        authority == std::string_view::npos ? authority : target.find('/', authority + 3);
    if (path == std::string_view::npos) return Problem::at("", "the request's target is not a path");
    target.remove_prefix(path);
  }
  const std::size_t question = std::min(target.find('?'), target.size());
  request_.path = target.substr(0, question);
  request_.query = target.substr(std::min(question + 1, target.size()));
  return std::nullopt;
}

std::optional<Problem> Connection::find_handler() {
  if (refuse_) {
    close_ = true;
    Problem problem = Problem::of(ProblemType::kBusy, "too many connections");
    problem.retry_after_s = 1;
    return problem;
  }
  RouteMatch match = find_route(routes(), request_.head.method, request_.path);
  route_ = match.route;
  request_.parameters = match.parameters;
  if (route_ != nullptr) return std::nullopt;
  if (match.allowed.empty()) return Problem::of(ProblemType::kNotFound, "there is no such path; see /docs");
  add_header("Allow", match.allowed);
  return Problem::of(ProblemType::kMethodNotAllowed, "this path has " + match.allowed);
}

std::optional<Problem> Connection::authenticate() {
  const Access access = route_->access;
  if (access == Access::kOpen || (access == Access::kMetrics && app_.metrics_open)) return std::nullopt;
  const Head& head = request_.head;
  const std::string_view token = head.api_key.empty() ? bearer_token(head.authorization) : head.api_key;
  AuthResult result = services().auth.authenticate(token, certificate_name_);
  if (result.code != AuthCode::kOk) {
    return Problem::of(ProblemType::kUnauthorized, result.code == AuthCode::kMissing
                                                       ? "an API key is expected: Authorization: Bearer <key>"
                                                       : "the API key is not known");
  }
  request_.principal = std::move(result.principal);
  const Principal& principal = *request_.principal;
  if (access == Access::kMetrics && (principal.may(Scope::kInfer) || principal.may(Scope::kAdmin)))
    return std::nullopt;
  const Scope scope = access == Access::kAdmin      ? Scope::kAdmin
                      : access == Access::kFeedback ? Scope::kFeedback
                                                    : Scope::kInfer;
  if (access != Access::kMetrics && principal.may(scope)) return std::nullopt;
  return Problem::of(ProblemType::kForbidden, "scope " + std::string(name_of(scope)) + " is needed");
}

std::optional<Problem> Connection::check_body_headers() {
  const Head& head = request_.head;
  body_limit_ = body_limit(route_->body, services().config);
  if (head.content_length > body_limit_) {
    return Problem::of(ProblemType::kTooLarge, std::to_string(head.content_length) + " bytes; at most " +
                                                   std::to_string(body_limit_) + " are taken");
  }
  if (body_whole_ || route_->body == BodyKind::kNone) return std::nullopt;
  if (!head.content_encoding.empty() && !media_type_is(head.content_encoding, "identity")) {
    return Problem::of(ProblemType::kUnsupportedMediaType,
                       "Content-Encoding is not supported; send the body as it is");
  }
  // Types that a browser sends to other sites unasked are refused everywhere: a page must not reach a server
  // on loopback.
  const std::string_view type = head.content_type;
  const bool simple = media_type_is(type, "application/x-www-form-urlencoded") ||
                      media_type_is(type, "multipart/form-data") || media_type_is(type, "text/plain");
  const bool json = type.empty() || media_type_is(type, kJsonType);
  const bool octets = media_type_is(type, "application/octet-stream");
  if (route_->body == BodyKind::kUpload && !simple && !json) return std::nullopt;
  if (route_->body == BodyKind::kUpload && type.empty()) return std::nullopt;
  if (route_->body == BodyKind::kJson && json) return std::nullopt;
  if (route_->body == BodyKind::kTensor && (json || octets)) return std::nullopt;
  return Problem::of(
      ProblemType::kUnsupportedMediaType,
      route_->body == BodyKind::kUpload
          ? "Content-Type: application/vnd.tcpdump.pcap or application/octet-stream is expected"
          : "Content-Type: application/json is expected");
}

void Connection::begin_body() {
  if (body_whole_) {
    body_complete();
    return;
  }
  if (route_->open_upload != nullptr) {
    upload_ = route_->open_upload(*this);
    if (!upload_) return;  // it has answered
  }
  if (!head_begun_) set_deadline(services().config.http.read_timeout_s);
  if (request_.head.expect_continue && buffered() == 0) {
    phase_ = Phase::kContinue;
    set_deadline(services().config.http.write_timeout_s);
    continue_ = kContinue;
    stream_write({boost::asio::buffer(continue_), boost::asio::const_buffer()});
    return;
  }
  phase_ = Phase::kBody;
  read_body();
}

void Connection::read_body() {
  if (request_.head.chunked) {
    take_chunks();
  } else {
    take_fixed_body();
  }
}

// The body is, or will be, in the read buffer as a whole.
bool Connection::fits_in_place() const noexcept {
  return !upload_ && body_size_ == 0 && body_capacity_ == 0 && body_left_ == request_.head.content_length &&
         in_begin_ + body_left_ <= in_size_;
}

void Connection::take_fixed_body() {
  if (fits_in_place()) {
    const auto bytes = static_cast<std::size_t>(body_left_);
    if (buffered() < bytes) return;
    request_.body = {in_.get() + in_begin_, bytes};
    in_begin_ += bytes;
    hold_ = in_begin_;
    body_left_ = 0;
    body_complete();
    return;
  }
  // Before anything is read into it: the promise of a length is not yet worth its memory.
  constexpr std::uint64_t kFirst = 64 << 10;
  const std::uint64_t wanted =
      upload_ ? kUploadPart : std::max<std::uint64_t>(kFirst, std::uint64_t{body_size_} * 2);
  const std::uint64_t whole = body_size_ + body_left_;
  if (body_capacity_ == body_size_ && body_left_ != 0 && !(upload_ && body_size_ >= kUploadPart)) {
    if (!grow_body(static_cast<std::size_t>(std::min(whole, wanted)))) return;
  }
  const auto bytes = static_cast<std::size_t>(
      std::min<std::uint64_t>({buffered(), body_left_, std::uint64_t{body_capacity_ - body_size_}}));
  if (bytes != 0) {
    std::memcpy(body_in_.get() + body_size_, in_.get() + in_begin_, bytes);
    body_size_ += bytes;
    in_begin_ += bytes;
    body_left_ -= bytes;
  }
  if (upload_ && (body_left_ == 0 || body_size_ >= kUploadPart)) {
    store_part();
  } else if (body_left_ == 0) {
    request_.body = {body_in_.get(), body_size_};
    body_complete();
  } else if (buffered() != 0 || body_capacity_ == body_size_) {
    again_ = true;
  }
}

// False: refused, and answered so.
bool Connection::grow_body(std::size_t capacity) {
  if (app_.body_bytes.fetch_add(capacity, std::memory_order_relaxed) + capacity > App::kMostBodyBytes) {
    app_.body_bytes.fetch_sub(capacity, std::memory_order_relaxed);
    if (request_.head.chunked) {
      body_refused_ = ProblemType::kBusy;
      return false;
    }
    close_ = true;
    Problem problem = Problem::of(ProblemType::kBusy, "too many large bodies arrive at once");
    problem.retry_after_s = 1;
    fail(std::move(problem));
    return false;
  }
  std::unique_ptr<char[]> larger(new char[capacity + kJsonPadding]);
  if (body_size_ != 0) std::memcpy(larger.get(), body_in_.get(), body_size_);
  const std::size_t size = body_size_;
  release_body();
  body_in_ = std::move(larger);
  body_capacity_ = capacity;
  body_size_ = size;
  return true;
}

bool Connection::on_body(std::string_view part) {
  body_seen_ += part.size();
  if (body_seen_ > body_limit_) {
    body_refused_ = ProblemType::kTooLarge;
    return false;
  }
  if (body_capacity_ - body_size_ < part.size() &&
      !grow_body(std::max(upload_ ? 2 * kUploadPart : body_size_ * 2, body_size_ + part.size()))) {
    return false;
  }
  std::memcpy(body_in_.get() + body_size_, part.data(), part.size());
  body_size_ += part.size();
  return true;
}

void Connection::take_chunks() {
  const std::size_t consumed = parser_->parse_chunks({in_.get() + in_begin_, buffered()}, *this);
  in_begin_ += consumed;
  if (parser_->failed() || (consumed == 0 && buffered() > kLongestChunkHeader)) {
    close_ = true;
    if (body_refused_ == ProblemType::kTooLarge) {
      fail(
          Problem::of(ProblemType::kTooLarge, "at most " + std::to_string(body_limit_) + " bytes are taken"));
    } else if (body_refused_) {
      fail(Problem::of(*body_refused_, "too many large bodies arrive at once"));
    } else {
      fail(Problem::at("", "malformed chunked body: " + parser_->error()));
    }
    return;
  }
  const bool done = parser_->done();
  if (done) body_whole_ = true;
  if (upload_ && (done || body_size_ >= kUploadPart)) {
    store_part();
  } else if (done) {
    if (body_capacity_ == 0 && !grow_body(1)) return;
    request_.body = {body_in_.get(), body_size_};
    hold_ = in_begin_;
    body_complete();
  }
}

void Connection::body_complete() {
  body_whole_ = true;
  phase_ = Phase::kAnswer;
  deadline_ns_ = 0;
  if (const std::shared_ptr<Upload> upload = upload_) {
    upload->finish(*this);
  } else if (route_->body == BodyKind::kUpload) {
    fail(Problem::at("", "the body is empty; a capture is expected"));
  } else {
    route_->handle(*this);
  }
}

void Connection::store_part() {
  phase_ = Phase::kStore;
  deadline_ns_ = 0;
  auto later = std::make_shared<Later>(keep());
  app_.background.run_next([this, later, upload = upload_] {
    std::optional<Problem> problem = upload->write({body_in_.get(), body_size_});
    (*later)([this, problem = std::move(problem)](Exchange&) mutable { on_stored(std::move(problem)); });
  });
}

void Connection::on_stored(std::optional<Problem> problem) {
  if (phase_ == Phase::kClosed) return;
  const bool whole = body_whole_ || (!request_.head.chunked && body_left_ == 0);
  phase_ = Phase::kBody;
  body_size_ = 0;
  if (problem) {
    body_whole_ = whole;
    fail(std::move(*problem));
  } else if (whole) {
    body_complete();
  } else {
    set_deadline(services().config.http.read_timeout_s);
  }
  advance();
}

}  // namespace reelsense::server
