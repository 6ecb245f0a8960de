#include "server/grpc/watch_call.h"

#include <cmath>
#include <optional>

#include "server/grpc/classify_convert.h"

namespace reelsense::server {

WatchCall::WatchCall(GrpcCore& core, grpc::CallbackServerContext& context)
    : Call(core, "FlowClassifier/Watch"), context_(context) {
  core_.services.metrics.connections(Api::kGrpc, 1);
}

WatchCall::~WatchCall() {
  core_.services.metrics.connections(Api::kGrpc, -1);
}

void WatchCall::start(const v1::WatchRequest& request) {
  WatchFilter filter;
  const grpc::Status status = make_filter(request, filter);
  if (status.ok()) {
    // The hub calls back only while it watches, and close() unwatches before the call's last reference goes.
    auto watcher = core_.services.watch.watch(std::move(filter), [this] { advance(); });
    StartSendInitialMetadata();  // says that from now on nothing is missed
    const std::lock_guard lock(mutex_);
    watcher_ = std::move(watcher);
  }
  bool over = false;
  {
    const std::lock_guard lock(mutex_);
    starting_ = false;
    if (!status.ok()) {
      over_ = true;
      final_ = status;
    }
    over = over_;
  }
  if (over) close(status);
  advance();
}

grpc::Status WatchCall::make_filter(const v1::WatchRequest& request, WatchFilter& filter) {
  PrincipalPtr principal;
  if (grpc::Status status = identify(core_, context_, Scope::kInfer, principal); !status.ok()) return status;
  if (grpc::Status status = admit(core_, context_, *principal, 0); !status.ok()) return status;
  if (!request.model().empty()) {
    const auto model = core_.services.models.get(request.model());
    if (!model) return to_status(model.error());
    // A name is every version of it; an alias is what it stands for now.
    filter.model = request.model() == model.value()->name() ? request.model() : model.value()->id();
  }
  if (!v1::Label_IsValid(request.only())) {
    return invalid_argument("only: " + std::to_string(request.only()) + " is no label");
  }
  if (request.only() != v1::LABEL_UNSPECIFIED) {
    filter.only = request.only() == v1::LABEL_VIDEO ? Label::kVideo : Label::kNonVideo;
  }
  filter.max_confidence = request.max_confidence();
  if (!std::isfinite(filter.max_confidence) || filter.max_confidence < 0 || filter.max_confidence > 1) {
    return invalid_argument("max_confidence: " + std::to_string(filter.max_confidence) + ", expected 0 to 1");
  }
  if (!principal->may(Scope::kAdmin)) filter.principal = principal->id;
  return grpc::Status::OK;
}

void WatchCall::advance() {
  const v1::WatchResponse* write = nullptr;
  std::optional<grpc::Status> finish;
  {
    const std::lock_guard lock(mutex_);
    if (starting_ || writing_ || finished_) return;
    if (over_) {
      finished_ = true;
      finish = final_;
    } else if (take()) {
      writing_ = true;
      write = &response_;
    }
  }
  if (write != nullptr) StartWrite(write);
  if (finish) Finish(*finish);
}

bool WatchCall::take() {
  if (watcher_ == nullptr) return false;
  const std::uint64_t missed = watcher_->take(taken_);
  if (taken_.empty() && missed == 0) return false;
  response_.Clear();
  response_.set_missed(missed);
  response_.mutable_labels()->Reserve(static_cast<int>(taken_.size()));
  for (const Watched& one : taken_) {
    v1::WatchedLabel& label = *response_.add_labels();
    label.set_flow_hash(one.flow);
    label.set_second(one.second);
    label.set_label(to_proto(one.decision.label));
    label.set_confidence(one.decision.confidence);
    label.set_uncertain(one.decision.uncertain);
    label.set_model(one.model);
  }
  return true;
}

void WatchCall::OnWriteDone(bool ok) {
  {
    const std::lock_guard lock(mutex_);
    writing_ = false;
  }
  if (!ok) return close({grpc::CANCELLED, "the client is gone"});
  core_.services.metrics.stream_messages(0, 1);
  advance();
}

void WatchCall::OnCancel() {
  close({grpc::CANCELLED, "the call was cancelled"});
}

void WatchCall::end(const grpc::Status& status) {
  close(status);
}

void WatchCall::close(const grpc::Status& status) {
  std::shared_ptr<Watcher> watcher;
  {
    const std::lock_guard lock(mutex_);
    if (!over_) final_ = status;
    over_ = true;
    watcher = std::move(watcher_);
  }
  // Without the mutex: the hub may be calling back, and waits for it.
  if (watcher != nullptr) core_.services.watch.unwatch(watcher);
  advance();
}

void WatchCall::OnDone() {
  count(final_.error_code());
  unref();
}

}  // namespace reelsense::server
