// FakeServer: an in-process FlowClassifier for the tests of this folder. It labels with the released UE
// model, and can be told to misbehave. Thread safety: set `behaviour` before the first call; the counters
// from any thread.
#pragma once

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "inference/grpc_predict_v2.grpc.pb.h"
#include "reelsense/bundle/bundle.h"
#include "reelsense/features/schema.h"
#include "reelsense/v1/flow_classifier.grpc.pb.h"

namespace reelsense::cli {

struct FakeBehaviour {
  std::string api_key{};             // asked for if not empty
  std::size_t gather = 1;            // answers wait for so many windows or the end of a flow …
  bool backwards = false;            // … and then come last flow first
  std::uint64_t break_after = 0;     // windows; then the stream ends with UNAVAILABLE (0: never)
  std::uint64_t refuse_after = 0;    // windows; then a request is answered by `error`
  std::uint64_t swap_after = 0;      // windows; then another model answers
  std::uint64_t no_label_after = 0;  // windows; then they get WINDOW_ERROR_INTERNAL
  bool label_twice = false;
  bool tells_decision = true;
  std::vector<v1::WatchResponse> watched{};
  grpc::Status watch_end{};
};

class FakeServer {
 public:
  explicit FakeServer(FakeBehaviour behaviour_to_have = {})
      : behaviour(std::move(behaviour_to_have)), flows_(*this), metadata_(*this), model_(load()) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(&flows_);
    builder.RegisterService(&metadata_);
    server_ = builder.BuildAndStart();
  }
  FakeServer(const FakeServer&) = delete;
  FakeServer& operator=(const FakeServer&) = delete;
  ~FakeServer() { server_->Shutdown(std::chrono::system_clock::now()); }

  [[nodiscard]] std::string url() const { return "grpc://127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] const UeModel& model() const { return model_.model; }
  [[nodiscard]] std::string model_id() const { return model_.id(); }
  [[nodiscard]] std::size_t flows_ended() {
    const std::lock_guard lock(mutex_);
    return ended_.size();
  }
  // Flows whose end came before or between windows of theirs.
  [[nodiscard]] std::size_t windows_after_end() const { return after_end_; }

  const FakeBehaviour behaviour;
  std::atomic<std::uint64_t> windows{0};
  std::atomic<std::uint64_t> models_named{0};  // requests in streams that named one

 private:
  static bundle::LoadedModel load() {
    auto model = bundle::load_model(REELSENSE_SOURCE_DIR "/models/reelsense-ue/1.0.0");
    return std::move(model).value();
  }

  grpc::Status admit(const grpc::ServerContext& context, const std::string& model) const {
    const auto key = context.client_metadata().find("authorization");
    const bool known = key != context.client_metadata().end() && key->second == "Bearer " + behaviour.api_key;
    if (!behaviour.api_key.empty() && !known) return {grpc::StatusCode::UNAUTHENTICATED, "no such API key"};
    if (!model.empty() && model != "reelsense-ue" && model != model_id()) {
      return {grpc::StatusCode::NOT_FOUND, "no model '" + model + "'"};
    }
    return grpc::Status::OK;
  }

  void label(const v1::Window& window, std::uint64_t request_id, v1::WindowLabel& to) {
    Decision decision;
    if (window.features_size() == static_cast<int>(kFeatureCount)) {
      model_.model.decide(window.features().data(), 1, &decision);
    }
    to.set_flow(window.flow());
    to.set_second(window.second());
    to.set_label(decision.label == Label::kVideo ? v1::LABEL_VIDEO : v1::LABEL_NON_VIDEO);
    to.set_confidence(decision.confidence);
    to.set_probability(decision.probability);
    to.set_uncertain(decision.uncertain);
    to.set_request_id(request_id);
    const std::uint64_t n = ++windows;
    if (behaviour.no_label_after != 0 && n > behaviour.no_label_after)
      to.set_error(v1::WINDOW_ERROR_INTERNAL);
    const std::lock_guard lock(mutex_);
    if (ended_.contains(window.flow())) ++after_end_;
  }

  class Flows final : public v1::FlowClassifier::Service {
   public:
    explicit Flows(FakeServer& owner) : owner_(owner) {}

    grpc::Status Classify(grpc::ServerContext* context, const v1::ClassifyRequest* request,
                          v1::ClassifyResponse* response) override {
      if (auto status = owner_.admit(*context, request->model()); !status.ok()) return status;
      for (const v1::Window& window : request->windows()) {
        owner_.label(window, request->request_id(), *response->add_labels());
      }
      response->set_model(owner_.model_id());
      return grpc::Status::OK;
    }

    grpc::Status ClassifyStream(
        grpc::ServerContext* context,
        grpc::ServerReaderWriter<v1::ClassifyResponse, v1::ClassifyRequest>* stream) override {
      const FakeBehaviour& behaviour = owner_.behaviour;
      v1::ClassifyResponse response;
      v1::ClassifyRequest request;
      std::uint64_t seen = 0;
      bool swapped = false;
      response.set_model(owner_.model_id());
      while (stream->Read(&request)) {
        if (auto status = owner_.admit(*context, request.model()); !status.ok()) return status;
        if (!request.model().empty()) ++owner_.models_named;
        for (const v1::FlowPackets& flow : request.flows()) {
          const std::lock_guard lock(owner_.mutex_);
          if (flow.end()) owner_.ended_.insert(flow.flow());
        }
        seen += static_cast<std::uint64_t>(request.windows_size());
        if (behaviour.break_after != 0 && seen > behaviour.break_after) {
          return {grpc::StatusCode::UNAVAILABLE, "going down"};
        }
        if (behaviour.refuse_after != 0 && seen > behaviour.refuse_after) {
          v1::ClassifyResponse refusal;
          refusal.set_error("windows: at most 3 are taken");
          refusal.set_error_code(grpc::StatusCode::INVALID_ARGUMENT);
          refusal.set_failed_request_id(request.request_id());
          stream->Write(refusal);
          continue;
        }
        if (behaviour.swap_after != 0 && seen > behaviour.swap_after && !swapped) {
          swapped = true;
          flush(*stream, response);
          response.set_model("reelsense-ue@9.9.9");
        }
        for (const v1::Window& window : request.windows()) {
          owner_.label(window, request.request_id(), *response.add_labels());
          if (behaviour.label_twice) *response.add_labels() = response.labels(response.labels_size() - 1);
        }
        const bool enough = static_cast<std::size_t>(response.labels_size()) >= behaviour.gather;
        if (enough || request.flows_size() != 0) flush(*stream, response);
      }
      flush(*stream, response);
      return grpc::Status::OK;
    }

    grpc::Status Watch(grpc::ServerContext* context, const v1::WatchRequest*,
                       grpc::ServerWriter<v1::WatchResponse>* writer) override {
      if (auto status = owner_.admit(*context, ""); !status.ok()) return status;
      for (const v1::WatchResponse& response : owner_.behaviour.watched) writer->Write(response);
      return owner_.behaviour.watch_end;
    }

   private:
    void flush(grpc::ServerReaderWriter<v1::ClassifyResponse, v1::ClassifyRequest>& stream,
               v1::ClassifyResponse& response) {
      if (response.labels_size() == 0) return;
      if (owner_.behaviour.backwards) {
        // Flows in any order, the windows of each in theirs.
        std::stable_sort(
            response.mutable_labels()->pointer_begin(), response.mutable_labels()->pointer_end(),
            [](const v1::WindowLabel* a, const v1::WindowLabel* b) { return a->flow() > b->flow(); });
      }
      stream.Write(response);
      response.Clear();
    }

    FakeServer& owner_;
  };

  class Metadata final : public inference::GRPCInferenceService::Service {
   public:
    explicit Metadata(FakeServer& owner) : owner_(owner) {}
    grpc::Status ModelMetadata(grpc::ServerContext*, const inference::ModelMetadataRequest* request,
                               inference::ModelMetadataResponse* response) override {
      if (request->name() + "@" + request->version() != owner_.model_id()) {
        return {grpc::StatusCode::NOT_FOUND, "no model '" + request->name() + "'"};
      }
      response->set_name(request->name());
      if (!owner_.behaviour.tells_decision) return grpc::Status::OK;
      for (const std::string key : {"threshold", "uncertain"}) {
        (*response->mutable_properties())[key] =
            std::string(owner_.model().model().info().find("reelsense." + key));
      }
      return grpc::Status::OK;
    }

   private:
    FakeServer& owner_;
  };

  Flows flows_;
  Metadata metadata_;
  bundle::LoadedModel model_;
  int port_ = 0;
  std::mutex mutex_;
  std::set<std::string> ended_;
  std::atomic<std::size_t> after_end_{0};
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace reelsense::cli
