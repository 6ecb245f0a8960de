// Capture files and streams: classic pcap (µs, ns, both byte orders), pcapng, either of them gzip- or
// zstd-compressed, from a path or from standard input, with an optional BPF filter.
//
// Records come in batches; their bytes stay valid until the next read() or the reader's end. Batches of about
// 64 keep the headers in the first cache for whoever parses them next. A reader is for one thread.
//
// A plain file, also as standard input, is memory-mapped and walked without a copy; what was passed is given
// back every 4 MiB, so memory does not grow with the file. It must not be cut while it is read. Everything
// else goes through a buffer of 1 MiB, which grows to the longest record (16 MiB) at most.
//
// Where a record's length cannot be, the next plausible records are looked for within 1 MiB: in a classic
// pcap three in a row, or fewer that end just with the input, within a day of the last good one; in a pcapng
// two blocks whose lengths agree with their copies. A file that ends inside its last record is cut and not
// damaged.
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
  // ns since the epoch. A pcapng simple packet block carries none: it has the time of the record before it.
  std::int64_t time_ns = 0;
  const std::uint8_t* data = nullptr;
  std::uint32_t captured_bytes = 0;
  std::uint32_t wire_bytes = 0;  // original length on the link, ≥ captured_bytes
  LinkType link = LinkType::kEthernet;
};

// Records that a reader left out, by reason. Everything else is returned by read().
enum class SkipReason : std::uint8_t {
  kBadLength,     // a record's length is beyond the snap length's bound (at least 256 KiB), its block or the
                  // file
  kBadTimestamp,  // a sub-second part out of range, or a time before 1970 or after 2200
  kLinkType,      // of a pcapng interface whose link type is not supported, or that is not there
  kFiltered,      // the BPF filter said no
  kCount,
};
const char* name_of(SkipReason reason) noexcept;  // stable snake_case

struct CaptureStatus {
  std::uint64_t records = 0;  // returned by read()
  std::array<std::uint64_t, static_cast<std::size_t>(SkipReason::kCount)> skipped{};
  std::uint64_t bytes_read = 0;   // of the input as stored (compressed bytes for a compressed file)
  std::uint64_t bytes_total = 0;  // 0 when not known (a pipe)
  // Set when the input ends inside a record: offset in the (decompressed) capture where that record starts.
  std::optional<std::uint64_t> truncated_at;
  // Set when the reader lost the record boundary and could not go on: what was found and where.
  std::optional<std::string> damage;
};

struct CaptureOptions {
  // BPF expression as libpcap compiles it; empty: all. A pcapng interface for whose link type it does not
  // compile passes nothing.
  std::string filter;
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
//   kCorrupt               empty file; a header cut short; compressed data that breaks before a header
//   kInvalidArgument       a filter that does not compile: libpcap's message
Result<std::unique_ptr<CaptureReader>> open_capture(const std::string& path,
                                                    const CaptureOptions& options = {});

}  // namespace reelsense::ingest
