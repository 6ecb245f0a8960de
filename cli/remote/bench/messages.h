// VirtualFlows: the requests of one client, made of captured windows by copying. Flows take turns; the
// seconds of each rise by one from window to window. Thread safety: none.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/remote/remote.h"

namespace reelsense::cli {

// A captured window as the middle of a request: everything but the flow's name and second.
struct EncodedSample {
  std::vector<std::vector<std::string>> proto;  // [flow][window], fields `features` and `bins` of v1.Window
  std::vector<std::vector<std::string>> json;   // the same members of an object, a comma before each

  static EncodedSample of(const TrafficSample& sample, bool as_json);
};

class VirtualFlows {
 public:
  // Flows [first, first + count) of the run; `sample` must outlive this.
  VirtualFlows(const EncodedSample& sample, std::string run_id, std::uint64_t first, std::size_t count,
               std::int64_t first_second);

  // A v1.ClassifyRequest of the next n windows.
  void append_proto(std::size_t n, const std::string& model, std::uint64_t request_id, std::string& out);
  // The body of POST /v1/classify.
  void append_json(std::size_t n, const std::string& model, std::string& out);

 private:
  struct Flow {
    std::int64_t second = 0;
    std::uint32_t source = 0;  // captured flow
    std::uint32_t next = 0;    // its window
  };
  // Calls each(flow's name, second, encoded window) for the next n windows.
  template <class Each>
  void for_next(const std::vector<std::vector<std::string>>& windows, std::size_t n, Each each);

  const EncodedSample& sample_;
  std::string run_id_;
  std::uint64_t first_;
  std::vector<Flow> flows_;
  std::size_t turn_ = 0;
};

}  // namespace reelsense::cli
