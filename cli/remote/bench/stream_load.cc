// Load by ClassifyStream: a stream a client, requests as prepared bytes, one completion queue.
#include <grpcpp/generic/generic_stub.h>

#include <bit>
#include <vector>

#include "cli/remote/bench/grpc_answers.h"
#include "cli/remote/bench/messages.h"

namespace reelsense::cli {
namespace {

struct Client;

enum class Step : std::uint8_t { kStart, kRead, kWrite, kWritesDone, kFinish };
struct Tag {
  Client* client;
  Step step;
};

struct Message {
  std::int64_t due_ns = 0;
  std::size_t left = 0;  // windows not answered yet
};

struct Client {
  explicit Client(VirtualFlows its_flows) : flows(std::move(its_flows)) {}

  std::size_t number = 0;
  VirtualFlows flows;
  grpc::ClientContext context;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream;
  grpc::ByteBuffer incoming;
  grpc::Status status;
  std::vector<Message> messages;  // by number, modulo its size
  std::uint64_t sent = 0;
  std::size_t in_flight = 0;  // windows
  bool started = false;
  bool writing = false;
  bool held = false;  // the transport keeps the latest message for the one that was to follow
  bool half_closed = false;
  bool over = false;  // the server ended it, or it never began
  Tag start{this, Step::kStart};
  Tag read{this, Step::kRead};
  Tag write{this, Step::kWrite};
  Tag writes_done{this, Step::kWritesDone};
  Tag finish{this, Step::kFinish};
};

class StreamLoad final : public LoadWorker {
 public:
  StreamLoad(const LoadPlan& plan, std::size_t first, std::size_t count)
      : LoadWorker(plan, first, count), sample_(EncodedSample::of(plan.sample, false)) {}
  ~StreamLoad() override { drain(); }

 private:
  void open() override;
  void send(std::size_t c) override { send(*clients_[c]); }
  void handle_events(std::int64_t until_ns) override {
    handle_queue(queue_, until_ns, [this](void* tag, bool ok) { on_event(*static_cast<Tag*>(tag), ok); });
  }
  [[nodiscard]] bool idle() const override;
  [[nodiscard]] bool dead() const override { return over_ == clients_.size(); }
  [[nodiscard]] std::uint64_t sent(std::size_t c) const override { return clients_[c]->sent; }
  void close() override;

  void send(Client& client);
  [[nodiscard]] bool has_room(const Client& client) const noexcept;
  void on_event(const Tag& tag, bool ok);
  void on_answer(Client& client);
  void on_label(Client& client, const v1::WindowLabel& label, std::int64_t now);
  void half_close(Client& client);
  void drain();

  EncodedSample sample_;
  grpc::CompletionQueue queue_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::size_t over_ = 0;
  std::string bytes_;
  v1::ClassifyResponse response_;
  bool closing_ = false;
  bool drained_ = false;
};

void StreamLoad::open() {
  const BenchOptions& options = plan_.options;
  const std::int64_t second = std::chrono::system_clock::now().time_since_epoch() / std::chrono::seconds(1);
  for (std::size_t c = 0; c < count_; ++c) {
    const std::uint64_t first_flow = (first_ + c) * options.flows;
    auto client =
        std::make_unique<Client>(VirtualFlows(sample_, plan_.run_id, first_flow, options.flows, second));
    client->number = c;
    client->messages.resize(std::bit_ceil(options.in_flight + 1));
    plan_.connection.sign(client->context);
    grpc::GenericStub stub(plan_.connection.make_channel());
    client->stream =
        stub.PrepareCall(&client->context, "/reelsense.v1.FlowClassifier/ClassifyStream", &queue_);
    client->stream->StartCall(&client->start);
    clients_.push_back(std::move(client));
  }
}

bool StreamLoad::has_room(const Client& client) const noexcept {
  return client.in_flight + plan_.options.windows_per_message <= plan_.options.in_flight &&
         client.messages[client.sent & (client.messages.size() - 1)].left == 0;
}

void StreamLoad::send(Client& client) {
  const std::int64_t now = now_ns();
  std::int64_t due_ns = 0;
  if (!client.started || client.writing || client.half_closed || client.over || !sending(now)) return;
  if (!has_room(client) || !next_due(client.number, client.sent, now, due_ns)) return;

  const std::size_t n = plan_.options.windows_per_message;
  bytes_.clear();
  client.flows.append_proto(n, client.sent == 0 ? plan_.options.model : "", client.sent, bytes_);
  client.messages[client.sent & (client.messages.size() - 1)] = {due_ns, n};
  client.in_flight += n;
  ++client.sent;
  client.writing = true;
  // Another one follows at once: let the transport send them together.
  grpc::WriteOptions together;
  client.held = has_room(client) && next_due(client.number, client.sent, now, due_ns);
  if (client.held) together.set_buffer_hint();
  client.stream->Write(to_buffer(bytes_), together, &client.write);
}

void StreamLoad::on_event(const Tag& tag, bool ok) {
  Client& client = *tag.client;
  switch (tag.step) {
    case Step::kStart:
      client.started = ok;
      if (!ok) {
        client.stream->Finish(&client.status, &client.finish);
      } else {
        client.stream->Read(&client.incoming, &client.read);
        closing_ ? half_close(client) : send(client);
      }
      break;
    case Step::kRead:
      if (!ok) {
        client.stream->Finish(&client.status, &client.finish);
        break;
      }
      on_answer(client);
      client.stream->Read(&client.incoming, &client.read);
      send(client);
      break;
    case Step::kWrite:
      client.writing = false;
      if (!ok) break;
      closing_ ? half_close(client) : send(client);
      // The time to send is over and nothing follows: the end of the stream takes the held message along.
      if (client.held && !client.writing) half_close(client);
      break;
    case Step::kWritesDone:
      break;
    case Step::kFinish:
      client.over = true;
      ++over_;
      if (!client.status.ok() && !(closing_ && client.status.error_code() == grpc::StatusCode::CANCELLED)) {
        recorder_.failed(
            code_name(client.status.error_code()) + ": " + one_line(client.status.error_message()),
            client.in_flight);
      }
      client.in_flight = 0;
      break;
  }
}

void StreamLoad::on_answer(Client& client) {
  const std::int64_t now = now_ns();
  if (!parse(client.incoming, response_)) return recorder_.failed("malformed answer", 1);
  recorder_.response(now);
  if (!response_.error().empty() || response_.error_code() != 0) {
    Message& message = client.messages[response_.failed_request_id() & (client.messages.size() - 1)];
    recorder_.failed(code_name(response_.error_code()), message.left);
    client.in_flight -= message.left;
    message.left = 0;
  }
  for (const v1::WindowLabel& label : response_.labels()) on_label(client, label, now);
}

void StreamLoad::on_label(Client& client, const v1::WindowLabel& label, std::int64_t now) {
  Message& message = client.messages[label.request_id() & (client.messages.size() - 1)];
  if (message.left == 0 || label.request_id() >= client.sent)
    return recorder_.failed("label that was not asked for", 1);
  --message.left;
  --client.in_flight;
  if (label.error() != v1::WINDOW_ERROR_NONE) return recorder_.failed(name_of(label.error()), 1);
  recorder_.answered(message.due_ns, now, 1);
}

bool StreamLoad::idle() const {
  for (const auto& client : clients_) {
    if (client->in_flight != 0) return false;
  }
  return true;
}

void StreamLoad::half_close(Client& client) {
  if (client.half_closed || client.writing || client.over || !client.started) return;
  client.half_closed = true;
  client.stream->WritesDone(&client.writes_done);
}

void StreamLoad::close() {
  closing_ = true;
  for (auto& client : clients_) {
    unanswered(client->in_flight);
    client->in_flight = 0;
    half_close(*client);
  }
  while (!dead() && now_ns() < plan_.times.give_up_ns && !plan_.interrupted) {
    handle_events(std::min(now_ns() + 50'000'000, plan_.times.give_up_ns));
  }
  drain();
}

// Nothing of a client may go before its last event.
void StreamLoad::drain() {
  if (drained_) return;
  drained_ = true;
  closing_ = true;
  for (auto& client : clients_) {
    if (!client->over) client->context.TryCancel();
  }
  while (!dead()) handle_events(now_ns() + 50'000'000);
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
  }
}

}  // namespace

std::unique_ptr<LoadWorker> make_stream_load(const LoadPlan& plan, std::size_t first, std::size_t count) {
  return std::make_unique<StreamLoad>(plan, first, count);
}

std::string name_of(v1::WindowError error) {
  const std::string name = v1::WindowError_Name(error);
  constexpr std::string_view kPrefix = "WINDOW_ERROR_";
  return "window: " + (name.starts_with(kPrefix) ? name.substr(kPrefix.size()) : std::to_string(error));
}

}  // namespace reelsense::cli
