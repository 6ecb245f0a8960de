#include "window_reader.h"

#include <algorithm>

#include "capture_window.h"

namespace reelsense::ingest {

WindowReader::WindowReader(std::unique_ptr<ByteWindow> window, std::size_t header_bytes,
                           std::size_t alignment)
    : window_(std::move(window)), header_bytes_(header_bytes), alignment_(alignment) {
  status_.bytes_total = window_->bytes_total();
}

std::size_t WindowReader::read(std::span<CaptureRecord> out) {
  std::size_t count = 0;
  while (!ended_ && count == 0 && !out.empty()) {
    window_->release();
    const Walked walked = walk(out);
    count = walked.records;
    // Filling or scanning may move the bytes that `out` points to: only with nothing in it.
    if (count != 0 || walked.stop == Stop::kBatchFull) continue;
    const bool go_on = walked.stop == Stop::kNeedMore ? more() : resynchronise();
    if (!go_on) finish();
  }
  status_.records += count;
  status_.bytes_read = window_->bytes_read();
  return count;
}

// False: the input ends here.
bool WindowReader::more() {
  if (!window_->fill(header_bytes_)) return false;
  const RecordSize size = size_at(window_->bytes().data());
  if (!size.plausible) return true;  // walk() stops at it
  if (window_->fill(size.bytes)) return true;
  // Beyond the input: a file that was cut, or a length that is wrong with good records behind it.
  return resynchronise();
}

// Looks for good records behind a bad one and moves there. First in a small view: a hostile stream with many
// bad records shall not move megabytes for each.
bool WindowReader::resynchronise() {
  constexpr std::size_t kNear = kResyncBytes / 4;
  return resynchronise_within(kNear, kNear) || resynchronise_within(kResyncBytes, 2 * kResyncBytes);
}

// Scans `reach` bytes, judging by `view` bytes, the same whatever more the window holds.
bool WindowReader::resynchronise_within(std::size_t reach, std::size_t view) {
  const bool at_end = !window_->fill(view);
  const std::span<const std::uint8_t> all = window_->bytes();
  const std::span<const std::uint8_t> bytes = all.first(std::min(all.size(), view));
  const std::size_t limit = std::min(bytes.size(), reach);
  for (std::size_t i = alignment_; i + header_bytes_ <= limit; i += alignment_) {
    if (!chain_at(bytes.subspan(i), at_end)) continue;
    skip(SkipReason::kBadLength);
    window_->consume(i);
    return true;
  }
  return false;
}

void WindowReader::finish() {
  ended_ = true;
  const std::span<const std::uint8_t> bytes = window_->bytes();
  const std::uint64_t position = window_->position();
  window_->consume(bytes.size());
  status_.damage = window_->failure();
  if (bytes.size() >= header_bytes_ && !size_at(bytes.data()).plausible) {
    skip(SkipReason::kBadLength);
    status_.damage = "no record at byte " + std::to_string(position) +
                     ", where one should start, nor within " + std::to_string(kResyncBytes) +
                     " bytes behind it";
    return;
  }
  if (!bytes.empty() || window_->cut()) status_.truncated_at = position;
}

}  // namespace reelsense::ingest
