// pcapng, https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-02.html: blocks of type, length, body,
// length. A section has its own byte order and its own list of interfaces.
#include <algorithm>
#include <deque>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "capture_window.h"
#include "pcapng_time.h"
#include "prefetch.h"
#include "record_filter.h"
#include "reelsense/base/byte_reader.h"
#include "window_reader.h"

namespace reelsense::ingest {
namespace {

constexpr std::uint32_t kSectionHeader = kPcapngMagic;
constexpr std::uint32_t kInterface = 1;
constexpr std::uint32_t kObsoletePacket = 2;
constexpr std::uint32_t kSimplePacket = 3;
constexpr std::uint32_t kEnhancedPacket = 6;
constexpr std::uint32_t kByteOrderMagic = 0x1a2b3c4dU;
constexpr std::size_t kBlockOverhead = 12;  // type, length, length again
constexpr std::size_t kBlockHeader = 12;    // read at once: type, length, a section's byte-order magic
constexpr std::size_t kPacketFields = 20;   // of an enhanced or obsolete packet block, before the bytes
constexpr std::size_t kMostBlock = std::size_t{kMostRecordBound} + 65536;
constexpr std::size_t kMostInterfaces = 65536;  // of one section; more are treated as unsupported

struct Interface {
  LinkType link = LinkType::kEthernet;
  bool supported = false;
  std::uint32_t snap_length = 0;
  TimeScale time;
  const RecordFilter* filter = nullptr;  // nullptr: it does not compile for this link type, nothing passes
};

// Filters by link type; addresses stay, so interfaces of later sections share them.
class FilterSet {
 public:
  explicit FilterSet(std::string expression) : expression_(std::move(expression)) {}

  const RecordFilter* for_link(LinkType link) {
    for (const auto& entry : entries_) {
      if (entry.link == link) return entry.compiled ? &entry.filter : nullptr;
    }
    auto compiled = RecordFilter::compile(expression_, link);
    if (!compiled && !error_) error_ = compiled.error();
    any_ = any_ || compiled.ok();
    auto& entry = entries_.emplace_back();
    entry.link = link;
    entry.compiled = compiled.ok();
    if (compiled.ok()) entry.filter = std::move(compiled).value();
    return entry.compiled ? &entry.filter : nullptr;
  }
  // The first error, when the expression compiled for no link type.
  [[nodiscard]] const Error* error() const { return !any_ && error_ ? &*error_ : nullptr; }

 private:
  struct Entry {
    LinkType link{};
    bool compiled = false;
    RecordFilter filter;
  };
  std::string expression_;
  std::deque<Entry> entries_;
  std::optional<Error> error_;
  bool any_ = false;
};

class PcapngReader final : public WindowReader {
 public:
  PcapngReader(std::unique_ptr<ByteWindow> window, const CaptureOptions& options)
      : WindowReader(std::move(window), kBlockHeader, 4), filters_(options.filter) {}

  // Reads up to the first packet, so that what open_capture must refuse is known.
  Status open();
  [[nodiscard]] std::string description() const override;

 private:
  struct Block {
    std::uint32_t type;
    const std::uint8_t* body;
    std::size_t body_bytes;
  };

  Walked walk(std::span<CaptureRecord> out) override;
  [[nodiscard]] RecordSize size_at(const std::uint8_t* p) const noexcept override;
  [[nodiscard]] bool chain_at(std::span<const std::uint8_t> bytes, bool at_end) const noexcept override;

  [[nodiscard]] static bool is_packet(std::uint32_t type) noexcept {
    return type == kEnhancedPacket || type == kSimplePacket || type == kObsoletePacket;
  }
  // True when `record` was filled.
  bool take(const Block& block, CaptureRecord& record);
  bool take_packet(const Block& block, CaptureRecord& record);
  bool take_simple(const Block& block, CaptureRecord& record);
  bool emit(const Interface& interface, CaptureRecord& record);
  void add_interface(const Block& block);
  [[nodiscard]] TimeScale time_scale(std::span<const std::uint8_t> options) const;

  [[nodiscard]] std::uint16_t u16(const std::uint8_t* p) const noexcept {
    const auto value = load_le<std::uint16_t>(p);
    return swapped_ ? byte_swap(value) : value;
  }
  [[nodiscard]] std::uint32_t u32(const std::uint8_t* p) const noexcept {
    const auto value = load_le<std::uint32_t>(p);
    return swapped_ ? byte_swap(value) : value;
  }

  FilterSet filters_;
  std::vector<Interface> interfaces_;  // of the section at hand
  std::vector<LinkType> links_seen_;   // of all sections, for the description
  std::uint64_t sections_ = 0;
  std::int64_t last_time_ns_ = 0;
  bool swapped_ = false;
};

// Whether the byte-order magic at p is one, and which.
bool section_order(const std::uint8_t* p, bool& swapped) noexcept {
  const auto magic = load_le<std::uint32_t>(p);
  swapped = magic == byte_swap(kByteOrderMagic);
  return swapped || magic == kByteOrderMagic;
}

std::size_t block_length(const std::uint8_t* p, bool swapped) noexcept {
  const auto value = load_le<std::uint32_t>(p + 4);
  return swapped ? byte_swap(value) : value;
}

WindowReader::RecordSize PcapngReader::size_at(const std::uint8_t* p) const noexcept {
  bool swapped = swapped_;
  if (load_le<std::uint32_t>(p) == kSectionHeader && !section_order(p + 8, swapped)) return {false, 0};
  const std::size_t length = block_length(p, swapped);
  return {length >= kBlockOverhead && length % 4 == 0 && length <= kMostBlock, length};
}

WindowReader::Walked PcapngReader::walk(std::span<CaptureRecord> out) {
  const std::span<const std::uint8_t> bytes = window().bytes();
  const std::uint8_t* p = bytes.data();
  const std::uint8_t* const end = p + bytes.size();
  LinearPrefetch prefetch(p, end);
  std::size_t count = 0;
  Stop stop = Stop::kBatchFull;
  while (count < out.size()) {
    stop = Stop::kNeedMore;
    if (static_cast<std::size_t>(end - p) < kBlockHeader) break;
    stop = Stop::kBadRecord;
    const RecordSize size = size_at(p);
    if (!size.plausible) break;
    stop = Stop::kNeedMore;
    if (static_cast<std::size_t>(end - p) < size.bytes) break;
    const auto type_bytes = load_le<std::uint32_t>(p);
    if (type_bytes == kSectionHeader) (void)section_order(p + 8, swapped_);
    stop = Stop::kBadRecord;
    if (u32(p + size.bytes - 4) != size.bytes) break;
    stop = Stop::kBatchFull;
    prefetch.ahead_of(p, size.bytes);
    if (take({u32(p), p + 8, size.bytes - kBlockOverhead}, out[count])) ++count;
    p += size.bytes;
  }
  window().consume(static_cast<std::size_t>(p - bytes.data()));
  return {count, stop};
}

// Two blocks whose lengths agree with their copies, or one that ends where the input does.
bool PcapngReader::chain_at(std::span<const std::uint8_t> bytes, bool at_end) const noexcept {
  constexpr int kChain = 2;
  constexpr std::uint32_t kLastCommonType = 10;
  for (int found = 0; found < kChain; ++found) {
    if (bytes.empty() && found > 0) return at_end;
    if (bytes.size() < kBlockHeader) return false;
    const std::uint8_t* p = bytes.data();
    bool swapped = swapped_;
    if (load_le<std::uint32_t>(p) == kSectionHeader) {
      if (!section_order(p + 8, swapped)) return false;
    } else if (u32(p) == 0 || u32(p) > kLastCommonType) {
      return false;
    }
    const RecordSize size = size_at(p);
    if (!size.plausible || size.bytes > bytes.size()) return false;
    if (block_length(p + size.bytes - 8, swapped) != size.bytes) return false;
    bytes = bytes.subspan(size.bytes);
  }
  return true;
}

bool PcapngReader::take(const Block& block, CaptureRecord& record) {
  switch (block.type) {
    case kEnhancedPacket:
    case kObsoletePacket:
      return take_packet(block, record);
    case kSimplePacket:
      return take_simple(block, record);
    case kSectionHeader:
      interfaces_.clear();
      ++sections_;
      return false;
    case kInterface:
      add_interface(block);
      return false;
    default:
      return false;
  }
}

bool PcapngReader::take_packet(const Block& block, CaptureRecord& record) {
  if (block.body_bytes < kPacketFields) {
    skip(SkipReason::kBadLength);
    return false;
  }
  const std::uint8_t* p = block.body;
  const std::uint32_t id = block.type == kEnhancedPacket ? u32(p) : u16(p);
  const std::uint64_t units = std::uint64_t{u32(p + 4)} << 32 | u32(p + 8);
  record.captured_bytes = u32(p + 12);
  record.wire_bytes = std::max(u32(p + 16), record.captured_bytes);
  record.data = p + kPacketFields;
  if (id >= interfaces_.size() || !interfaces_[id].supported) {
    skip(SkipReason::kLinkType);
    return false;
  }
  const Interface& interface = interfaces_[id];
  const std::uint32_t bound = std::max(kLeastRecordBound, interface.snap_length);
  if (record.captured_bytes > block.body_bytes - kPacketFields || record.captured_bytes > bound) {
    skip(SkipReason::kBadLength);
    return false;
  }
  const auto time = interface.time.to_ns(units);
  if (!time) {
    skip(SkipReason::kBadTimestamp);
    return false;
  }
  record.time_ns = last_time_ns_ = *time;
  return emit(interface, record);
}

// Carries no time: it takes the time of the record before it.
bool PcapngReader::take_simple(const Block& block, CaptureRecord& record) {
  constexpr std::size_t kFields = 4;
  if (block.body_bytes < kFields) {
    skip(SkipReason::kBadLength);
    return false;
  }
  if (interfaces_.empty() || !interfaces_[0].supported) {
    skip(SkipReason::kLinkType);
    return false;
  }
  const Interface& interface = interfaces_[0];
  const std::uint32_t wire = u32(block.body);
  const auto stored = static_cast<std::uint32_t>(block.body_bytes - kFields);
  std::uint32_t captured = wire;
  if (interface.snap_length != 0) captured = std::min(captured, interface.snap_length);
  if (captured > stored) {
    skip(SkipReason::kBadLength);
    return false;
  }
  record.time_ns = last_time_ns_;
  record.data = block.body + kFields;
  record.captured_bytes = captured;
  record.wire_bytes = wire;
  return emit(interface, record);
}

bool PcapngReader::emit(const Interface& interface, CaptureRecord& record) {
  const RecordFilter* filter = interface.filter;
  const bool passes =
      filter != nullptr &&
      (filter->passes_all() || filter->pass(record.data, record.captured_bytes, record.wire_bytes));
  if (!passes) {
    skip(SkipReason::kFiltered);
    return false;
  }
  record.link = interface.link;
  return true;
}

void PcapngReader::add_interface(const Block& block) {
  constexpr std::size_t kFields = 8;
  if (interfaces_.size() >= kMostInterfaces) return;
  Interface& interface = interfaces_.emplace_back();
  if (block.body_bytes < kFields) return;
  interface.link = static_cast<LinkType>(u16(block.body));
  interface.supported = is_supported(interface.link);
  interface.snap_length = std::min(u32(block.body + 4), kMostRecordBound);
  interface.time = time_scale({block.body + kFields, block.body_bytes - kFields});
  if (interface.supported) interface.filter = filters_.for_link(interface.link);
  constexpr std::size_t kMostNamed = 8;
  const bool seen = std::find(links_seen_.begin(), links_seen_.end(), interface.link) != links_seen_.end();
  if (!seen && links_seen_.size() < kMostNamed) links_seen_.push_back(interface.link);
}

TimeScale PcapngReader::time_scale(std::span<const std::uint8_t> options) const {
  constexpr std::uint16_t kEnd = 0;
  constexpr std::uint16_t kResolution = 9;
  constexpr std::uint16_t kOffset = 14;
  std::uint8_t resolution = 6;
  std::int64_t offset = 0;
  while (options.size() >= 4) {
    const std::uint16_t code = u16(options.data());
    const std::size_t length = u16(options.data() + 2);
    const std::size_t padded = (length + 3) & ~std::size_t{3};
    options = options.subspan(4);
    if (code == kEnd || length > options.size()) break;
    if (code == kResolution && length >= 1) resolution = options[0];
    if (code == kOffset && length >= 8) {
      const auto value = load_le<std::uint64_t>(options.data());
      offset = static_cast<std::int64_t>(swapped_ ? byte_swap(value) : value);
    }
    options = options.subspan(std::min(padded, options.size()));
  }
  return TimeScale(resolution, offset);
}

Status PcapngReader::open() {
  constexpr std::size_t kLeastSection = 28;
  ByteWindow& window = this->window();
  if (!window.fill(kLeastSection)) {
    return Error{ErrorCode::kCorrupt,
                 "pcapng section header cut short: " + std::to_string(window.bytes().size()) +
                     " bytes, expected " + std::to_string(kLeastSection)};
  }
  const std::uint8_t* first = window.bytes().data();
  if (!section_order(first + 8, swapped_)) {
    return Error{ErrorCode::kCorrupt, "pcapng section header without a byte-order magic at byte 8"};
  }
  const RecordSize section = size_at(first);
  if (!section.plausible || section.bytes < kLeastSection) {
    return Error{ErrorCode::kCorrupt,
                 "pcapng section header of " + std::to_string(section.bytes) + " bytes makes no sense"};
  }
  if (!window.fill(section.bytes)) return Error{ErrorCode::kCorrupt, "pcapng section header cut short"};
  if (const std::uint16_t major = u16(window.bytes().data() + 12); major != 1) {
    return Error{ErrorCode::kUnsupported, "pcapng version " + std::to_string(major) + "; supported: 1"};
  }
  // Up to the first packet block; what is odd on the way is walk()'s to judge.
  CaptureRecord unused;
  while (window.fill(kBlockHeader)) {
    const std::uint8_t* p = window.bytes().data();
    const RecordSize size = size_at(p);
    if (!size.plausible || is_packet(u32(p)) || !window.fill(size.bytes)) break;
    p = window.bytes().data();
    if (load_le<std::uint32_t>(p) == kSectionHeader) (void)section_order(p + 8, swapped_);
    if (u32(p + size.bytes - 4) != size.bytes) break;
    (void)take({u32(p), p + 8, size.bytes - kBlockOverhead}, unused);
    window.consume(size.bytes);
    window.release();
  }
  if (links_seen_.empty()) (void)filters_.for_link(LinkType::kEthernet);  // the syntax at least
  if (const Error* error = filters_.error()) return *error;
  return ok_status();
}

std::string PcapngReader::description() const {
  const bool little = (std::endian::native == std::endian::little) != swapped_;
  std::string text = std::string("pcapng, ") + (little ? "little" : "big") + "-endian";
  for (const LinkType link : links_seen_) {
    text += std::string(", ") + name_of(link);
    if (!is_supported(link)) text += " link type " + std::to_string(static_cast<unsigned>(link));
  }
  return text;
}

}  // namespace

Result<std::unique_ptr<CaptureReader>> open_pcapng(std::unique_ptr<ByteWindow> window,
                                                   const CaptureOptions& options) {
  auto reader = std::make_unique<PcapngReader>(std::move(window), options);
  if (auto opened = reader->open(); !opened) return opened.error();
  return std::unique_ptr<CaptureReader>(std::move(reader));
}

}  // namespace reelsense::ingest
