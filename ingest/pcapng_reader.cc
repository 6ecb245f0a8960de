#include "capture_window.h"
namespace reelsense::ingest {
Result<std::unique_ptr<CaptureReader>> open_pcapng(std::unique_ptr<ByteWindow>, const CaptureOptions&) {
  return Error{ErrorCode::kUnsupported, "pcapng is not read yet"};
}
}  // namespace reelsense::ingest
