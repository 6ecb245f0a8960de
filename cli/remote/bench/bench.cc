// `reelsense bench-server`: a first request that is checked, then workers under way while this thread watches
// the clock and the server's process.
#include <poll.h>

#include <cstdio>
#include <random>
#include <thread>
#include <vector>

#include "cli/exit_code.h"
#include "cli/output/format.h"
#include "cli/output/terminal.h"
#include "cli/remote/bench/grpc_answers.h"
#include "cli/remote/bench/load.h"
#include "cli/remote/bench/messages.h"
#include "cli/remote/bench/process_usage.h"
#include "cli/remote/bench/report.h"
#include "cli/run/interrupt.h"
#include "reelsense/v1/flow_classifier.grpc.pb.h"

namespace reelsense::cli {
namespace {

constexpr std::int64_t kPatienceNs = 10'000'000'000;
constexpr std::int64_t kGlanceNs = 100'000'000;
constexpr std::int64_t kCheckSecond = 1'700'000'000;  // of the first request's windows; any would do

std::int64_t to_ns(double seconds) {
  return static_cast<std::int64_t>(seconds * 1e9);
}

std::string random_bytes(std::size_t n) {
  std::random_device random;
  std::string bytes;
  while (bytes.size() < n) bytes += static_cast<char>(random() & 0xffU);
  return bytes;
}

Error not_labelled(std::size_t labelled, std::size_t asked) {
  return {ErrorCode::kCorrupt,
          "the first request is not answered as it should be: " + std::to_string(labelled) + " of its " +
              std::to_string(asked) + " windows are labelled"};
}

// Each returns the model's name.
Result<std::string> check_grpc(const LoadPlan& plan) {
  const auto channel = plan.connection.make_channel();
  auto model = ask_for_model(plan.connection, channel, plan.options.model, false);
  if (!model) return model.error();
  const EncodedSample sample = EncodedSample::of(plan.sample, false);
  const std::size_t n = plan.options.windows_per_message;
  std::string bytes;
  VirtualFlows(sample, random_bytes(8), 0, n, kCheckSecond).append_proto(n, plan.options.model, 0, bytes);
  v1::ClassifyRequest request;
  request.ParseFromString(bytes);
  v1::ClassifyResponse response;
  grpc::ClientContext context;
  plan.connection.sign(context);
  context.set_deadline(std::chrono::system_clock::now() + kHelloTimeout);
  const grpc::Status status = v1::FlowClassifier::NewStub(channel)->Classify(&context, request, &response);
  if (!status.ok()) return error_of(status).in(plan.connection.url().text);
  std::size_t labelled = 0;
  for (int i = 0; i < std::min(response.labels_size(), request.windows_size()); ++i) {
    const v1::WindowLabel& label = response.labels(i);
    const bool same =
        label.flow() == request.windows(i).flow() && label.second() == request.windows(i).second();
    if (same && label.error() == v1::WINDOW_ERROR_NONE && label.label() != v1::LABEL_UNSPECIFIED) ++labelled;
  }
  if (labelled != n) return not_labelled(labelled, n).in(plan.connection.url().text);
  return std::move(model).value().id;
}

Result<std::string> check_rest(const LoadPlan& plan) {
  const std::string& url = plan.connection.url().text;
  const EncodedSample sample = EncodedSample::of(plan.sample, true);
  const std::size_t n = plan.options.windows_per_message;
  std::string body;
  VirtualFlows(sample, random_bytes(8), 0, n, kCheckSecond).append_json(n, plan.options.model, body);
  HttpConnection connection(plan.http);
  auto state = connection.send(classify_request(plan.connection, body));
  const std::int64_t give_up = now_ns() + kPatienceNs;
  while (state == HttpConnection::State::kWaiting && now_ns() < give_up) {
    pollfd wait{connection.fd(), static_cast<short>(POLLIN | (connection.writing() ? POLLOUT : 0)), 0};
    ::poll(&wait, 1, 100);
    state = connection.proceed();
  }
  if (state != HttpConnection::State::kAnswered) {
    return Error{ErrorCode::kIo,
                 url + ": " + (state == HttpConnection::State::kBroken ? connection.problem() : "no answer")};
  }
  const HttpAnswer& answer = connection.answer();
  if (answer.status != 200) {
    return Error{ErrorCode::kIo,
                 url + ": HTTP " + std::to_string(answer.status) + ": " + one_line(std::string(answer.body))};
  }
  if (labels_in(answer.body) != n) return not_labelled(labels_in(answer.body), n).in(url);
  constexpr std::string_view kModel = "\"model\":\"";
  const std::size_t at = answer.body.find(kModel);
  if (at == std::string_view::npos) return std::string("a model that it does not name");
  const std::string_view rest = answer.body.substr(at + kModel.size());
  return one_line(std::string(rest.substr(0, rest.find('"'))));
}

class Run {
 public:
  Run(LoadPlan& plan, const Interrupt& interrupt)
      : plan_(plan), interrupt_(interrupt), terminal_(Terminal::of_stderr()) {}

  BenchReport go(std::string model);

 private:
  void make_workers();
  // Until then, or until it is over. Returns when.
  std::int64_t watch(std::int64_t until_ns);
  void show(std::int64_t now);
  void collect(BenchReport& report) const;

  LoadPlan& plan_;
  const Interrupt& interrupt_;
  Terminal terminal_;
  std::vector<std::unique_ptr<LoadWorker>> workers_;
  std::atomic<std::size_t> ended_{0};
  std::uint64_t shown_ = 0;
};

void Run::make_workers() {
  const BenchOptions& options = plan_.options;
  const auto make = options.mode == LoadMode::kRest    ? make_rest_load
                    : options.mode == LoadMode::kUnary ? make_unary_load
                                                       : make_stream_load;
  for (std::size_t t = 0; t < options.threads; ++t) {
    const std::size_t begin = options.clients * t / options.threads;
    const std::size_t end = options.clients * (t + 1) / options.threads;
    workers_.push_back(make(plan_, begin, end - begin));
  }
}

std::int64_t Run::watch(std::int64_t until_ns) {
  std::int64_t now = now_ns();
  for (; now < until_ns && ended_ < workers_.size() && !interrupt_.happened(); now = now_ns()) {
    nap(std::min(until_ns - now, kGlanceNs));
    show(now);
  }
  return now;
}

void Run::show(std::int64_t now) {
  if (!terminal_.is_terminal) return;
  std::uint64_t windows = 0;
  for (const auto& worker : workers_) windows += worker->recorder().answered_so_far();
  const std::uint64_t rate = (windows - shown_) * 1'000'000'000U / static_cast<std::uint64_t>(kGlanceNs);
  shown_ = windows;
  const std::int64_t left_s = std::max<std::int64_t>(0, (plan_.times.stop_ns - now) / 1'000'000'000);
  std::fprintf(stderr, "\r\x1b[K%s %s windows/s, %lld s to go",
               now < plan_.times.measure_ns ? "warming up:" : "measuring:", grouped(rate).c_str(),
               static_cast<long long>(left_s));
  std::fflush(stderr);
}

void Run::collect(BenchReport& report) const {
  for (const auto& worker : workers_) {
    const Recorder& recorder = worker->recorder();
    report.windows += recorder.answered();
    report.responses += recorder.responses();
    report.not_sent += recorder.not_sent();
    report.latency.add(recorder.latency());
    for (const auto& [what, count] : recorder.errors()) report.errors[what] += count;
    if (worker->broke_off()) report.stopped_early = "no client could go on";
  }
  if (interrupt_.happened()) report.stopped_early = "interrupted";
}

BenchReport Run::go(std::string model) {
  const std::uint32_t pid = plan_.options.server_pid;
  make_workers();
  std::vector<std::thread> threads;
  for (auto& worker : workers_) {
    threads.emplace_back([this, &worker] {
      worker->run();
      ++ended_;
    });
  }
  const std::int64_t began = watch(plan_.times.measure_ns);
  const auto before = process_usage(pid);
  const double own_before = own_cpu_seconds();
  const std::int64_t ended = watch(plan_.times.stop_ns);
  const auto after = process_usage(pid);
  const double own_after = own_cpu_seconds();
  for (std::thread& thread : threads) thread.join();
  if (terminal_.is_terminal) std::fputs("\r\x1b[K", stderr);

  BenchReport report;
  report.options = plan_.options;
  report.model = std::move(model);
  report.measured_s = static_cast<double>(ended - began) * 1e-9;
  report.client_cpu_s = own_after - own_before;
  if (pid != 0 && before && after) {
    report.server_cpu_s = after->cpu_s - before->cpu_s;
    report.server_bytes = after->resident_bytes;
  }
  collect(report);
  return report;
}

// A bare host:port means whatever the mode speaks.
Result<Connection> open_connection(BenchOptions& options) {
  if (options.mode == LoadMode::kRest && options.server.url.find("://") == std::string::npos) {
    options.server.url = "http://" + options.server.url;
  }
  auto connection = Connection::open(options.server);
  if (!connection) return connection;
  if ((connection.value().url().scheme == UrlScheme::kHttp) != (options.mode == LoadMode::kRest)) {
    return Error{
        ErrorCode::kInvalidArgument,
        options.server.url + ": --mode rest needs an http:// URL, the other modes a grpc:// or grpcs:// one"};
  }
  return connection;
}

int fail(const Error& error) {
  print_error(error.message);
  return error.code == ErrorCode::kInvalidArgument ? kExitUsage : kExitServer;
}

}  // namespace

int run_bench(const BenchOptions& asked, const TrafficSample& sample, Output& out) {
  std::atomic<bool> interrupted{false};
  Interrupt interrupt;
  interrupt.on_signal([&interrupted] { interrupted = true; });
  BenchOptions options = asked;
  const auto connection = open_connection(options);
  if (!connection) return fail(connection.error());
  if (options.server_pid != 0 && !process_usage(options.server_pid)) {
    return fail({ErrorCode::kInvalidArgument,
                 "--server-pid " + std::to_string(options.server_pid) + ": no such process"});
  }
  LoadPlan plan{options, connection.value(), {}, sample, random_bytes(8), {}, interrupted};
  if (options.mode == LoadMode::kRest) {
    const auto found = HttpTarget::find(connection.value().url().host, connection.value().url().port);
    if (!found) return fail(found.error().in(options.server.url));
    plan.http = found.value();
  }
  auto model = options.mode == LoadMode::kRest ? check_rest(plan) : check_grpc(plan);
  if (!model) return interrupt.happened() ? interrupt.end_process(), kExitServer : fail(model.error());

  plan.times.start_ns = now_ns();
  plan.times.measure_ns = plan.times.start_ns + to_ns(options.warmup_s);
  plan.times.stop_ns = plan.times.measure_ns + to_ns(options.duration_s);
  plan.times.give_up_ns = plan.times.stop_ns + kPatienceNs;
  const BenchReport report = Run(plan, interrupt).go(std::move(model).value());
  out.write(options.json ? report_as_json(report) : report_as_text(report));
  if (interrupt.happened()) return kExitOk;  // the report says that it is of less than was asked for
  return report.windows == 0 || !report.stopped_early.empty() ? kExitServer : kExitOk;
}

}  // namespace reelsense::cli
