// Outbox: the answers of a stream that are not written yet, gathered into few responses.
//
// Labels join the response that is open for their model's version, errors take one response each; a response
// never grows over kFullBytes. Labels of one flow stay in order. Thread safety: none, the stream's mutex
// covers it.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "reelsense/v1/flow_classifier.pb.h"
#include "server/engine/engine.h"

namespace reelsense::server {

class Outbox {
 public:
  static constexpr std::size_t kFullBytes = 1 << 20;

  void add_labels(const v1::ClassifyRequest& request, const Job& job);
  void add_error(std::uint64_t request_id, int code, const std::string& message);

  [[nodiscard]] bool empty() const noexcept { return queue_.empty(); }
  // The next response, which stays as it is until pop().
  const v1::ClassifyResponse& begin_write();
  // The response was written (or will not be): returns how many labels and errors it held.
  std::size_t pop();
  // Drops everything but a response that is being written; returns how many labels and errors that were.
  std::size_t drop();

 private:
  struct Response {
    v1::ClassifyResponse message;
    const ServedModel* model = nullptr;  // of its labels; held alive by `keep`
    std::shared_ptr<const ServedModel> keep;
    std::size_t bytes = 0;
    std::size_t answers = 0;
    bool error = false;
    bool barrier = false;  // holds labels without model
  };

  Response& open_for(const std::shared_ptr<const ServedModel>& model, bool at_the_end);
  Response& append();
  void recycle(std::unique_ptr<Response> response);

  std::deque<std::unique_ptr<Response>> queue_;  // the first may be on its way
  std::vector<std::unique_ptr<Response>> spare_;
  bool writing_ = false;
  std::uint32_t told_ = 0;  // serial of the model that the client was told last
};

}  // namespace reelsense::server
