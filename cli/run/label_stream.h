// LabelStream: windows out to something that labels them, labels back in any order. cli/remote/ has the one
// that talks to a server; this seam keeps its library out of the rest and lets tests answer as they like.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "reelsense/base/result.h"
#include "reelsense/classifier/classifier.h"

namespace reelsense::cli {

struct StreamedLabel {
  std::uint64_t message = 0;  // the number that its window was sent under
  std::uint64_t flow_id = 0;
  std::int64_t second = 0;
  Decision decision;
  std::uint32_t model = 0;  // for model_name()
};

// Thread safety: cancel() from any thread, everything else from one.
class LabelStream {
 public:
  virtual ~LabelStream() = default;

  // Adds a window to the message being built.
  virtual void add(const WindowRow& row) = 0;
  // The flow has no more windows. Told after every window that was added before.
  virtual void end_flow(std::uint64_t flow_id) = 0;
  // Sends what was added, its windows under the number `message`. Waits while the other end takes no more.
  // False: the stream is over.
  virtual bool send(std::uint64_t message) = 0;

  // Appends the labels that came. `wait`: until there are some. False: the stream is over and there are none.
  virtual bool receive(std::vector<StreamedLabel>& labels, bool wait) = 0;
  // "name@version"
  [[nodiscard]] virtual std::string model_name(std::uint32_t model) const = 0;

  // Ends the stream, after the last label or a failure, and tells how it went.
  virtual Status close() = 0;
  virtual void cancel() = 0;
};

}  // namespace reelsense::cli
