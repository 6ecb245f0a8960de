// Load by unary Classify: a channel a client, several calls of it under way, each of flows of its own so that
// the order inside a flow holds.
#include <grpcpp/generic/generic_stub.h>

#include <vector>

#include "cli/remote/bench/grpc_answers.h"
#include "cli/remote/bench/messages.h"

namespace reelsense::cli {
namespace {

constexpr std::chrono::seconds kCallTimeout{30};
constexpr int kFailuresInARow = 100;  // that make a client give up

struct Client;

// One call at a time.
struct Lane {
  Lane(Client& its_client, VirtualFlows its_flows) : client(its_client), flows(std::move(its_flows)) {}

  Client& client;
  VirtualFlows flows;
  std::unique_ptr<grpc::ClientContext> context;
  std::unique_ptr<grpc::GenericClientAsyncResponseReader> call;
  grpc::ByteBuffer response;
  grpc::Status status;
  std::int64_t due_ns = 0;
};

struct Client {
  Client(std::size_t its_number, const std::shared_ptr<grpc::Channel>& channel)
      : number(its_number), stub(channel) {}

  std::size_t number;
  grpc::GenericStub stub;
  std::vector<std::unique_ptr<Lane>> lanes;
  std::vector<Lane*> free;
  std::uint64_t sent = 0;
  int failures = 0;  // in a row
};

class UnaryLoad final : public LoadWorker {
 public:
  UnaryLoad(const LoadPlan& plan, std::size_t first, std::size_t count)
      : LoadWorker(plan, first, count), sample_(EncodedSample::of(plan.sample, false)) {}
  ~UnaryLoad() override { drain(); }

 private:
  void open() override;
  void send(std::size_t c) override;
  void handle_events(std::int64_t until_ns) override {
    handle_queue(queue_, until_ns, [this](void* tag, bool) { on_answer(*static_cast<Lane*>(tag)); });
  }
  [[nodiscard]] bool idle() const override { return calls_ == 0; }
  [[nodiscard]] bool dead() const override;
  [[nodiscard]] std::uint64_t sent(std::size_t c) const override { return clients_[c]->sent; }
  void close() override;

  void start(Lane& lane);
  void on_answer(Lane& lane);
  void count(Lane& lane, std::int64_t now);
  void drain();

  EncodedSample sample_;
  grpc::CompletionQueue queue_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::size_t calls_ = 0;  // under way
  std::string bytes_;
  v1::ClassifyResponse response_;
  bool drained_ = false;
};

void UnaryLoad::open() {
  const BenchOptions& options = plan_.options;
  const std::int64_t second = std::chrono::system_clock::now().time_since_epoch() / std::chrono::seconds(1);
  const std::size_t lanes = std::min(options.flows, options.in_flight / options.windows_per_message);
  for (std::size_t c = 0; c < count_; ++c) {
    auto client = std::make_unique<Client>(c, plan_.connection.make_channel());
    const std::uint64_t first_flow = (first_ + c) * options.flows;
    for (std::size_t i = 0; i < lanes; ++i) {
      const std::size_t begin = options.flows * i / lanes;
      const std::size_t end = options.flows * (i + 1) / lanes;
      client->lanes.push_back(std::make_unique<Lane>(
          *client, VirtualFlows(sample_, plan_.run_id, first_flow + begin, end - begin, second)));
      client->free.push_back(client->lanes.back().get());
    }
    clients_.push_back(std::move(client));
  }
}

void UnaryLoad::send(std::size_t c) {
  Client& client = *clients_[c];
  while (!client.free.empty() && client.failures < kFailuresInARow) {
    const std::int64_t now = now_ns();
    std::int64_t due_ns = 0;
    if (!sending(now) || !next_due(client.number, client.sent, now, due_ns)) return;
    Lane& lane = *client.free.back();
    client.free.pop_back();
    lane.due_ns = due_ns;
    start(lane);
  }
}

void UnaryLoad::start(Lane& lane) {
  Client& client = lane.client;
  bytes_.clear();
  lane.flows.append_proto(plan_.options.windows_per_message, plan_.options.model, client.sent, bytes_);
  ++client.sent;
  lane.context = std::make_unique<grpc::ClientContext>();
  plan_.connection.sign(*lane.context);
  lane.context->set_deadline(std::chrono::system_clock::now() + kCallTimeout);
  lane.call = client.stub.PrepareUnaryCall(lane.context.get(), "/reelsense.v1.FlowClassifier/Classify",
                                           to_buffer(bytes_), &queue_);
  lane.call->StartCall();
  lane.call->Finish(&lane.response, &lane.status, &lane);
  ++calls_;
}

void UnaryLoad::on_answer(Lane& lane) {
  --calls_;
  Client& client = lane.client;
  if (lane.status.ok()) {
    client.failures = 0;
    count(lane, now_ns());
  } else if (!drained_) {
    ++client.failures;
    recorder_.failed(code_name(lane.status.error_code()) + ": " + one_line(lane.status.error_message()),
                     plan_.options.windows_per_message);
  }
  client.free.push_back(&lane);
  send(client.number);
}

void UnaryLoad::count(Lane& lane, std::int64_t now) {
  if (!parse(lane.response, response_))
    return recorder_.failed("malformed answer", plan_.options.windows_per_message);
  recorder_.response(now);
  std::uint64_t good = 0;
  for (const v1::WindowLabel& label : response_.labels()) {
    if (label.error() == v1::WINDOW_ERROR_NONE) {
      ++good;
    } else {
      recorder_.failed(name_of(label.error()), 1);
    }
  }
  const auto labels = static_cast<std::size_t>(response_.labels_size());
  if (labels < plan_.options.windows_per_message) {
    recorder_.failed("no answer", plan_.options.windows_per_message - labels);
  }
  recorder_.answered(lane.due_ns, now, good);
}

bool UnaryLoad::dead() const {
  for (const auto& client : clients_) {
    if (client->failures < kFailuresInARow) return false;
  }
  return true;
}

void UnaryLoad::close() {
  unanswered(calls_ * plan_.options.windows_per_message);
  drain();
}

// Nothing of a call may go before its answer.
void UnaryLoad::drain() {
  if (drained_) return;
  drained_ = true;
  for (auto& client : clients_) {
    for (auto& lane : client->lanes) {
      if (lane->context) lane->context->TryCancel();
    }
  }
  while (calls_ != 0) handle_events(now_ns() + 50'000'000);
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
  }
}

}  // namespace

std::unique_ptr<LoadWorker> make_unary_load(const LoadPlan& plan, std::size_t first, std::size_t count) {
  return std::make_unique<UnaryLoad>(plan, first, count);
}

}  // namespace reelsense::cli
