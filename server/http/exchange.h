// Exchange: one request and its answer, as handlers see them.
//
// A handler runs on the connection's io thread and must not block. It answers with exactly one of send(),
// send_file(), fail() or submit(), before it returns or, through in_background() or later(), afterwards. An
// answer to a connection that is gone goes nowhere. Thread safety: the connection's io thread, but for Later.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "server/engine/engine.h"
#include "server/http/classify_reader.h"
#include "server/http/json_parser.h"
#include "server/http/problem.h"
#include "server/http/request.h"
#include "server/http/router.h"
#include "server/services.h"

namespace reelsense::server {

struct App;
class Exchange;
class Worker;

inline constexpr std::string_view kJsonType = "application/json";

// Where a streamed body goes.
class Upload {
 public:
  virtual ~Upload() = default;  // discards what was not finished
  // On a background thread, in order, one at a time.
  virtual std::optional<Problem> write(std::string_view part) = 0;
  // On the io thread, after the last part: answers.
  virtual void finish(Exchange& exchange) = 0;
};

// Where a streamed answer comes from.
class Download {
 public:
  virtual ~Download() = default;
  // On a background thread: the next part, at most `most` bytes, into `part`. Nothing more: leaves it empty.
  virtual Status read(std::string& part, std::size_t most) = 0;
};

// The promise to continue an exchange, from any thread, exactly once.
class Later {
 public:
  explicit Later(std::shared_ptr<Exchange> exchange);
  void operator()(std::function<void(Exchange&)> then);

 private:
  std::shared_ptr<Exchange> exchange_;
};

// What a handler keeps while its request is away.
struct HandlerState {
  virtual ~HandlerState() = default;
};

class Exchange {
 public:
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;
  virtual ~Exchange();

  [[nodiscard]] const Request& request() const noexcept { return request_; }
  [[nodiscard]] App& app() noexcept { return app_; }
  [[nodiscard]] Services& services() noexcept;
  [[nodiscard]] JsonParser& json() noexcept;
  [[nodiscard]] bool is_draining() const noexcept;
  [[nodiscard]] std::uint32_t principal() const noexcept {
    return request_.principal ? request_.principal->id : 0;
  }

  // The body to write before send().
  [[nodiscard]] std::string& body() noexcept { return body_; }
  // Before send() or fail(). `value` must be free of control characters.
  void add_header(std::string_view name, std::string_view value);
  void send(int status, std::string_view content_type = kJsonType);
  void send_empty(int status) { send(status, {}); }
  void send_download(std::unique_ptr<Download> download, std::uint64_t bytes, std::string_view content_type);
  void fail(Problem problem);

  // Limits of the configuration, and models and flow ids of this request's principal, for the readers.
  [[nodiscard]] ClassifyRules rules(std::shared_ptr<const ServedModel>* model, bool* exact = nullptr);
  // Asks the rate limiter; false: refused, and answered so.
  bool admit(std::size_t windows);
  [[nodiscard]] std::optional<Problem> over_limit(std::size_t windows);
  // X-Timeout-Ms or ?timeout_ms=, else `default_us` if it is not 0, else the configuration's. False:
  // answered.
  bool deadline(std::int64_t default_us, std::int64_t& steady_ns);

  [[nodiscard]] std::unique_ptr<Job> take_job();
  void give_back(std::unique_ptr<Job> job);
  // Hands the job to the engine; `done` is called with its answers. Refusals of the engine are answered here.
  using JobDone = void (*)(Exchange&, Job&);
  void submit(std::unique_ptr<Job> job, JobDone done);

  // Runs `work` on a background thread, what it returns back here. Too much waits there: answered with
  // `busy`.
  void in_background(std::function<std::function<void(Exchange&)>()> work);
  [[nodiscard]] Later later() { return Later(keep()); }

  // The handler's own, kept from request to request of the connection.
  template <class T>
  T& state() {
    auto* held = dynamic_cast<T*>(state_.get());
    if (held == nullptr) {
      auto made = std::make_unique<T>();
      held = made.get();
      state_ = std::move(made);
    }
    return *held;
  }

 protected:
  friend class Later;
  friend class Worker;

  explicit Exchange(Worker& worker);

  // The connection's: sends head_, body_ and what download_ has.
  virtual void transmit() = 0;
  [[nodiscard]] virtual std::shared_ptr<Exchange> keep() = 0;
  [[nodiscard]] virtual bool is_gone() const noexcept = 0;
  // The rest of the request's body is too much to read first.
  [[nodiscard]] virtual bool must_close() const noexcept = 0;

  // A job of this exchange came back.
  void take_back(std::unique_ptr<Job> job);
  // The client is gone: what of its windows has not begun need not.
  void cancel() noexcept;
  void clear_answer();
  [[nodiscard]] bool answered() const noexcept { return status_ != 0; }

  Worker& worker_;
  App& app_;
  Request request_;
  const Route* route_ = nullptr;
  std::string request_id_;
  std::int64_t begun_ns_ = 0;
  // The answer.
  int status_ = 0;  // 0: none yet
  std::string head_;
  std::string body_;
  std::string more_headers_;
  std::shared_ptr<Download> download_;
  bool close_ = false;  // after the answer

 private:
  void write_head(std::string_view content_type, std::uint64_t bytes);

  std::unique_ptr<HandlerState> state_;
  Job* in_flight_ = nullptr;  // the engine's, or on its way back
  JobDone done_ = nullptr;
  std::shared_ptr<Exchange> kept_;  // ourselves, while a job is in flight
};

}  // namespace reelsense::server
