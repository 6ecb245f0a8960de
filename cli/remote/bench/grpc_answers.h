// What the two gRPC loads share: requests as bytes, answers read and counted. Thread safety: none.
#pragma once

#include <grpcpp/grpcpp.h>

#include <string>

#include "cli/remote/bench/load.h"
#include "reelsense/v1/flow_classifier.pb.h"

namespace reelsense::cli {

inline grpc::ByteBuffer to_buffer(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return {&slice, 1};
}

inline bool parse(grpc::ByteBuffer& buffer, v1::ClassifyResponse& response) {
  grpc::Slice slice;
  if (!buffer.TrySingleSlice(&slice).ok() && !buffer.DumpToSingleSlice(&slice).ok()) return false;
  return response.ParseFromArray(slice.begin(), static_cast<int>(slice.size()));
}

// "window: OUT_OF_ORDER"
std::string name_of(v1::WindowError error);

// Waits on a completion queue as LoadWorker::handle_events asks; calls each(tag, ok) for what happened.
template <class Each>
void handle_queue(grpc::CompletionQueue& queue, std::int64_t until_ns, Each each) {
  constexpr int kMostAtOnce = 64;  // then the schedule is looked at again
  void* tag = nullptr;
  bool ok = false;
  const std::int64_t wait_ns = until_ns - now_ns();
  // The queue's own timers are as coarse as a millisecond.
  auto deadline = wait_ns > kPollNs
                      ? std::chrono::system_clock::now() + std::chrono::nanoseconds(wait_ns - kPollNs / 2)
                      : std::chrono::system_clock::time_point{};
  for (int i = 0; i < kMostAtOnce; ++i) {
    if (queue.AsyncNext(&tag, &ok, deadline) != grpc::CompletionQueue::GOT_EVENT) {
      if (i == 0 && wait_ns > 0 && wait_ns <= kPollNs) nap(std::min(wait_ns, kShortNapNs));
      return;
    }
    each(tag, ok);
    deadline = {};
  }
}

}  // namespace reelsense::cli
