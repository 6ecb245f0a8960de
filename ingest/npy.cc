#include "npy.h"

#include <array>
#include <charconv>
#include <cstring>

#include "reelsense/base/byte_reader.h"

namespace reelsense::ingest {
namespace {

Error bad(const std::string& what) {
  return {ErrorCode::kCorrupt, "npy header: " + what};
}

// What follows 'key': in the dictionary; empty when it is not there.
std::string_view value_of(std::string_view text, std::string_view key) {
  std::string quoted(1, '\'');
  quoted += key;
  quoted += '\'';
  const std::size_t at = text.find(quoted);
  if (at == std::string_view::npos) return {};
  text.remove_prefix(at + quoted.size());
  const std::size_t start = text.find_first_not_of(" :");
  return start == std::string_view::npos ? std::string_view{} : text.substr(start);
}

}  // namespace

Result<NpyHeader> parse_npy_header(std::string_view text) {
  NpyHeader header;
  std::string_view type = value_of(text, "descr");
  if (type.empty() || type.front() != '\'') return bad("no simple 'descr'");
  type.remove_prefix(1);
  const std::size_t quote = type.find('\'');
  if (quote == std::string_view::npos) return bad("'descr' without an end");
  header.type = std::string(type.substr(0, quote));
  const std::string_view order = value_of(text, "fortran_order");
  if (!order.starts_with("False") && !order.starts_with("True")) return bad("no 'fortran_order'");
  std::string_view shape = value_of(text, "shape");
  if (shape.empty() || shape.front() != '(') return bad("no 'shape'");
  shape.remove_prefix(1);
  const auto [end, code] = std::from_chars(shape.data(), shape.data() + shape.size(), header.length);
  shape.remove_prefix(static_cast<std::size_t>(end - shape.data()));
  if (code != std::errc{} || !shape.starts_with(",") ||
      shape.substr(1).find_first_not_of(' ') == std::string_view::npos ||
      shape[1 + shape.substr(1).find_first_not_of(' ')] != ')') {
    return Error{ErrorCode::kMismatch, "an array of another rank, expected one dimension"};
  }
  return header;
}

Result<NpyHeader> read_npy_header(ZipMember& member) {
  constexpr std::size_t kMostHeader = 65536;
  constexpr std::array<std::uint8_t, 6> kMagic = {0x93, 'N', 'U', 'M', 'P', 'Y'};
  std::array<std::uint8_t, 8> start{};
  if (auto read = member.read(start.data(), start.size()); !read) return read.error();
  if (std::memcmp(start.data(), kMagic.data(), kMagic.size()) != 0) return bad("the magic is missing");
  const int version = start[6];
  if (version < 1 || version > 3) return bad("version " + std::to_string(version) + ", expected 1 to 3");
  std::array<std::uint8_t, 4> length{};
  if (auto read = member.read(length.data(), version == 1 ? 2 : 4); !read) return read.error();
  const std::uint32_t bytes = load_le<std::uint32_t>(length.data());
  if (bytes > kMostHeader) return bad("of " + std::to_string(bytes) + " bytes");
  std::string text(bytes, '\0');
  if (auto read = member.read(text.data(), text.size()); !read) return read.error();
  return parse_npy_header(text);
}

}  // namespace reelsense::ingest
