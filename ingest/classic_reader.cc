// Classic pcap, https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-03.html: a 24-byte header, then
// records of a 16-byte header each (24 in Kuznetzov's variant). Nothing but the lengths marks where a record
// starts.
#include <algorithm>
#include <string>
#include <utility>

#include "capture_window.h"
#include "prefetch.h"
#include "record_filter.h"
#include "reelsense/base/byte_reader.h"
#include "window_reader.h"

namespace reelsense::ingest {
namespace {

constexpr std::uint32_t kMagicMicro = 0xa1b2c3d4U;
constexpr std::uint32_t kMagicNano = 0xa1b23c4dU;
constexpr std::uint32_t kMagicKuznetzov = 0xa1b2cd34U;
constexpr std::size_t kFileHeader = 24;
constexpr std::int64_t kNanosPerSecond = 1'000'000'000;

struct ClassicFormat {
  bool swapped = false;
  bool nanoseconds = false;
  std::size_t record_header = 16;
  std::uint32_t snap_length = 0;
  std::uint32_t record_bound = 0;
  LinkType link = LinkType::kEthernet;
};

struct RecordHeader {
  std::uint32_t seconds;
  std::uint32_t fraction;
  std::uint32_t captured;
  std::uint32_t wire;
};

std::uint32_t load(const std::uint8_t* p, bool swapped) noexcept {
  const auto value = load_le<std::uint32_t>(p);
  return swapped ? byte_swap(value) : value;
}

class ClassicReader final : public WindowReader {
 public:
  ClassicReader(std::unique_ptr<ByteWindow> window, const ClassicFormat& format, RecordFilter filter)
      : WindowReader(std::move(window), format.record_header, 1),
        format_(format),
        filter_(std::move(filter)) {}
  [[nodiscard]] std::string description() const override;

 private:
  Walked walk(std::span<CaptureRecord> out) override;
  [[nodiscard]] RecordSize size_at(const std::uint8_t* p) const noexcept override;
  [[nodiscard]] bool chain_at(std::span<const std::uint8_t> bytes, bool at_end) const noexcept override;

  [[nodiscard]] RecordHeader header_at(const std::uint8_t* p) const noexcept {
    const bool swapped = format_.swapped;
    return {load(p, swapped), load(p + 4, swapped), load(p + 8, swapped), load(p + 12, swapped)};
  }
  [[nodiscard]] bool plausible(const RecordHeader& header) const noexcept;
  [[nodiscard]] std::uint32_t fractions() const noexcept {
    return format_.nanoseconds ? 1'000'000'000U : 1'000'000U;
  }

  ClassicFormat format_;
  RecordFilter filter_;
  std::uint32_t last_seconds_ = 0;  // of the last good record; 0: none yet
};

WindowReader::Walked ClassicReader::walk(std::span<CaptureRecord> out) {
  const std::span<const std::uint8_t> bytes = window().bytes();
  const std::uint8_t* p = bytes.data();
  const std::uint8_t* const end = p + bytes.size();
  const std::uint32_t fractions = this->fractions();
  const std::uint32_t scale = format_.nanoseconds ? 1U : 1000U;
  const std::size_t header_bytes = format_.record_header;
  LinearPrefetch prefetch(p, end);
  std::size_t count = 0;
  Stop stop = Stop::kBatchFull;
  while (count < out.size()) {
    stop = Stop::kNeedMore;
    if (static_cast<std::size_t>(end - p) < header_bytes) break;
    const RecordHeader header = header_at(p);
    if (header.captured > format_.record_bound) {
      stop = Stop::kBadRecord;
      break;
    }
    const std::size_t length = header_bytes + header.captured;
    if (static_cast<std::size_t>(end - p) < length) break;
    stop = Stop::kBatchFull;
    const std::uint8_t* data = p + header_bytes;
    prefetch.ahead_of(p, length);
    p += length;
    if (header.fraction >= fractions) {
      skip(SkipReason::kBadTimestamp);
      continue;
    }
    last_seconds_ = header.seconds;
    const std::uint32_t wire = std::max(header.wire, header.captured);
    if (!filter_.passes_all() && !filter_.pass(data, header.captured, wire)) {
      skip(SkipReason::kFiltered);
      continue;
    }
    out[count++] = {std::int64_t{header.seconds} * kNanosPerSecond + std::int64_t{header.fraction} * scale,
                    data, header.captured, wire, format_.link};
  }
  window().consume(static_cast<std::size_t>(p - bytes.data()));
  return {count, stop};
}

WindowReader::RecordSize ClassicReader::size_at(const std::uint8_t* p) const noexcept {
  const std::uint32_t captured = header_at(p).captured;
  return {captured <= format_.record_bound, format_.record_header + captured};
}

bool ClassicReader::plausible(const RecordHeader& header) const noexcept {
  constexpr std::uint32_t kDay = 86400;
  if (header.captured == 0 || header.captured > format_.record_bound) return false;
  if (header.wire < header.captured || header.wire > kMostRecordBound) return false;
  if (header.fraction >= fractions() || header.seconds == 0) return false;
  if (last_seconds_ == 0) return true;
  const auto [low, high] = std::minmax(header.seconds, last_seconds_);
  return high - low <= kDay;
}

// Three plausible records in a row, or fewer that end just where the input does.
bool ClassicReader::chain_at(std::span<const std::uint8_t> bytes, bool at_end) const noexcept {
  constexpr int kChain = 3;
  for (int found = 0; found < kChain; ++found) {
    if (bytes.empty() && found > 0) return at_end;
    if (bytes.size() < format_.record_header) return false;
    const RecordHeader header = header_at(bytes.data());
    const std::size_t length = format_.record_header + header.captured;
    if (!plausible(header) || length > bytes.size()) return false;
    bytes = bytes.subspan(length);
  }
  return true;
}

std::string ClassicReader::description() const {
  const bool little = (std::endian::native == std::endian::little) != format_.swapped;
  return std::string("classic pcap, ") + (format_.nanoseconds ? "ns" : "µs") + ", " +
         (little ? "little" : "big") + "-endian, " + name_of(format_.link) + ", snap length " +
         std::to_string(format_.snap_length);
}

}  // namespace

bool is_classic_magic(std::uint32_t magic) noexcept {
  for (const std::uint32_t known : {kMagicMicro, kMagicNano, kMagicKuznetzov}) {
    if (magic == known || magic == byte_swap(known)) return true;
  }
  return false;
}

Result<std::unique_ptr<CaptureReader>> open_classic(std::unique_ptr<ByteWindow> window,
                                                    const CaptureOptions& options) {
  if (!window->fill(kFileHeader)) {
    return Error{ErrorCode::kCorrupt,
                 "classic pcap header cut short: " + std::to_string(window->bytes().size()) +
                     " bytes, expected " + std::to_string(kFileHeader)};
  }
  const std::uint8_t* p = window->bytes().data();
  ClassicFormat format;
  auto magic = load_le<std::uint32_t>(p);
  if (magic != kMagicMicro && magic != kMagicNano && magic != kMagicKuznetzov) {
    format.swapped = true;
    magic = byte_swap(magic);
  }
  format.nanoseconds = magic == kMagicNano;
  if (magic == kMagicKuznetzov) format.record_header = 24;
  format.snap_length = load(p + 16, format.swapped);
  format.record_bound = std::max(kLeastRecordBound, std::min(format.snap_length, kMostRecordBound));
  const std::uint32_t link = load(p + 20, format.swapped) & 0x03ffffffU;  // above: the frame check's length
  if (link > 0xffffU || !is_supported(static_cast<LinkType>(link))) {
    return Error{ErrorCode::kUnsupported, "link type " + std::to_string(link) +
                                              " is not supported; supported: " + supported_link_types()};
  }
  format.link = static_cast<LinkType>(link);
  auto filter = RecordFilter::compile(options.filter, format.link);
  if (!filter) return filter.error();
  window->consume(kFileHeader);
  return std::unique_ptr<CaptureReader>(
      std::make_unique<ClassicReader>(std::move(window), format, std::move(filter).value()));
}

}  // namespace reelsense::ingest
