// What every kind of load has in common: when to send (Schedule), what came of it (Recorder), the loop of a
// thread (LoadWorker). Thread safety: a worker and its parts belong to one thread; Recorder::answered_so_far
// from any.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "cli/remote/bench/histogram.h"
#include "cli/remote/bench/http_client.h"
#include "cli/remote/connection.h"
#include "cli/remote/remote.h"

namespace reelsense::cli {

inline std::int64_t now_ns() noexcept {
  return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Moments of a run, as now_ns() tells them.
struct LoadTimes {
  std::int64_t start_ns = 0;
  std::int64_t measure_ns = 0;
  std::int64_t stop_ns = 0;     // nothing is sent any more
  std::int64_t give_up_ns = 0;  // nor awaited
};

struct LoadPlan {
  const BenchOptions& options;
  const Connection& connection;
  HttpTarget http;  // mode rest
  const TrafficSample& sample;
  std::string run_id;  // 8 bytes
  LoadTimes times;
  const std::atomic<bool>& interrupted;
};

// Which message is due when: one every `interval` seconds, of the worker's clients in turn.
class Schedule {
 public:
  // interval_ns 0: none; messages are due whenever they can be sent.
  Schedule(std::int64_t first_ns, double interval_ns, std::size_t clients) noexcept
      : first_ns_(first_ns), interval_ns_(interval_ns), clients_(clients) {}

  [[nodiscard]] bool paced() const noexcept { return interval_ns_ > 0; }
  // Messages due by then, of all clients and of one.
  [[nodiscard]] std::uint64_t due(std::int64_t now) const noexcept {
    if (now < first_ns_) return 0;
    return static_cast<std::uint64_t>(static_cast<double>(now - first_ns_) / interval_ns_) + 1;
  }
  [[nodiscard]] std::uint64_t due(std::size_t client, std::int64_t now) const noexcept {
    const std::uint64_t all = due(now);
    return all > client ? (all - client + clients_ - 1) / clients_ : 0;
  }
  // When message `number` of the worker, or of one client, is due.
  [[nodiscard]] std::int64_t time(std::uint64_t number) const noexcept {
    return first_ns_ + static_cast<std::int64_t>(static_cast<double>(number) * interval_ns_);
  }
  [[nodiscard]] std::int64_t time(std::size_t client, std::uint64_t number) const noexcept {
    return time(number * clients_ + client);
  }

 private:
  std::int64_t first_ns_;
  double interval_ns_;
  std::size_t clients_;
};

class Recorder {
 public:
  explicit Recorder(const LoadTimes& times) : times_(times) {}

  // Labels of `windows` that were due at due_ns came.
  void answered(std::int64_t due_ns, std::int64_t now, std::uint64_t windows) noexcept {
    if (due_ns >= times_.measure_ns && due_ns < times_.stop_ns) latency_.record(now - due_ns, windows);
    if (now >= times_.measure_ns && now < times_.stop_ns) answered_ += windows;
    so_far_.store(so_far_.load(std::memory_order_relaxed) + windows, std::memory_order_relaxed);
  }
  void response(std::int64_t now) noexcept {
    if (now >= times_.measure_ns && now < times_.stop_ns) ++responses_;
  }
  // At most kMostErrors kinds are told apart.
  void failed(const std::string& what, std::uint64_t windows) {
    const bool known = errors_.size() < kMostErrors || errors_.contains(what);
    errors_[known ? what : "others"] += std::max<std::uint64_t>(1, windows);
  }
  void not_sent(std::uint64_t windows) noexcept { not_sent_ += windows; }

  [[nodiscard]] std::uint64_t answered_so_far() const noexcept {
    return so_far_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] const LatencyHistogram& latency() const noexcept { return latency_; }
  [[nodiscard]] std::uint64_t answered() const noexcept { return answered_; }
  [[nodiscard]] std::uint64_t responses() const noexcept { return responses_; }
  [[nodiscard]] std::uint64_t not_sent() const noexcept { return not_sent_; }
  [[nodiscard]] const std::map<std::string, std::uint64_t>& errors() const noexcept { return errors_; }

 private:
  static constexpr std::size_t kMostErrors = 32;

  LoadTimes times_;
  LatencyHistogram latency_;
  std::uint64_t answered_ = 0;                   // while measuring
  std::uint64_t responses_ = 0;                  // while measuring
  std::uint64_t not_sent_ = 0;                   // due by the end, but the client was never free
  std::map<std::string, std::uint64_t> errors_;  // windows by code, over the whole run
  std::atomic<std::uint64_t> so_far_{0};
};

class LoadWorker {
 public:
  // Clients [first, first + count) of the plan's, sent in their turn.
  LoadWorker(const LoadPlan& plan, std::size_t first, std::size_t count);
  LoadWorker(const LoadWorker&) = delete;
  LoadWorker& operator=(const LoadWorker&) = delete;
  virtual ~LoadWorker() = default;

  // The whole run: opens, loads, waits for the last answers, closes.
  void run();
  [[nodiscard]] const Recorder& recorder() const noexcept { return recorder_; }
  [[nodiscard]] bool broke_off() const noexcept { return broke_off_; }  // no client could go on

 protected:
  virtual void open() = 0;
  // Sends what client `c` may and should send now.
  virtual void send(std::size_t c) = 0;
  // Handles what has happened; waits for something until `until_ns` if nothing has.
  virtual void handle_events(std::int64_t until_ns) = 0;
  [[nodiscard]] virtual bool idle() const = 0;                        // nothing is awaited any more
  [[nodiscard]] virtual bool dead() const = 0;                        // no client can go on
  [[nodiscard]] virtual std::uint64_t sent(std::size_t c) const = 0;  // messages
  virtual void close() = 0;

  // Whether client `c`, having sent that many messages, should send another; `due_ns`: when that one is due.
  [[nodiscard]] bool next_due(std::size_t c, std::uint64_t sent, std::int64_t now,
                              std::int64_t& due_ns) const noexcept;
  // Windows whose answers were waited for in vain; those that nobody waited for are no failure.
  void unanswered(std::uint64_t windows) {
    if (windows != 0 && !plan_.interrupted) recorder_.failed("no answer", windows);
  }
  [[nodiscard]] bool sending(std::int64_t now) const noexcept {
    return now < plan_.times.stop_ns && !plan_.interrupted.load(std::memory_order_relaxed);
  }

  const LoadPlan& plan_;
  const std::size_t first_;
  const std::size_t count_;
  Schedule schedule_;
  Recorder recorder_;

 private:
  void send_due(std::int64_t now);

  bool broke_off_ = false;
  std::uint64_t looked_at_ = 0;  // messages of the schedule whose client was told
};

// Short waits must be exact and long ones must not burn the processor that the server needs.
inline constexpr std::int64_t kShortNapNs = 20'000;
inline constexpr std::int64_t kPollNs = 1'500'000;  // nearer than this is waited for in short naps
void nap(std::int64_t ns) noexcept;

// The whole request of POST /v1/classify, and how many labels an answer to it holds.
std::string classify_request(const Connection& connection, const std::string& body);
std::size_t labels_in(std::string_view json) noexcept;

std::unique_ptr<LoadWorker> make_stream_load(const LoadPlan& plan, std::size_t first, std::size_t count);
std::unique_ptr<LoadWorker> make_unary_load(const LoadPlan& plan, std::size_t first, std::size_t count);
std::unique_ptr<LoadWorker> make_rest_load(const LoadPlan& plan, std::size_t first, std::size_t count);

}  // namespace reelsense::cli
