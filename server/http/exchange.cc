#include "server/http/exchange.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "server/base/logger.h"
#include "server/http/app.h"
#include "server/http/json_writer.h"
#include "server/http/worker.h"

namespace reelsense::server {

namespace {

constexpr std::size_t kKeptAnswerBytes = 16 << 10;

std::string_view refusal_reason(ProblemType type) noexcept {
  switch (type) {
    case ProblemType::kUnauthorized:
    case ProblemType::kForbidden:
      return "auth";
    case ProblemType::kRateLimited:
      return "rate_limit";
    case ProblemType::kQueueFull:
      return "queue_full";
    case ProblemType::kTooLarge:
    case ProblemType::kHeaderTooLarge:
      return "too_large";
    case ProblemType::kRequestTimeout:
    case ProblemType::kDeadline:
      return "timeout";
    case ProblemType::kDraining:
    case ProblemType::kNotReady:
      return "not_ready";
    case ProblemType::kBusy:
      return "busy";
    case ProblemType::kInternal:
      return "internal";
    case ProblemType::kDiskFull:
      return "disk_full";
    case ProblemType::kLogOff:
      return "log_off";
    case ProblemType::kNotFound:
    case ProblemType::kUnknownFlow:
    case ProblemType::kUnknownModel:
      return "not_found";
    default:
      return "bad_request";
  }
}

}  // namespace

Later::Later(std::shared_ptr<Exchange> exchange) : exchange_(std::move(exchange)) {
  exchange_->app_.owed.fetch_add(1);
}

void Later::operator()(std::function<void(Exchange&)> then) {
  Worker& worker = exchange_->worker_;
  worker.post([exchange = std::move(exchange_), then = std::move(then)] {
    then(*exchange);
    exchange->app_.owed.fetch_sub(1);
  });
}

Exchange::Exchange(Worker& worker) : worker_(worker), app_(worker.app()) {}
Exchange::~Exchange() = default;

Services& Exchange::services() noexcept {
  return app_.services;
}
JsonParser& Exchange::json() noexcept {
  return worker_.json();
}
bool Exchange::is_draining() const noexcept {
  return app_.draining.load(std::memory_order_relaxed);
}

void Exchange::clear_answer() {
  status_ = 0;
  close_ = false;
  head_.clear();
  more_headers_.clear();
  download_.reset();
  body_.clear();
  if (body_.capacity() > kKeptAnswerBytes) body_.shrink_to_fit();
}

void Exchange::add_header(std::string_view name, std::string_view value) {
  more_headers_ += name;
  more_headers_ += ": ";
  more_headers_ += value;
  more_headers_ += "\r\n";
}

void Exchange::write_head(std::string_view content_type, std::uint64_t bytes) {
  head_ = status_ == 200 ? "HTTP/1.1 200 OK" : "HTTP/1.1 ";
  if (status_ != 200) {
    append_decimal(static_cast<std::int64_t>(status_), head_);
    head_ += ' ';
    head_ += reason_phrase(status_);
  }
  head_ += worker_.date_header();  // "\r\nDate: …\r\n"
  if (!content_type.empty()) {
    head_ += "Content-Type: ";
    head_ += content_type;
    head_ += "\r\nX-Content-Type-Options: nosniff\r\n";
  }
  if (status_ != 204) {
    head_ += "Content-Length: ";
    append_decimal(bytes, head_);
    head_ += "\r\n";
  }
  head_ += "X-Request-Id: ";
  head_ += request_.id;
  head_ += "\r\n";
  head_ += more_headers_;
  if (close_) {
    head_ += "Connection: close\r\n";
  } else if (request_.head.http_1_0) {
    head_ += "Connection: keep-alive\r\n";
  }
  head_ += "\r\n";
}

void Exchange::send(int status, std::string_view content_type) {
  if (is_gone()) return;
  status_ = status;
  close_ = close_ || must_close() || app_.draining.load(std::memory_order_relaxed);
  write_head(content_type, body_.size());
  if (request_.head.method == Method::kHead) body_.clear();
  transmit();
}

void Exchange::send_download(std::unique_ptr<Download> download, std::uint64_t bytes,
                             std::string_view content_type) {
  if (is_gone()) return;
  status_ = 200;
  close_ = close_ || must_close() || app_.draining.load(std::memory_order_relaxed);
  write_head(content_type, bytes);
  body_.clear();
  if (request_.head.method != Method::kHead) download_ = std::move(download);
  transmit();
}

void Exchange::fail(Problem problem) {
  if (is_gone()) return;
  const ProblemDefinition& definition = definition_of(problem.type);
  app_.services.metrics.refused(Api::kRest, refusal_reason(problem.type));
  if (problem.type == ProblemType::kInternal) {
    log_error("request failed", {{"request_id", request_.id},
                                 {"route", route_ == nullptr ? std::string_view("-") : route_->pattern},
                                 {"reason", problem.detail}});
  }
  if (problem.retry_after_s > 0) {
    // Whole seconds, as the field is defined; clients that can do better read the other.
    add_header("Retry-After",
               std::to_string(static_cast<std::int64_t>(std::ceil(std::min(problem.retry_after_s, 3600.0)))));
    add_header(
        "Retry-After-Ms",
        std::to_string(static_cast<std::int64_t>(std::ceil(std::min(problem.retry_after_s, 3600.0) * 1000))));
  }
  if (problem.type == ProblemType::kUnauthorized) add_header("WWW-Authenticate", "Bearer");
  body_.clear();
  write_problem(problem, request_.id, request_.path.starts_with("/v2"), body_);
  send(definition.status, "application/problem+json");
}

ClassifyRules Exchange::rules(std::shared_ptr<const ServedModel>* model, bool* exact) {
  const Config::Limits& limits = services().config.limits;
  ClassifyRules rules;
  rules.flow_name_bytes = static_cast<std::size_t>(limits.flow_name_bytes);
  rules.windows = static_cast<std::size_t>(limits.windows_per_request);
  rules.packets = static_cast<std::size_t>(limits.packets_per_request);
  rules.flow_id = [this](std::string_view flow) { return services().engine.flow_id(principal(), flow); };
  if (model == nullptr) return rules;
  rules.find_model = [this, model, exact](std::string_view reference,
                                          ModelShape& shape) -> std::optional<Problem> {
    if (exact != nullptr) *exact = names_version(reference);
    *model = services().models.find(reference);
    if (*model) {
      shape = shape_of(**model);
      return std::nullopt;
    }
    const auto why = services().models.get(reference);
    return Problem::of(ProblemType::kUnknownModel,
                       why.ok() ? "the model is not served" : why.error().message);
  };
  return rules;
}

std::optional<Problem> Exchange::over_limit(std::size_t windows) {
  if (!request_.principal) return std::nullopt;
  const std::optional<double> wait_s = services().limiter.admit(*request_.principal, windows, begun_ns_);
  if (!wait_s) return std::nullopt;
  Problem problem =
      Problem::of(ProblemType::kRateLimited, "over the requests or windows a second of this key");
  problem.retry_after_s = std::max(*wait_s, 0.001);
  return problem;
}

bool Exchange::admit(std::size_t windows) {
  std::optional<Problem> problem = over_limit(windows);
  if (problem) fail(std::move(*problem));
  return !problem;
}

bool Exchange::deadline(std::int64_t default_us, std::int64_t& steady_ns) {
  constexpr std::uint64_t kMostMs = 600'000;
  std::string_view text = request_.head.timeout_ms;
  std::optional<std::string> query;
  if (text.empty() && !request_.query.empty()) {
    query = request_.query_value("timeout_ms");
    if (query) text = *query;
  }
  std::int64_t timeout_us = default_us;
  if (!text.empty() || query) {
    const std::optional<std::uint64_t> ms = parse_count(text, kMostMs);
    if (!ms || *ms == 0) {
      fail(Problem::at("timeout_ms", "an integer from 1 to 600000 is expected"));
      return false;
    }
    timeout_us = static_cast<std::int64_t>(*ms) * 1000;
  }
  if (timeout_us == 0) timeout_us = static_cast<std::int64_t>(services().config.http.request_timeout_s * 1e6);
  steady_ns = begun_ns_ + timeout_us * 1000;
  return true;
}

std::unique_ptr<Job> Exchange::take_job() {
  return worker_.take_job();
}
void Exchange::give_back(std::unique_ptr<Job> job) {
  worker_.give_back(std::move(job));
}

void Exchange::submit(std::unique_ptr<Job> job, JobDone done) {
  job->principal = principal();
  job->listener = &worker_;
  job->tag = reinterpret_cast<std::uintptr_t>(this);
  done_ = done;
  in_flight_ = job.get();
  kept_ = keep();
  app_.owed.fetch_add(1, std::memory_order_relaxed);
  const SubmitCode code = services().engine.submit(job);
  if (code == SubmitCode::kAccepted) {
    worker_.submitted();
    return;
  }
  app_.owed.fetch_sub(1, std::memory_order_relaxed);
  in_flight_ = nullptr;
  const std::shared_ptr<Exchange> self = std::move(kept_);
  worker_.give_back(std::move(job));
  if (code == SubmitCode::kDraining) {
    Problem problem = Problem::of(ProblemType::kDraining, "the server is shutting down");
    problem.retry_after_s = 1;
    fail(std::move(problem));
    return;
  }
  Problem problem = Problem::of(ProblemType::kQueueFull, "more windows wait than the queue has room for");
  problem.retry_after_s = static_cast<double>(services().engine.retry_after_us()) / 1e6;
  fail(std::move(problem));
}

void Exchange::take_back(std::unique_ptr<Job> job) {
  const std::shared_ptr<Exchange> self = std::move(kept_);
  in_flight_ = nullptr;
  app_.owed.fetch_sub(1, std::memory_order_relaxed);
  if (!is_gone()) done_(*this, *job);
  worker_.give_back(std::move(job));
}

void Exchange::cancel() noexcept {
  if (in_flight_ != nullptr) in_flight_->cancelled.store(true, std::memory_order_relaxed);
}

void Exchange::in_background(std::function<std::function<void(Exchange&)>()> work) {
  auto shared = std::make_shared<Later>(keep());
  const bool taken = app_.background.run([shared, work = std::move(work)] { (*shared)(work()); });
  if (taken) return;
  Problem problem = Problem::of(ProblemType::kBusy, "too much waits for the disk");
  problem.retry_after_s = 1;
  (*shared)([problem = std::move(problem)](Exchange& exchange) { exchange.fail(problem); });
}

}  // namespace reelsense::server
