// Captures for rs_add_frames: ingest/'s readers, in batches, without a Python object a packet.
#include "reelsense/ingest/capture.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <utility>

#include "glue.h"

namespace {

using reelsense::Error;
using reelsense::ErrorCode;
using reelsense::ingest::CaptureReader;
using reelsense::ingest::CaptureRecord;
using reelsense::ingest::CaptureStatus;
using reelsense::ingest::SkipReason;

static_assert(RSPY_SKIP_REASONS == static_cast<int>(SkipReason::kCount));

constexpr std::size_t kBatch = 64;  // headers of that many stay in the first cache

void copy_text(char* out, std::size_t capacity, const std::string& text) {
  const std::size_t bytes = std::min(text.size(), capacity - 1);
  std::memcpy(out, text.data(), bytes);
  out[bytes] = '\0';
}

rs_status status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kCorrupt:
      return RS_CORRUPT;
    case ErrorCode::kUnsupported:
      return RS_UNSUPPORTED;
    case ErrorCode::kMismatch:
      return RS_MISMATCH;
    case ErrorCode::kLimit:
      return RS_LIMIT;
    default:
      return RS_INVALID_ARGUMENT;
  }
}

}  // namespace

struct rspy_capture {
  std::unique_ptr<CaptureReader> reader;
};

rs_status rspy_capture_open(rspy_capture** capture, const char* path, rs_error* error) {
  auto opened = reelsense::ingest::open_capture(path);
  if (!opened) {
    const Error& why = opened.error();
    copy_text(error->message, sizeof error->message, why.message);
    return status_of(why.code);
  }
  *capture = new (std::nothrow) rspy_capture{std::move(opened).value()};
  if (*capture != nullptr) return RS_OK;
  copy_text(error->message, sizeof error->message, "no memory for the capture's reader");
  return RS_MEMORY;
}

void rspy_capture_free(rspy_capture* capture) {
  delete capture;
}

rs_status rspy_capture_pump(rspy_capture* capture, uint64_t* records, rs_classifier* classifier,
                            uint64_t most) {
  std::array<CaptureRecord, kBatch> batch;
  std::array<rs_frame, kBatch> frames;
  *records = 0;
  while (*records < most) {
    const std::size_t n = capture->reader->read(batch);
    if (n == 0) break;
    for (std::size_t i = 0; i < n; ++i) {
      const CaptureRecord& record = batch[i];
      frames[i] = {record.time_ns, record.data, record.captured_bytes, record.wire_bytes};
    }
    // A pcapng may change its link type from record to record.
    for (std::size_t first = 0; first < n;) {
      std::size_t last = first + 1;
      while (last < n && batch[last].link == batch[first].link) ++last;
      const auto link = static_cast<uint32_t>(batch[first].link);
      const rs_status status = rs_add_frames(classifier, link, &frames[first], last - first);
      if (status != RS_OK) return status;
      first = last;
    }
    *records += n;
  }
  return RS_OK;
}

void rspy_capture_describe(const rspy_capture* capture, rspy_capture_status* out) {
  const CaptureStatus& status = capture->reader->status();
  out->records = status.records;
  for (std::size_t i = 0; i < status.skipped.size(); ++i) out->skipped[i] = status.skipped[i];
  out->bytes_read = status.bytes_read;
  out->bytes_total = status.bytes_total;
  out->truncated_at = status.truncated_at ? static_cast<std::int64_t>(*status.truncated_at) : -1;
  copy_text(out->damage, sizeof out->damage, status.damage.value_or(""));
  copy_text(out->description, sizeof out->description, capture->reader->description());
}

const char* rspy_skip_name(uint32_t reason) {
  return reelsense::ingest::name_of(static_cast<SkipReason>(reason));
}
