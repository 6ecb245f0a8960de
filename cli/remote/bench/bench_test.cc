// Whole runs of bench-server, short ones, against servers in this process.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/exit_code.h"
#include "cli/remote/fake_server.h"
#include "cli/remote/remote.h"

namespace reelsense::cli {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

TrafficSample sample() {
  TrafficSample flows(3);
  for (std::size_t f = 0; f < flows.size(); ++f) {
    for (std::size_t w = 0; w < 5; ++w) {
      flows[f].push_back({std::vector<float>(kFeatureCount, static_cast<float>(f + w)),
                          std::vector<std::uint32_t>(kBinValues, 100)});
    }
  }
  return flows;
}

BenchOptions short_run(const std::string& url, LoadMode mode) {
  BenchOptions options;
  options.server.url = url;
  options.mode = mode;
  options.clients = 3;
  options.threads = 2;
  options.flows = 10;
  options.windows_per_message = 4;
  options.in_flight = 16;
  options.duration_s = 0.3;
  options.warmup_s = 0.05;
  options.server_pid = static_cast<std::uint32_t>(::getpid());
  options.json = true;
  return options;
}

struct Done {
  int code = 0;
  Json report;
  std::string error;
};

Done run(const BenchOptions& options) {
  const auto path = std::filesystem::path(::testing::TempDir()) / ("bench." + std::to_string(::getpid()));
  Done done;
  {
    Output out = Output::open(path.string()).value();
    ::testing::internal::CaptureStderr();
    done.code = run_bench(options, sample(), out);
    done.error = ::testing::internal::GetCapturedStderr();
    EXPECT_TRUE(out.close());
  }
  std::ifstream in(path);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  if (!text.empty()) done.report = Json::parse(text);
  std::filesystem::remove(path);
  return done;
}

// Every window is answered: what the server counted is what was asked, of the check and the load.
void expect_whole(const Done& done) {
  EXPECT_EQ(done.code, kExitOk) << done.error;
  EXPECT_EQ(done.report["failed"], Json::object());
  EXPECT_GT(done.report["windows"], 0);
  EXPECT_GT(done.report["latency_ms"]["windows"], 0);
  EXPECT_GE(done.report["latency_ms"]["max"], done.report["latency_ms"]["p50"]);
  EXPECT_FALSE(done.report.contains("ended_early"));
}

TEST(Bench, StreamAndUnary_AreAnsweredWhole) {
  for (const LoadMode mode : {LoadMode::kStream, LoadMode::kUnary}) {
    FakeServer server;
    const Done done = run(short_run(server.url(), mode));
    expect_whole(done);
    EXPECT_EQ(done.report["model"], server.model_id());
    EXPECT_TRUE(done.report.contains("windows_per_server_cpu_s"));
    EXPECT_EQ(server.windows % 4, 0U);
    EXPECT_GE(server.windows, done.report["windows"].get<std::uint64_t>());
  }
}

TEST(Bench, PacedLoad_SendsNoMoreThanItsRate) {
  for (const LoadMode mode : {LoadMode::kStream, LoadMode::kUnary}) {
    FakeServer server;
    BenchOptions options = short_run(server.url(), mode);
    options.rate = 800;
    expect_whole(run(options));
    // 200 messages a second for 0.35 s, one more for the fraction, one for the check.
    EXPECT_LE(server.windows, 4U * (70 + 2));
  }
}

TEST(Bench, FailedWindows_AreCountedByCode) {
  FakeServer server({.no_label_after = 20});
  const Done done = run(short_run(server.url(), LoadMode::kStream));
  EXPECT_GT(done.report["failed"]["window: INTERNAL"], 0);
  FakeServer refusing({.refuse_after = 20});
  const Done refused = run(short_run(refusing.url(), LoadMode::kStream));
  EXPECT_GT(refused.report["failed"]["INVALID_ARGUMENT"], 0);
}

TEST(Bench, ServerThatBreaksEveryStream_EndsTheRun) {
  FakeServer server({.break_after = 40});
  const Done done = run(short_run(server.url(), LoadMode::kStream));
  EXPECT_EQ(done.code, kExitServer);
  EXPECT_EQ(done.report["ended_early"], "no client could go on");
  EXPECT_GT(done.report["failed"]["UNAVAILABLE: going down"], 0);
}

TEST(Bench, FirstRequestThatIsNotLabelled_StopsBeforeTheLoad) {
  FakeServer server({.no_label_after = 2});
  const Done done = run(short_run(server.url(), LoadMode::kStream));
  EXPECT_EQ(done.code, kExitServer);
  EXPECT_THAT(done.error, HasSubstr("2 of its 4 windows are labelled"));
  EXPECT_EQ(server.windows, 4U);
}

TEST(Bench, UrlOfAnotherMode_IsAUsageError) {
  EXPECT_EQ(run(short_run("grpc://127.0.0.1:1", LoadMode::kRest)).code, kExitUsage);
  EXPECT_EQ(run(short_run("http://127.0.0.1:1", LoadMode::kStream)).code, kExitUsage);
}

TEST(Bench, Unreachable_IsOneLine) {
  for (const LoadMode mode : {LoadMode::kStream, LoadMode::kRest}) {
    const Done done = run(short_run("127.0.0.1:1", mode));
    EXPECT_EQ(done.code, kExitServer);
    EXPECT_THAT(done.error, HasSubstr("127.0.0.1:1: "));
    EXPECT_THAT(done.error, HasSubstr("cannot be reached"));
  }
}

// Answers POST /v1/classify as the server does, one label a window; a thread a connection.
class FakeRest {
 public:
  // `keep`: requests that a connection serves before it closes; `status` of every request after the first.
  explicit FakeRest(int keep = 1 << 30, int status = 200) : keep_(keep), status_(status) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener_, 64), 0);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] {
      for (int fd; (fd = ::accept(listener_, nullptr, nullptr)) >= 0;)
        threads_.emplace_back([this, fd] { serve(fd); });
    });
  }
  FakeRest(const FakeRest&) = delete;
  FakeRest& operator=(const FakeRest&) = delete;
  ~FakeRest() {
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    for (std::thread& thread : threads_) thread.join();
    ::close(listener_);
  }

  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  std::atomic<int> requests{0};

 private:
  void serve(int fd) {
    std::string in;
    char piece[4096];
    for (int served = 0; served < keep_;) {
      const std::size_t head = in.find("\r\n\r\n");
      const std::size_t length_at = in.find("Content-Length: ");
      if (head != std::string::npos && length_at < head) {
        const std::size_t body = std::stoul(in.substr(length_at + 16));
        if (in.size() >= head + 4 + body) {
          answer(fd, Json::parse(in.substr(head + 4, body)), ++served == keep_);
          in.erase(0, head + 4 + body);
          continue;
        }
      }
      const ssize_t n = ::recv(fd, piece, sizeof piece, 0);
      if (n <= 0) break;
      in.append(piece, static_cast<std::size_t>(n));
    }
    ::close(fd);
  }

  void answer(int fd, const Json& request, bool last) {
    Json labels = Json::array();
    for (const Json& window : request["windows"]) {
      labels.push_back({{"flow", window["flow"]}, {"second", window["second"]}, {"label", "video"}});
    }
    const int status = ++requests == 1 ? 200 : status_;
    const std::string body = Json({{"model", "m@1"}, {"labels", labels}}).dump();
    const std::string text = "HTTP/1.1 " + std::to_string(status) +
                             " Some reason\r\ncontent-length:  " + std::to_string(body.size()) +
                             (last ? "\r\nConnection: Close" : "") + "\r\n\r\n" + body;
    // In two parts, as a network may.
    ::send(fd, text.data(), 10, MSG_NOSIGNAL);
    ::send(fd, text.data() + 10, text.size() - 10, MSG_NOSIGNAL);
  }

  int keep_;
  int status_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::thread acceptor_;
  std::vector<std::thread> threads_;
};

TEST(Bench, Rest_IsAnsweredWhole) {
  FakeRest server;
  const Done done = run(short_run(server.url(), LoadMode::kRest));
  expect_whole(done);
  EXPECT_EQ(done.report["model"], "m@1");
  EXPECT_EQ(done.report["windows_per_response"], 4.0);
}

TEST(Bench, PacedRest_SendsNoMoreThanItsRate) {
  FakeRest server;
  BenchOptions options = short_run(server.url(), LoadMode::kRest);
  options.rate = 800;
  expect_whole(run(options));
  EXPECT_LE(server.requests, 72);
}

TEST(Bench, RestConnectionsThatClose_AreOpenedAgain) {
  FakeRest server(3);
  const Done done = run(short_run(server.url(), LoadMode::kRest));
  expect_whole(done);
  EXPECT_GT(server.requests, 10);
}

TEST(Bench, RestFailures_AreCountedByStatus) {
  FakeRest server(1 << 30, 429);
  const Done done = run(short_run(server.url(), LoadMode::kRest));
  EXPECT_EQ(done.code, kExitServer);
  EXPECT_GT(done.report["failed"]["HTTP 429"], 0);
  EXPECT_EQ(done.report["windows"], 0);
}

}  // namespace
}  // namespace reelsense::cli
