// From a window on uncompressed capture bytes to a reader: the entry that tests and fuzzers share with
// open_capture. Thread safety: as CaptureReader.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "byte_window.h"
#include "reelsense/base/result.h"
#include "reelsense/ingest/capture.h"

namespace reelsense::ingest {

// Longest record that is read whatever the snap length says: libpcap's own bound, and a hostile header's.
inline constexpr std::uint32_t kLeastRecordBound = 262144;
inline constexpr std::uint32_t kMostRecordBound = 16U << 20;
// How far behind a lost record boundary the next one is looked for.
inline constexpr std::size_t kResyncBytes = std::size_t{1} << 20;

// Tells the format by its magic. Messages do not name the input: the caller does, by Error::in.
Result<std::unique_ptr<CaptureReader>> open_window(std::unique_ptr<ByteWindow> window,
                                                   const CaptureOptions& options);

// The same over memory, gzip and zstd included. `bytes` must outlive the reader.
Result<std::unique_ptr<CaptureReader>> open_memory(std::span<const std::uint8_t> bytes,
                                                   const CaptureOptions& options = {});

// The two formats; the window stands at the file's first byte, the magic is known to match.
Result<std::unique_ptr<CaptureReader>> open_classic(std::unique_ptr<ByteWindow> window,
                                                    const CaptureOptions& options);
Result<std::unique_ptr<CaptureReader>> open_pcapng(std::unique_ptr<ByteWindow> window,
                                                   const CaptureOptions& options);

bool is_classic_magic(std::uint32_t little_endian_magic) noexcept;
inline constexpr std::uint32_t kPcapngMagic = 0x0a0d0d0aU;  // the same in both byte orders

// "Ethernet (1), raw IP (101), …" for messages.
std::string supported_link_types();

}  // namespace reelsense::ingest
