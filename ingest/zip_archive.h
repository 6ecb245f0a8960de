// The members of a .zip in memory, stored or deflated, zip64 included: as much as a .npz needs.
//
// Sizes are checked against what deflate can expand before anything is allocated by them.
// Thread safety: ZipArchive is immutable; a ZipMember is for one reader. The bytes must outlive both.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "reelsense/base/result.h"

namespace reelsense::ingest {

struct ZipEntry {
  std::string name;
  std::uint16_t method = 0;  // 0 stored, 8 deflate
  std::uint16_t flags = 0;
  std::uint32_t crc = 0;
  std::uint64_t stored_bytes = 0;
  std::uint64_t bytes = 0;
  std::uint64_t header_at = 0;
};

// Reads a member from its start to its end.
class ZipMember {
 public:
  ZipMember(std::span<const std::uint8_t> stored, const ZipEntry& entry);
  ZipMember(const ZipMember&) = delete;
  ZipMember& operator=(const ZipMember&) = delete;
  ~ZipMember();

  // Exactly n bytes, else an error. n may be 0.
  Status read(void* out, std::size_t n);
  // At the end: nothing is left and the checksum is right.
  Status finish();
  [[nodiscard]] std::uint64_t remaining() const noexcept { return remaining_; }

 private:
  Status inflate_into(std::uint8_t* out, std::size_t n);

  std::span<const std::uint8_t> stored_;
  std::uint64_t remaining_;
  std::uint32_t expected_crc_;
  std::uint32_t crc_ = 0;
  bool deflated_;
  bool ready_ = true;
  z_stream z_{};
};

class ZipArchive {
 public:
  static Result<ZipArchive> open(std::span<const std::uint8_t> bytes);

  // nullptr: no such member.
  [[nodiscard]] const ZipEntry* find(const std::string& name) const noexcept;
  // The bytes of a member as stored. Refuses what ZipMember cannot read.
  [[nodiscard]] Result<std::span<const std::uint8_t>> stored(const ZipEntry& entry) const;

 private:
  std::span<const std::uint8_t> bytes_;
  std::vector<ZipEntry> entries_;
};

}  // namespace reelsense::ingest
