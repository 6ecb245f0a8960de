// Worker: one io thread with its own io_context, the connections that live on it, and what they share: a JSON
// parser, spare jobs, the Date field, request ids. It is the engine's listener for all of them: finished jobs
// are gathered and cost the thread one wake-up a batch.
//
// Thread safety: on_done, on_batch_end, post, add and the stopping functions from any thread; the rest on its
// own.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "server/engine/engine.h"
#include "server/http/app.h"
#include "server/http/json_parser.h"

namespace reelsense::server {

class Connection;

class Worker final : public JobListener {
 public:
  explicit Worker(App& app);
  ~Worker() override;  // stopped by then

  void start();
  // Every connection closes once it has answered what it is at.
  void drain();
  // Closes every connection now.
  void close_all();
  // Stops the thread. No connection, job or promise may be left.
  void stop();

  [[nodiscard]] boost::asio::io_context& context() noexcept { return context_; }
  [[nodiscard]] App& app() noexcept { return app_; }
  void post(std::function<void()> what);

  void on_done(std::unique_ptr<Job> job) override;
  void on_batch_end() override;

  [[nodiscard]] JsonParser& json() noexcept { return json_; }
  [[nodiscard]] std::unique_ptr<Job> take_job();
  void give_back(std::unique_ptr<Job> job);
  // After Engine::submit: what it answered at once is fetched even if no batch ends.
  void submitted();
  [[nodiscard]] const std::string& date_header();
  void make_request_id(std::string& out);

  void enter(std::shared_ptr<Connection> connection);
  void leave(Connection& connection) noexcept;

 private:
  void tick();
  void fetch();

  App& app_;
  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  boost::asio::steady_timer timer_;
  std::vector<std::shared_ptr<Connection>> connections_;
  std::vector<std::unique_ptr<Job>> spare_;
  JsonParser json_;
  std::string date_;
  std::int64_t date_second_ = -1;
  std::uint64_t id_state_;

  std::mutex done_mutex_;
  std::vector<std::unique_ptr<Job>> done_;
  bool fetching_ = false;  // a fetch() is posted
  std::vector<std::unique_ptr<Job>> fetched_;

  std::thread thread_;
};

}  // namespace reelsense::server
