// Test helper: capture files byte by byte, in either byte order. Thread safety: values.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "capture_window.h"
#include "reelsense/ingest/capture.h"

namespace reelsense::ingest::testing {

using Bytes = std::vector<std::uint8_t>;

// Appends integers in one byte order.
class Writer {
 public:
  explicit Writer(bool big_endian = false) : big_(big_endian) {}
  Writer& u8(std::uint32_t v) {
    bytes.push_back(static_cast<std::uint8_t>(v));
    return *this;
  }
  Writer& u16(std::uint32_t v) { return put(v, 2); }
  Writer& u32(std::uint64_t v) { return put(v, 4); }
  Writer& u64(std::uint64_t v) { return put(v, 8); }
  Writer& raw(const Bytes& more) {
    bytes.insert(bytes.end(), more.begin(), more.end());
    return *this;
  }
  [[nodiscard]] bool big() const { return big_; }
  Bytes bytes;

 private:
  Writer& put(std::uint64_t v, int n) {
    for (int i = 0; i < n; ++i) u8(static_cast<std::uint8_t>(v >> (8 * (big_ ? n - 1 - i : i))));
    return *this;
  }
  bool big_;
};

inline constexpr std::uint32_t kStart = 1'700'000'000;  // seconds

// Classic pcap.
class ClassicFile : public Writer {
 public:
  explicit ClassicFile(std::uint32_t link = 1, bool big_endian = false, std::uint32_t magic = 0xa1b2c3d4,
                       std::uint32_t snap_length = 65535)
      : Writer(big_endian) {
    u32(magic).u16(2).u16(4).u32(0).u32(0).u32(snap_length).u32(link);
  }
  ClassicFile& header(std::uint32_t seconds, std::uint32_t fraction, std::uint32_t captured,
                      std::uint32_t wire) {
    u32(seconds).u32(fraction).u32(captured).u32(wire);
    return *this;
  }
  // The record's bytes all say `fill`.
  ClassicFile& record(std::uint8_t fill, std::uint32_t captured = 60, std::uint32_t wire = 1000) {
    header(kStart + fill, fill, captured, wire).raw(Bytes(captured, fill));
    return *this;
  }
};

// pcapng.
class PcapngFile : public Writer {
 public:
  explicit PcapngFile(bool big_endian = false) : Writer(big_endian) { section(); }
  PcapngFile& block(std::uint32_t type, const Bytes& body) {
    const std::size_t padded = (body.size() + 3) / 4 * 4;
    u32(type).u32(padded + 12).raw(body).raw(Bytes(padded - body.size(), 0)).u32(padded + 12);
    return *this;
  }
  PcapngFile& section() {
    return block(0x0a0d0d0a, Writer(big()).u32(0x1a2b3c4d).u16(1).u16(0).u64(~std::uint64_t{0}).bytes);
  }
  PcapngFile& interface(std::uint32_t link, const Bytes& options = {}, std::uint32_t snap_length = 0) {
    return block(1, Writer(big()).u16(link).u16(0).u32(snap_length).raw(options).bytes);
  }
  [[nodiscard]] Bytes resolution(std::uint8_t value) const {
    return Writer(big()).u16(9).u16(1).u8(value).raw({0, 0, 0}).bytes;
  }
  [[nodiscard]] Bytes offset(std::int64_t seconds) const {
    return Writer(big()).u16(14).u16(8).u64(static_cast<std::uint64_t>(seconds)).bytes;
  }
  PcapngFile& enhanced(std::uint32_t id, std::uint64_t units, std::uint8_t fill, std::uint32_t captured = 60,
                       std::uint32_t wire = 1000) {
    return block(6, Writer(big())
                        .u32(id)
                        .u32(units >> 32)
                        .u32(units & 0xffffffff)
                        .u32(captured)
                        .u32(wire)
                        .raw(Bytes(captured, fill))
                        .bytes);
  }
  // At kStart + fill seconds, with microseconds.
  PcapngFile& enhanced(std::uint32_t id, std::uint8_t fill) {
    return enhanced(id, (std::uint64_t{kStart} + fill) * 1'000'000, fill);
  }
};

struct Seen {
  std::vector<std::int64_t> times;
  std::vector<int> fills;  // the first byte of each record
  std::vector<std::uint32_t> captured;
  std::vector<std::uint32_t> wire;
  std::vector<LinkType> links;
  CaptureStatus status;
  std::string description;
};

inline Seen read_all(CaptureReader& reader, std::size_t batch = 7) {
  Seen seen;
  std::vector<CaptureRecord> records(batch);
  while (const std::size_t n = reader.read(records)) {
    for (std::size_t i = 0; i < n; ++i) {
      const CaptureRecord& r = records[i];
      seen.times.push_back(r.time_ns);
      seen.fills.push_back(r.captured_bytes == 0 ? -1 : r.data[0]);
      if (r.captured_bytes != 0) {
        EXPECT_EQ(r.data[0], r.data[r.captured_bytes - 1]) << "the bytes of another record";
      }
      seen.captured.push_back(r.captured_bytes);
      seen.wire.push_back(r.wire_bytes);
      seen.links.push_back(r.link);
    }
  }
  EXPECT_EQ(reader.read(records), 0U) << "an ended reader reads on";
  seen.status = reader.status();
  seen.description = reader.description();
  EXPECT_EQ(seen.status.records, seen.fills.size());
  return seen;
}

inline Seen read_bytes(const Bytes& bytes, const CaptureOptions& options = {}) {
  auto reader = open_memory(bytes, options);
  EXPECT_TRUE(reader.ok()) << (reader.ok() ? "" : reader.error().message);
  return reader.ok() ? read_all(*reader.value()) : Seen{};
}

inline Error open_error(const Bytes& bytes, const CaptureOptions& options = {}) {
  auto reader = open_memory(bytes, options);
  EXPECT_FALSE(reader.ok());
  return reader.ok() ? Error{} : reader.error();
}

inline std::uint64_t skipped(const CaptureStatus& status, SkipReason reason) {
  return status.skipped[static_cast<std::size_t>(reason)];
}

// A file that lives as long as this.
class TemporaryFile {
 public:
  explicit TemporaryFile(const Bytes& bytes) {
    path_ = std::filesystem::temp_directory_path() / "reelsense_ingest_test_XXXXXX";
    const int fd = ::mkstemp(path_.data());
    EXPECT_GE(fd, 0);
    std::FILE* file = ::fdopen(fd, "wb");
    if (!bytes.empty()) {
      EXPECT_EQ(std::fwrite(bytes.data(), 1, bytes.size(), file), bytes.size());
    }
    std::fclose(file);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() { std::remove(path_.c_str()); }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace reelsense::ingest::testing
