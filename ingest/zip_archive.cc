#include "zip_archive.h"

#include <algorithm>
#include <cstring>

#include "reelsense/base/byte_reader.h"

namespace reelsense::ingest {
namespace {

constexpr std::uint32_t kEndMagic = 0x06054b50U;
constexpr std::uint32_t kEnd64LocatorMagic = 0x07064b50U;
constexpr std::uint32_t kEnd64Magic = 0x06064b50U;
constexpr std::uint32_t kCentralMagic = 0x02014b50U;
constexpr std::uint32_t kLocalMagic = 0x04034b50U;
constexpr std::size_t kEndBytes = 22;
constexpr std::size_t kLocatorBytes = 20;
constexpr std::size_t kMostEntries = 65536;
constexpr std::uint16_t kDeflate = 8;
constexpr std::size_t kStep = std::size_t{1} << 30;  // zlib counts in 32 bits

struct Directory {
  std::uint64_t entries = 0;
  std::uint64_t offset = 0;
};

Error corrupt(const std::string& what) {
  return {ErrorCode::kCorrupt, "zip: " + what};
}

// The record at the file's end, behind which only a comment may follow.
Result<Directory> find_directory(std::span<const std::uint8_t> bytes) {
  constexpr std::size_t kMostComment = 65535;
  if (bytes.size() < kEndBytes) return corrupt("no end record, the file is too short");
  const std::size_t last = bytes.size() - kEndBytes;
  const std::size_t first = last > kMostComment ? last - kMostComment : 0;
  std::size_t at = last + 1;
  do {
    if (at == first) return corrupt("no end record; the file is cut short or not a .npz");
    --at;
  } while (load_le<std::uint32_t>(bytes.data() + at) != kEndMagic);
  const std::uint8_t* end = bytes.data() + at;
  Directory directory{load_le<std::uint16_t>(end + 10), load_le<std::uint32_t>(end + 16)};
  if (at < kLocatorBytes || load_le<std::uint32_t>(end - kLocatorBytes) != kEnd64LocatorMagic)
    return directory;
  const auto end64 = load_le<std::uint64_t>(end - kLocatorBytes + 8);
  if (end64 > bytes.size()) return corrupt("the zip64 end record lies behind the file");
  ByteReader reader(bytes.subspan(static_cast<std::size_t>(end64)));
  const bool magic = reader.le<std::uint32_t>() == kEnd64Magic;
  reader.skip(28);
  directory.entries = reader.le<std::uint64_t>();
  reader.skip(8);
  directory.offset = reader.le<std::uint64_t>();
  if (!magic || !reader.ok()) return corrupt("bad zip64 end record");
  return directory;
}

// Sizes of 0xffffffff stand in the zip64 extra field, in this order.
void read_zip64(ByteReader extra, ZipEntry& entry) {
  constexpr std::uint64_t kElsewhere = 0xffffffffU;
  while (extra.remaining() >= 4) {
    const auto id = extra.le<std::uint16_t>();
    const auto length = extra.le<std::uint16_t>();
    ByteReader field(extra.bytes(length));
    if (id != 1) continue;
    for (std::uint64_t* value : {&entry.bytes, &entry.stored_bytes, &entry.header_at}) {
      if (*value == kElsewhere && field.remaining() >= 8) *value = field.le<std::uint64_t>();
    }
    return;
  }
}

ZipEntry read_entry(ByteReader& reader) {
  ZipEntry entry;
  reader.skip(4);  // versions
  entry.flags = reader.le<std::uint16_t>();
  entry.method = reader.le<std::uint16_t>();
  reader.skip(4);  // time
  entry.crc = reader.le<std::uint32_t>();
  entry.stored_bytes = reader.le<std::uint32_t>();
  entry.bytes = reader.le<std::uint32_t>();
  const auto name_bytes = reader.le<std::uint16_t>();
  const auto extra_bytes = reader.le<std::uint16_t>();
  const auto comment_bytes = reader.le<std::uint16_t>();
  reader.skip(8);  // disk, attributes
  entry.header_at = reader.le<std::uint32_t>();
  const auto name = reader.bytes(name_bytes);
  entry.name.assign(name.begin(), name.end());
  read_zip64(ByteReader(reader.bytes(extra_bytes)), entry);
  reader.skip(comment_bytes);
  return entry;
}

}  // namespace

Result<ZipArchive> ZipArchive::open(std::span<const std::uint8_t> bytes) {
  auto directory = find_directory(bytes);
  if (!directory) return directory.error();
  const std::uint64_t count = directory.value().entries;
  if (count > kMostEntries) return Error{ErrorCode::kLimit, "zip: " + std::to_string(count) + " members"};
  if (directory.value().offset > bytes.size()) return corrupt("the directory lies behind the file");
  ZipArchive archive;
  archive.bytes_ = bytes;
  ByteReader reader(bytes.subspan(static_cast<std::size_t>(directory.value().offset)));
  for (std::uint64_t i = 0; i < count; ++i) {
    if (reader.le<std::uint32_t>() != kCentralMagic)
      return corrupt("bad directory entry " + std::to_string(i));
    archive.entries_.push_back(read_entry(reader));
    if (!reader.ok()) return corrupt("directory cut short at entry " + std::to_string(i));
  }
  return archive;
}

const ZipEntry* ZipArchive::find(const std::string& name) const noexcept {
  const auto found =
      std::find_if(entries_.begin(), entries_.end(), [&](const auto& e) { return e.name == name; });
  return found == entries_.end() ? nullptr : &*found;
}

Result<std::span<const std::uint8_t>> ZipArchive::stored(const ZipEntry& entry) const {
  constexpr std::uint16_t kEncrypted = 1;
  constexpr std::uint64_t kMostExpansion = 1032;  // of deflate
  if ((entry.flags & kEncrypted) != 0) return Error{ErrorCode::kUnsupported, "encrypted"};
  if (entry.method != 0 && entry.method != kDeflate) {
    return Error{ErrorCode::kUnsupported, "compression method " + std::to_string(entry.method) +
                                              ", expected stored (0) or deflate (8)"};
  }
  if (entry.header_at > bytes_.size()) return corrupt("the member lies behind the file");
  ByteReader reader(bytes_.subspan(static_cast<std::size_t>(entry.header_at)));
  const bool magic = reader.le<std::uint32_t>() == kLocalMagic;
  reader.skip(22);
  const std::size_t name_bytes = reader.le<std::uint16_t>();
  const std::size_t extra_bytes = reader.le<std::uint16_t>();
  reader.skip(name_bytes + extra_bytes);
  if (!magic || !reader.ok()) return corrupt("bad member header");
  if (entry.stored_bytes > reader.remaining()) return corrupt("the member goes on behind the file");
  const bool possible = entry.method == kDeflate ? entry.bytes / kMostExpansion <= entry.stored_bytes
                                                 : entry.bytes == entry.stored_bytes;
  if (!possible) {
    return corrupt(std::to_string(entry.bytes) + " bytes cannot come of " +
                   std::to_string(entry.stored_bytes));
  }
  return reader.bytes(static_cast<std::size_t>(entry.stored_bytes));
}

ZipMember::ZipMember(std::span<const std::uint8_t> stored, const ZipEntry& entry)
    : stored_(stored),
      remaining_(entry.bytes),
      expected_crc_(entry.crc),
      deflated_(entry.method == kDeflate) {
  constexpr int kRawDeflate = -15;
  if (deflated_) ready_ = inflateInit2(&z_, kRawDeflate) == Z_OK;
}

ZipMember::~ZipMember() {
  if (deflated_ && ready_) inflateEnd(&z_);
}

Status ZipMember::read(void* out, std::size_t n) {
  if (n > remaining_) {
    return corrupt("ends " + std::to_string(n - remaining_) + " bytes too early");
  }
  auto* to = static_cast<std::uint8_t*>(out);
  remaining_ -= n;
  while (n > 0) {
    const std::size_t step = std::min(n, kStep);
    if (deflated_) {
      if (auto done = inflate_into(to, step); !done) return done;
    } else {
      std::memcpy(to, stored_.data(), step);
      stored_ = stored_.subspan(step);
    }
    crc_ = static_cast<std::uint32_t>(crc32(crc_, to, static_cast<uInt>(step)));
    to += step;
    n -= step;
  }
  return ok_status();
}

Status ZipMember::inflate_into(std::uint8_t* out, std::size_t n) {
  if (!ready_) return Error{ErrorCode::kLimit, "zip: no memory for the decompressor"};
  z_.next_out = out;
  z_.avail_out = static_cast<uInt>(n);
  while (z_.avail_out > 0) {
    const std::size_t in = std::min(stored_.size(), kStep);
    z_.next_in = const_cast<Bytef*>(stored_.data());
    z_.avail_in = static_cast<uInt>(in);
    const int code = inflate(&z_, Z_NO_FLUSH);
    const std::size_t used = in - z_.avail_in;
    stored_ = stored_.subspan(used);
    if (code == Z_STREAM_END && z_.avail_out == 0) break;
    const bool stuck = used == 0 && stored_.empty() && z_.avail_out > 0;
    if (code != Z_OK || stuck) {
      return corrupt(z_.msg != nullptr ? std::string(z_.msg) : std::string("compressed data ends too early"));
    }
  }
  return ok_status();
}

Status ZipMember::finish() {
  if (remaining_ != 0) return corrupt(std::to_string(remaining_) + " bytes too many");
  if (crc_ != expected_crc_) return corrupt("the checksum does not match");
  return ok_status();
}

}  // namespace reelsense::ingest
