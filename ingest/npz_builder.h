// Test helper: .npy arrays and the .zip around them. Thread safety: values.
#pragma once

#include <zlib.h>

#include <string>
#include <vector>

#include "capture_builder.h"

namespace reelsense::ingest::testing {

inline Bytes npy(const std::string& type, const std::string& shape, const Bytes& data) {
  std::string text = "{'descr': '" + type + "', 'fortran_order': False, 'shape': " + shape + ", }";
  text.resize((text.size() + 10 + 64) / 64 * 64 - 11, ' ');
  text += '\n';
  return Writer()
      .raw({0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0})
      .u16(static_cast<std::uint32_t>(text.size()))
      .raw(Bytes(text.begin(), text.end()))
      .raw(data)
      .bytes;
}

inline Bytes npy_strings(const std::vector<std::u32string>& rows, std::size_t width) {
  Writer data;
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < width; ++i) data.u32(i < row.size() ? row[i] : 0);
  }
  return npy("<U" + std::to_string(width), "(" + std::to_string(rows.size()) + ",)", data.bytes);
}

enum class ZipKind : std::uint8_t {
  kStored,
  kDeflate,
  kZip64
};  // zip64 as NumPy writes it: stored, extra fields

class ZipFile {
 public:
  explicit ZipFile(ZipKind kind) : kind_(kind) {}

  ZipFile& add(const std::string& name, const Bytes& content) {
    const auto header_at = static_cast<std::uint32_t>(file_.bytes.size());
    const Bytes data = kind_ == ZipKind::kDeflate ? deflated(content) : content;
    const Bytes text(name.begin(), name.end());
    const bool wide = kind_ == ZipKind::kZip64;
    const Bytes sizes = Writer().u64(content.size()).u64(data.size()).bytes;
    const Bytes extra = wide ? Writer().u16(1).u16(16).raw(sizes).bytes : Bytes{};
    const auto common = [&](Writer& to) {
      to.u16(20).u16(0).u16(kind_ == ZipKind::kDeflate ? 8 : 0).u32(0);
      to.u32(crc32(0, content.data(), static_cast<uInt>(content.size())));
      to.u32(wide ? 0xffffffff : data.size()).u32(wide ? 0xffffffff : content.size());
      to.u16(static_cast<std::uint32_t>(text.size())).u16(static_cast<std::uint32_t>(extra.size()));
    };
    file_.u32(0x04034b50);
    common(file_);
    file_.raw(text).raw(extra).raw(data);
    directory_.u32(0x02014b50).u16(20);
    common(directory_);
    directory_.u16(0).u16(0).u16(0).u32(0).u32(header_at).raw(text).raw(extra);
    ++entries_;
    return *this;
  }

  [[nodiscard]] Bytes bytes() const {
    Writer out = file_;
    const auto at = static_cast<std::uint32_t>(out.bytes.size());
    const auto size = static_cast<std::uint32_t>(directory_.bytes.size());
    out.raw(directory_.bytes);
    if (kind_ == ZipKind::kZip64) {
      const auto end = static_cast<std::uint32_t>(out.bytes.size());
      out.u32(0x06064b50).u64(44).u16(45).u16(45).u32(0).u32(0).u64(entries_).u64(entries_).u64(size).u64(at);
      out.u32(0x07064b50).u32(0).u64(end).u32(1);
      out.u32(0x06054b50).u32(0).u16(0xffff).u16(0xffff).u32(0xffffffff).u32(0xffffffff).u16(0);
    } else {
      out.u32(0x06054b50).u32(0).u16(entries_).u16(entries_).u32(size).u32(at).u16(0);
    }
    return out.bytes;
  }

 private:
  static Bytes deflated(const Bytes& content) {
    z_stream z{};
    EXPECT_EQ(deflateInit2(&z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    Bytes out(deflateBound(&z, content.size()) + 16);
    z.next_in = const_cast<Bytef*>(content.data());
    z.avail_in = static_cast<uInt>(content.size());
    z.next_out = out.data();
    z.avail_out = static_cast<uInt>(out.size());
    EXPECT_EQ(deflate(&z, Z_FINISH), Z_STREAM_END);
    out.resize(z.total_out);
    deflateEnd(&z);
    return out;
  }

  ZipKind kind_;
  Writer file_;
  Writer directory_;
  std::uint32_t entries_ = 0;
};

}  // namespace reelsense::ingest::testing
