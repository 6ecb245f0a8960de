#include "cli/output/npy.h"

#include <bit>
#include <charconv>
#include <cstring>

#include "reelsense/base/byte_reader.h"
#include "reelsense/bundle/bundle.h"

namespace reelsense::cli {
namespace {

static_assert(std::endian::native == std::endian::little, ".npy rows are written as they stand in memory");

constexpr std::size_t kHeaderBytes = 128;
constexpr std::uint8_t kMagic[] = {0x93, 'N', 'U', 'M', 'P', 'Y'};
constexpr std::size_t kFileLimit = std::size_t{16} << 30;

// The value after `key` in the header, a Python literal: "'descr': '<f4', 'fortran_order': False, 'shape':
// (3, 4)".
std::string_view value_after(std::string_view header, std::string_view key) {
  const std::size_t at = header.find(key);
  if (at == std::string_view::npos) return {};
  std::string_view rest = header.substr(at + key.size());
  const std::size_t start = rest.find_first_not_of(" :");
  return start == std::string_view::npos ? std::string_view{} : rest.substr(start);
}

bool read_shape(std::string_view text, NpyMatrix& matrix) {
  if (!text.starts_with('(')) return false;
  text.remove_prefix(1);
  std::size_t* const sizes[] = {&matrix.rows, &matrix.columns};
  for (std::size_t* size : sizes) {
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), *size);
    if (code != std::errc{}) return false;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    text.remove_prefix(std::min(text.find_first_not_of(", "), text.size()));
  }
  return text.starts_with(')');
}

}  // namespace

NpyWriter::NpyWriter(Output& out, std::size_t columns) : out_(out), columns_(columns) {
  out_.write(header());
}

void NpyWriter::put(std::span<const float> values) noexcept {
  out_.write({reinterpret_cast<const char*>(values.data()), values.size_bytes()});
}

bool NpyWriter::finish() {
  return out_.write_at(0, header());
}

std::string NpyWriter::header() const {
  std::string text(reinterpret_cast<const char*>(kMagic), sizeof kMagic);
  text += std::string("\x01\x00", 2);
  text += static_cast<char>(kHeaderBytes - 10);
  text += '\0';
  text += "{'descr': '<f4', 'fortran_order': False, 'shape': (" + std::to_string(rows_) + ",";
  if (columns_ != 0) text += " " + std::to_string(columns_);
  text += "), }";
  text.resize(kHeaderBytes - 1, ' ');
  return text + '\n';
}

Result<NpyMatrix> read_npy(const std::string& path) {
  const auto file = bundle::read_file(path, kFileLimit);
  if (!file) return file.error();
  const auto refuse = [&](const std::string& why) { return Error{ErrorCode::kCorrupt, path + ": " + why}; };

  ByteReader reader(file.value());
  const auto magic = reader.bytes(sizeof kMagic);
  if (!reader.ok() || std::memcmp(magic.data(), kMagic, sizeof kMagic) != 0) return refuse("not a .npy file");
  const std::uint8_t major = reader.u8();
  reader.skip(1);
  if (major < 1 || major > 3) return refuse(".npy version " + std::to_string(major) + "; 1 to 3 are read");
  const std::size_t length = major == 1 ? reader.le<std::uint16_t>() : reader.le<std::uint32_t>();
  const auto bytes = reader.bytes(length);
  if (!reader.ok()) return refuse("the .npy header is cut short");
  const std::string_view header(reinterpret_cast<const char*>(bytes.data()), bytes.size());

  const std::string_view descr = value_after(header, "'descr'");
  if (!descr.starts_with("'<f4'"))
    return refuse("float32 ('<f4') is read, found " + std::string(descr.substr(0, 12)));
  if (!value_after(header, "'fortran_order'").starts_with("False")) return refuse("only C order is read");
  NpyMatrix matrix;
  if (!read_shape(value_after(header, "'shape'"), matrix)) {
    return refuse("a shape (rows, columns) is read, found " +
                  std::string(value_after(header, "'shape'").substr(0, 24)));
  }
  const std::size_t available = reader.remaining() / sizeof(float);
  if (matrix.columns != 0 && matrix.rows > available / matrix.columns)
    return refuse("holds fewer rows than it states");
  matrix.values.resize(matrix.rows * matrix.columns);
  const auto data = reader.bytes(matrix.values.size() * sizeof(float));
  if (!data.empty()) std::memcpy(matrix.values.data(), data.data(), data.size());
  return matrix;
}

}  // namespace reelsense::cli
