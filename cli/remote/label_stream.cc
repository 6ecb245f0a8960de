// The LabelStream over FlowClassifier.ClassifyStream. The caller's thread writes, one of its own reads.
//
// Bounds: labels wait for the caller to take them; they are of windows that the caller holds, so there are
// never more than it holds windows.
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <optional>
#include <random>
#include <thread>

#include "cli/remote/connection.h"
#include "reelsense/v1/flow_classifier.grpc.pb.h"

namespace reelsense::cli {
namespace {

constexpr std::size_t kMaxModels = 256;  // that one stream may be answered by
constexpr std::size_t kRunIdBytes = 8;
constexpr std::size_t kFlowNameBytes = kRunIdBytes + sizeof(std::uint64_t);

std::string random_run_id() {
  std::random_device random;
  std::string id;
  while (id.size() < kRunIdBytes) id += static_cast<char>(random() & 0xffU);
  return id;
}

const char* why(v1::WindowError error) {
  switch (error) {
    case v1::WINDOW_ERROR_OUT_OF_ORDER:
      return "its second is before the flow's last";
    case v1::WINDOW_ERROR_INVALID:
      return "NaN or infinite values";
    case v1::WINDOW_ERROR_DEADLINE:
      return "the deadline passed first";
    case v1::WINDOW_ERROR_CANCELLED:
      return "cancelled";
    case v1::WINDOW_ERROR_INTERNAL:
      return "the model failed; the server's log says why";
    default:
      return "for a reason that this version does not know";
  }
}

class GrpcLabelStream final : public LabelStream {
 public:
  GrpcLabelStream(const Connection& connection, const std::shared_ptr<grpc::Channel>& channel,
                  const std::string& model)
      : stub_(v1::FlowClassifier::NewStub(channel)), run_id_(random_run_id()) {
    connection.sign(context_);
    windows_.set_model(model);
    stream_ = stub_->ClassifyStream(&context_);
    reader_ = std::thread([this] { read(); });
  }
  GrpcLabelStream(const GrpcLabelStream&) = delete;
  GrpcLabelStream& operator=(const GrpcLabelStream&) = delete;
  ~GrpcLabelStream() override {
    if (!closed_) {
      context_.TryCancel();
      (void)close();
    }
  }

  void add(const WindowRow& row) override;
  void end_flow(std::uint64_t flow_id) override;
  bool send(std::uint64_t message) override;
  bool receive(std::vector<StreamedLabel>& labels, bool wait) override;
  [[nodiscard]] std::string model_name(std::uint32_t model) const override;
  Status close() override;
  void cancel() override { context_.TryCancel(); }

 private:
  [[nodiscard]] std::string flow_name(std::uint64_t flow_id) const;
  bool write(v1::ClassifyRequest& request);
  void read();
  std::optional<std::string> take(const v1::ClassifyResponse& response);
  std::optional<std::string> take_model(const std::string& name);
  std::optional<std::string> take_label(const v1::WindowLabel& from);

  std::unique_ptr<v1::FlowClassifier::Stub> stub_;
  const std::string run_id_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::ClassifyRequest, v1::ClassifyResponse>> stream_;
  v1::ClassifyRequest windows_;  // being built
  v1::ClassifyRequest ends_;
  bool closed_ = false;

  mutable std::mutex mutex_;
  std::condition_variable came_;
  std::vector<StreamedLabel> labels_;
  std::vector<std::string> models_;
  std::uint32_t model_ = 0;  // of the labels that are read now
  bool over_ = false;        // no more labels will come
  std::optional<std::string> problem_;
  std::thread reader_;
};

std::string GrpcLabelStream::flow_name(std::uint64_t flow_id) const {
  std::string name = run_id_;
  name.append(reinterpret_cast<const char*>(&flow_id), sizeof flow_id);
  return name;
}

void GrpcLabelStream::add(const WindowRow& row) {
  v1::Window& window = *windows_.add_windows();
  window.set_flow(flow_name(row.flow_id));
  window.set_second(row.second);
  window.mutable_features()->Add(row.features, row.features + kFeatureCount);
  window.mutable_bins()->Add(row.bins, row.bins + kBinValues);
}

void GrpcLabelStream::end_flow(std::uint64_t flow_id) {
  v1::FlowPackets& flow = *ends_.add_flows();
  flow.set_flow(flow_name(flow_id));
  flow.set_end(true);
}

bool GrpcLabelStream::send(std::uint64_t message) {
  windows_.set_request_id(message);
  ends_.set_request_id(message);
  // Windows first: the last one of an ended flow may be among them.
  const bool sent = windows_.windows_size() == 0 || write(windows_);
  return sent && (ends_.flows_size() == 0 || write(ends_));
}

bool GrpcLabelStream::write(v1::ClassifyRequest& request) {
  const bool sent = stream_->Write(request);
  request.Clear();  // the model with it: only the first request names it
  return sent;
}

bool GrpcLabelStream::receive(std::vector<StreamedLabel>& labels, bool wait) {
  std::unique_lock lock(mutex_);
  if (wait) came_.wait(lock, [this] { return over_ || !labels_.empty(); });
  const bool open = !over_ || !labels_.empty();
  labels.insert(labels.end(), labels_.begin(), labels_.end());
  labels_.clear();
  return open;
}

std::string GrpcLabelStream::model_name(std::uint32_t model) const {
  const std::lock_guard lock(mutex_);
  return models_.at(model);
}

Status GrpcLabelStream::close() {
  closed_ = true;
  stream_->WritesDone();
  reader_.join();
  const grpc::Status status = stream_->Finish();
  if (problem_) return Error{ErrorCode::kCorrupt, *problem_};
  if (!status.ok()) return error_of(status);
  return ok_status();
}

void GrpcLabelStream::read() {
  v1::ClassifyResponse response;
  while (stream_->Read(&response)) {
    const std::lock_guard lock(mutex_);
    problem_ = take(response);
    if (problem_) break;
    came_.notify_one();
  }
  if (problem_) {
    context_.TryCancel();
    while (stream_->Read(&response)) {
    }
  }
  const std::lock_guard lock(mutex_);
  over_ = true;
  came_.notify_one();
}

std::optional<std::string> GrpcLabelStream::take(const v1::ClassifyResponse& response) {
  if (!response.error().empty() || response.error_code() != 0) {
    return "the server refused windows: " + one_line(response.error()) + " (" +
           code_name(response.error_code()) + ")";
  }
  if (!response.model().empty()) {
    if (auto problem = take_model(response.model())) return problem;
  }
  for (const v1::WindowLabel& label : response.labels()) {
    if (auto problem = take_label(label)) return problem;
  }
  return std::nullopt;
}

std::optional<std::string> GrpcLabelStream::take_model(const std::string& name) {
  const auto known = std::find(models_.begin(), models_.end(), name);
  model_ = static_cast<std::uint32_t>(known - models_.begin());
  if (known != models_.end()) return std::nullopt;
  if (models_.size() == kMaxModels)
    return "more than " + std::to_string(kMaxModels) + " models answered one stream";
  models_.push_back(one_line(name));
  return std::nullopt;
}

std::optional<std::string> GrpcLabelStream::take_label(const v1::WindowLabel& from) {
  const std::string& name = from.flow();
  if (name.size() != kFlowNameBytes || !name.starts_with(run_id_))
    return "the server labelled a flow of somebody else";
  if (from.error() != v1::WINDOW_ERROR_NONE) {
    return "no label for second " + std::to_string(from.second()) + " of a flow: " + why(from.error());
  }
  if (from.label() != v1::LABEL_VIDEO && from.label() != v1::LABEL_NON_VIDEO) {
    return "a label that this version does not know: " + std::to_string(from.label());
  }
  if (models_.empty()) return "the server does not name the model that labels";
  StreamedLabel label;
  label.message = from.request_id();
  std::memcpy(&label.flow_id, name.data() + kRunIdBytes, sizeof label.flow_id);
  label.second = from.second();
  label.decision.probability = from.probability();
  label.decision.confidence = from.confidence();
  label.decision.label = from.label() == v1::LABEL_VIDEO ? Label::kVideo : Label::kNonVideo;
  label.decision.uncertain = from.uncertain();
  label.model = model_;
  labels_.push_back(label);
  return std::nullopt;
}

}  // namespace

Result<OpenLabelStream> open_label_stream(const ServerOptions& server, const std::string& model,
                                          bool need_decision) {
  const auto connection = Connection::open(server);
  if (!connection) return connection.error();
  const auto channel = connection.value().make_channel();
  auto info = ask_for_model(connection.value(), channel, model, need_decision);
  if (!info) return info.error();
  OpenLabelStream opened;
  opened.model = std::move(info).value();
  opened.stream = std::make_unique<GrpcLabelStream>(connection.value(), channel, model);
  return opened;
}

}  // namespace reelsense::cli
