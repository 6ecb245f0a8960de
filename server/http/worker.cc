#include "server/http/worker.h"

#include <boost/asio/post.hpp>
#include <chrono>
#include <ctime>
#include <random>

#include "server/http/connection.h"
#include "server/http/json_writer.h"

namespace reelsense::server {

namespace {

constexpr std::size_t kSpareJobs = 64;
constexpr std::size_t kSpareJobBytes = 1 << 20;
constexpr auto kTick = std::chrono::milliseconds(100);  // how exactly timeouts are kept

}  // namespace

Worker::Worker(App& app) : app_(app), work_(context_.get_executor()), timer_(context_) {
  std::random_device random;
  id_state_ = std::uint64_t{random()} << 32 | random();
}

Worker::~Worker() = default;

void Worker::start() {
  tick();
  thread_ = std::thread([this] { context_.run(); });
}

void Worker::post(std::function<void()> what) {
  boost::asio::post(context_, std::move(what));
}

void Worker::drain() {
  post([this] {
    for (std::size_t i = connections_.size(); i-- > 0;) connections_[i]->drain();
  });
}

void Worker::close_all() {
  post([this] {
    for (std::size_t i = connections_.size(); i-- > 0;) connections_[i]->close_now();
  });
}

void Worker::stop() {
  post([this] {
    timer_.cancel();
    work_.reset();
  });
  if (thread_.joinable()) thread_.join();
}

void Worker::tick() {
  const std::int64_t now_ns = app_.services.clock.steady_ns();
  // Backwards: a connection that closes hands its place to the last.
  for (std::size_t i = connections_.size(); i-- > 0;) connections_[i]->check_time(now_ns);
  timer_.expires_after(kTick);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error && work_.owns_work()) tick();
  });
}

void Worker::on_done(std::unique_ptr<Job> job) {
  const std::lock_guard lock(done_mutex_);
  done_.push_back(std::move(job));
}

void Worker::on_batch_end() {
  {
    const std::lock_guard lock(done_mutex_);
    if (fetching_ || done_.empty()) return;
    fetching_ = true;
  }
  boost::asio::post(context_, [this] { fetch(); });
}

void Worker::submitted() {
  on_batch_end();
}

void Worker::fetch() {
  {
    const std::lock_guard lock(done_mutex_);
    fetching_ = false;
    fetched_.swap(done_);
  }
  for (std::unique_ptr<Job>& job : fetched_) {
    auto* exchange = reinterpret_cast<Exchange*>(static_cast<std::uintptr_t>(job->tag));
    exchange->take_back(std::move(job));
  }
  fetched_.clear();
}

std::unique_ptr<Job> Worker::take_job() {
  if (spare_.empty()) return std::make_unique<Job>();
  std::unique_ptr<Job> job = std::move(spare_.back());
  spare_.pop_back();
  return job;
}

void Worker::give_back(std::unique_ptr<Job> job) {
  const std::size_t bytes =
      (job->rows.capacity() + job->states.capacity() + job->next_states.capacity()) * sizeof(float) +
      job->packets.capacity() * sizeof(PacketIn) + job->answers.capacity() * sizeof(Answer);
  if (spare_.size() >= kSpareJobs || bytes > kSpareJobBytes) return;
  job->clear();
  spare_.push_back(std::move(job));
}

const std::string& Worker::date_header() {
  const std::int64_t second = app_.services.clock.wall_ns() / 1'000'000'000;
  if (second != date_second_) {
    date_second_ = second;
    const auto time = static_cast<std::time_t>(second);
    std::tm parts{};
    gmtime_r(&time, &parts);
    char text[64];
    const std::size_t length = std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    date_ = "\r\nDate: " + std::string(text, length) + "\r\n";
  }
  return date_;
}

void Worker::make_request_id(std::string& out) {
  // splitmix64: unlike, not secret.
  id_state_ += 0x9e3779b97f4a7c15;
  std::uint64_t mixed = id_state_;
  mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111eb;
  append_hex(mixed ^ mixed >> 31, out);
}

void Worker::enter(std::shared_ptr<Connection> connection) {
  connection->place_ = connections_.size();
  connections_.push_back(std::move(connection));
}

void Worker::leave(Connection& connection) noexcept {
  const std::size_t place = connection.place_;
  connections_[place].swap(connections_.back());
  connections_[place]->place_ = place;
  connections_.pop_back();
}

}  // namespace reelsense::server
