// Load by POST /v1/classify: a kept-alive connection a client, one request at a time on each, one epoll.
#include <sys/epoll.h>
#include <unistd.h>

#include <cstdlib>
#include <vector>

#include "cli/remote/bench/http_client.h"
#include "cli/remote/bench/load.h"
#include "cli/remote/bench/messages.h"

namespace reelsense::cli {
namespace {

constexpr int kFailuresInARow = 100;  // that make a client give up

struct Client {
  Client(const HttpTarget& target, VirtualFlows its_flows)
      : connection(target), flows(std::move(its_flows)) {}

  HttpConnection connection;
  VirtualFlows flows;
  std::uint64_t watched = 0;  // the connect() whose socket epoll knows
  bool waiting = false;
  std::int64_t due_ns = 0;
  std::uint64_t sent = 0;
  int failures = 0;  // in a row
};

class RestLoad final : public LoadWorker {
 public:
  RestLoad(const LoadPlan& plan, std::size_t first, std::size_t count)
      : LoadWorker(plan, first, count),
        sample_(EncodedSample::of(plan.sample, true)),
        poll_(::epoll_create1(EPOLL_CLOEXEC)) {}
  ~RestLoad() override { ::close(poll_); }

 private:
  void open() override;
  void send(std::size_t c) override;
  void handle_events(std::int64_t until_ns) override;
  [[nodiscard]] bool idle() const override { return waiting_ == 0; }
  [[nodiscard]] bool dead() const override;
  [[nodiscard]] std::uint64_t sent(std::size_t c) const override { return clients_[c]->sent; }
  void close() override;

  void build_request(Client& client);
  void watch(Client& client, std::size_t c);
  void on_ready(std::size_t c);
  void count(Client& client);

  EncodedSample sample_;
  int poll_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::size_t waiting_ = 0;
  std::string body_;
  std::string request_;
};

void RestLoad::open() {
  const std::int64_t second = std::chrono::system_clock::now().time_since_epoch() / std::chrono::seconds(1);
  for (std::size_t c = 0; c < count_; ++c) {
    const std::uint64_t first_flow = (first_ + c) * plan_.options.flows;
    clients_.push_back(std::make_unique<Client>(
        plan_.http, VirtualFlows(sample_, plan_.run_id, first_flow, plan_.options.flows, second)));
  }
}

void RestLoad::build_request(Client& client) {
  body_.clear();
  client.flows.append_json(plan_.options.windows_per_message, plan_.options.model, body_);
  request_ = classify_request(plan_.connection, body_);
}

void RestLoad::watch(Client& client, std::size_t c) {
  if (client.watched == client.connection.connects()) return;
  client.watched = client.connection.connects();
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLET;
  event.data.u64 = c;
  ::epoll_ctl(poll_, EPOLL_CTL_ADD, client.connection.fd(), &event);
}

void RestLoad::send(std::size_t c) {
  Client& client = *clients_[c];
  while (!client.waiting && client.failures < kFailuresInARow) {
    const std::int64_t now = now_ns();
    if (!sending(now) || !next_due(c, client.sent, now, client.due_ns)) return;
    build_request(client);
    ++client.sent;
    if (client.connection.send(request_) == HttpConnection::State::kBroken) {
      ++client.failures;
      recorder_.failed(client.connection.problem(), plan_.options.windows_per_message);
      continue;
    }
    client.waiting = true;
    ++waiting_;
    watch(client, c);
  }
}

void RestLoad::on_ready(std::size_t c) {
  Client& client = *clients_[c];
  if (!client.waiting) return;
  const HttpConnection::State state = client.connection.proceed();
  if (state == HttpConnection::State::kWaiting) return;
  client.waiting = false;
  --waiting_;
  if (state == HttpConnection::State::kBroken) {
    ++client.failures;
    recorder_.failed(client.connection.problem(), plan_.options.windows_per_message);
  } else {
    count(client);
  }
  send(c);
}

void RestLoad::count(Client& client) {
  const std::size_t n = plan_.options.windows_per_message;
  const HttpAnswer& answer = client.connection.answer();
  const std::int64_t now = now_ns();
  client.failures = 0;
  if (answer.status != 200) return recorder_.failed("HTTP " + std::to_string(answer.status), n);
  recorder_.response(now);
  const std::size_t labels = std::min(n, labels_in(answer.body));
  if (labels < n) recorder_.failed("window without a label", n - labels);
  recorder_.answered(client.due_ns, now, labels);
}

void RestLoad::handle_events(std::int64_t until_ns) {
  epoll_event events[64];
  const std::int64_t wait_ns = until_ns - now_ns();
  const int timeout_ms = wait_ns > kPollNs ? static_cast<int>((wait_ns - kPollNs / 2) / 1'000'000) : 0;
  const int n = ::epoll_wait(poll_, events, 64, timeout_ms);
  for (int i = 0; i < n; ++i) on_ready(static_cast<std::size_t>(events[i].data.u64));
  if (n == 0 && wait_ns > 0 && wait_ns <= kPollNs) nap(std::min(wait_ns, kShortNapNs));
}

bool RestLoad::dead() const {
  for (const auto& client : clients_) {
    if (client->failures < kFailuresInARow) return false;
  }
  return true;
}

void RestLoad::close() {
  for (auto& client : clients_) {
    if (client->waiting) unanswered(plan_.options.windows_per_message);
    client->connection.disconnect();
  }
}

}  // namespace

std::string classify_request(const Connection& connection, const std::string& body) {
  const std::string& key = connection.api_key();
  return "POST /v1/classify HTTP/1.1\r\nHost: " + connection.url().authority() +
         "\r\nContent-Type: application/json\r\n" +
         (key.empty() ? "" : "Authorization: Bearer " + key + "\r\n") +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::size_t labels_in(std::string_view json) noexcept {
  constexpr std::string_view kLabel = "\"label\":\"";
  std::size_t n = 0;
  for (std::size_t at = json.find(kLabel); at != std::string_view::npos;
       at = json.find(kLabel, at + kLabel.size()))
    ++n;
  return n;
}

std::unique_ptr<LoadWorker> make_rest_load(const LoadPlan& plan, std::size_t first, std::size_t count) {
  return std::make_unique<RestLoad>(plan, first, count);
}

}  // namespace reelsense::cli
