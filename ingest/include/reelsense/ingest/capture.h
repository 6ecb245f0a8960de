// Capture files and streams: classic pcap (µs, ns, both byte orders), pcapng, either of them gzip- or
// zstd-compressed, from a path or from standard input, with an optional BPF filter.
//
// Records come in batches; their bytes stay valid until the next read() or the reader's end. A plain classic pcap
// file is memory-mapped and walked without a copy. A reader is for one thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "reelsense/base/result.h"
#include "reelsense/packet/link_type.h"

namespace reelsense::ingest {

struct CaptureRecord {
  std::int64_t time_ns = 0;          // ns since the epoch
  const std::uint8_t* data = nullptr;
  std::uint32_t captured_bytes = 0;
  std::uint32_t wire_bytes = 0;      // original length on the link
  LinkType link = LinkType::kEthernet;
};

// Records that a reader left out, by reason. Everything else is returned by read().
enum class SkipReason : std::uint8_t {
  kBadLength,     // a record's length is beyond the snap length's bound or the file
  kBadTimestamp,  // a sub-second part out of range, or a time before 1970 or after 2200
  kLinkType,      // a pcapng interface with a link type that is not supported
  kFiltered,      // the BPF filter said no
  kCount,
};
const char* name_of(SkipReason reason) noexcept;  // stable snake_case

struct CaptureStatus {
  std::uint64_t records = 0;       // returned by read()
  std::array<std::uint64_t, static_cast<std::size_t>(SkipReason::kCount)> skipped{};
  std::uint64_t bytes_read = 0;    // of the input as stored (compressed bytes for a compressed file)
  std::uint64_t bytes_total = 0;   // 0 when not known (a pipe)
  // Set when the input ends inside a record: offset in the (decompressed) capture where that record starts.
  std::optional<std::uint64_t> truncated_at;
  // Set when the reader lost the record boundary and could not go on: what was found and where.
  std::optional<std::string> damage;
};

struct CaptureOptions {
  std::string filter;  // BPF expression as libpcap compiles it; empty: all
};

class CaptureReader {
 public:
  virtual ~CaptureReader() = default;

  // Fills up to out.size() records and returns how many; 0 at the end. An input that ends in the middle of a
  // record, or a record that cannot be passed over, ends the stream and is told by status().
  virtual std::size_t read(std::span<CaptureRecord> out) = 0;
  [[nodiscard]] virtual const CaptureStatus& status() const noexcept = 0;

  // "classic pcap, µs, little-endian, Ethernet, snap length 96"
  [[nodiscard]] virtual std::string description() const = 0;
};

// Opens `path`, or standard input for "-". Errors (code, then what the message names):
//   kNotFound / kIo        the path and the system's reason
//   kUnsupported           not a capture: the path, the magic found (hex) and what is supported;
//                          a link type that parse_packet does not know: its number
//   kCorrupt               empty file; a header cut short
//   kInvalidArgument       a filter that does not compile: libpcap's message
Result<std::unique_ptr<CaptureReader>> open_capture(const std::string& path, const CaptureOptions& options = {});

}  // namespace reelsense::ingest
