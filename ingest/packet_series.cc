#include "reelsense/ingest/packet_series.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <string_view>
#include <utility>

#include "byte_window.h"
#include "npy.h"
#include "packet_series_memory.h"
#include "reelsense/base/byte_reader.h"
#include "zip_archive.h"

namespace reelsense::ingest {
namespace {

Status length_is(std::uint64_t found, std::uint64_t expected, const char* of) {
  if (found == expected) return ok_status();
  return Error{ErrorCode::kMismatch,
               std::to_string(found) + " elements, expected " + std::to_string(expected) + " as " + of};
}

// Opens a member's array and hands its header and the member at the first element to `use`.
template <class Use>
Status with_array(const ZipArchive& archive, const ZipEntry& entry, std::uint64_t most, Use use) {
  auto stored = archive.stored(entry);
  if (!stored) return stored.error();
  ZipMember member(stored.value(), entry);
  auto header = read_npy_header(member);
  if (!header) return header.error();
  if (header.value().length > most) {
    return Error{ErrorCode::kLimit, std::to_string(header.value().length) + " elements, at most " +
                                        std::to_string(most) + " are read"};
  }
  if (Status used = use(header.value(), member); !used) return used;
  return member.finish();
}

template <class T>
Status read_numbers(const ZipArchive& archive, const char* name, std::string_view type, std::uint64_t most,
                    std::vector<T>& out) {
  const std::string file = std::string(name) + ".npy";
  const ZipEntry* entry = archive.find(file);
  if (entry == nullptr)
    return Error{ErrorCode::kCorrupt, "no member " + file + " (" + std::string(type) + ")"};
  const Status status =
      with_array(archive, *entry, most, [&](const NpyHeader& header, ZipMember& member) -> Status {
        // A byte has no order, and NumPy's bool is one.
        const bool byte = sizeof(T) == 1 && (header.type == "|b1" || header.type == "|u1");
        if (header.type != type && !byte) {
          return Error{ErrorCode::kUnsupported, "type " + header.type + ", expected " + std::string(type)};
        }
        if (member.remaining() != header.length * sizeof(T)) {
          return Error{ErrorCode::kCorrupt, std::to_string(member.remaining()) +
                                                " bytes behind the header, expected " +
                                                std::to_string(header.length * sizeof(T))};
        }
        out.resize(static_cast<std::size_t>(header.length));
        if (Status read = member.read(out.data(), out.size() * sizeof(T)); !read) return read;
        if constexpr (std::endian::native == std::endian::big) {
          for (T& value : out) value = byte_swap(value);
        }
        return ok_status();
      });
  return status ? status : Status(status.error().in(file));
}

void append_utf8(std::string& out, std::uint32_t code) {
  constexpr std::uint32_t kReplacement = 0xfffd;
  if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) code = kReplacement;
  const auto put = [&out](std::uint32_t byte) { out += static_cast<char>(static_cast<std::uint8_t>(byte)); };
  if (code < 0x80) return put(code);
  if (code < 0x800) {
    put(0xc0 | code >> 6);
  } else {
    if (code < 0x10000) {
      put(0xe0 | code >> 12);
    } else {
      put(0xf0 | code >> 18);
      put(0x80 | (code >> 12 & 0x3f));
    }
    put(0x80 | (code >> 6 & 0x3f));
  }
  put(0x80 | (code & 0x3f));
}

// NumPy's '<U…': UCS-4, filled up with zeros.
Status read_string_array(const NpyHeader& header, ZipMember& member, std::vector<std::string>& out) {
  constexpr std::uint32_t kMostCharacters = 4096;
  const std::string_view type = header.type;
  std::uint32_t characters = 0;
  const bool text =
      type.starts_with("<U") && std::from_chars(type.data() + 2, type.data() + type.size(), characters).ptr ==
                                    type.data() + type.size();
  if (!text || characters > kMostCharacters) {
    return Error{ErrorCode::kUnsupported,
                 "type " + header.type + ", expected strings <U1 to <U" + std::to_string(kMostCharacters)};
  }
  const std::uint64_t row_bytes = std::uint64_t{characters} * 4;
  if (member.remaining() != header.length * row_bytes) {
    return Error{ErrorCode::kCorrupt, std::to_string(member.remaining()) +
                                          " bytes behind the header, expected " +
                                          std::to_string(header.length * row_bytes)};
  }
  std::vector<std::uint8_t> row(static_cast<std::size_t>(row_bytes));
  out.resize(static_cast<std::size_t>(header.length));
  for (std::string& value : out) {
    if (Status read = member.read(row.data(), row.size()); !read) return read;
    std::size_t used = characters;
    while (used > 0 && load_le<std::uint32_t>(row.data() + (used - 1) * 4) == 0) --used;
    for (std::size_t i = 0; i < used; ++i) append_utf8(value, load_le<std::uint32_t>(row.data() + i * 4));
  }
  return ok_status();
}

Status read_strings(const ZipArchive& archive, const char* name, std::uint64_t flows,
                    std::vector<std::string>& out) {
  const std::string file = std::string(name) + ".npy";
  const ZipEntry* entry = archive.find(file);
  if (entry == nullptr) return ok_status();
  const Status status =
      with_array(archive, *entry, kMaxSeriesFlows, [&](const NpyHeader& header, ZipMember& member) -> Status {
        if (Status length = length_is(header.length, flows, "off says flows"); !length) return length;
        return read_string_array(header, member, out);
      });
  return status ? status : Status(status.error().in(file));
}

Status check_offsets(const std::vector<std::int64_t>& offsets, std::size_t packets) {
  if (offsets.empty() || offsets.front() != 0)
    return Error{ErrorCode::kCorrupt, "off.npy: expected a 0 at first"};
  for (std::size_t i = 1; i < offsets.size(); ++i) {
    if (offsets[i] < offsets[i - 1]) {
      return Error{ErrorCode::kCorrupt, "off.npy: element " + std::to_string(i) + " is " +
                                            std::to_string(offsets[i]) + ", expected at least " +
                                            std::to_string(offsets[i - 1])};
    }
  }
  if (static_cast<std::uint64_t>(offsets.back()) != packets) {
    return Error{ErrorCode::kMismatch, "off.npy: ends at " + std::to_string(offsets.back()) +
                                           ", but t_us has " + std::to_string(packets) + " packets"};
  }
  return ok_status();
}

constexpr std::uint16_t kMtuBytes = 1500;
constexpr std::uint16_t kMaxLinkHeaderBytes = 22;  // Ethernet with a VLAN tag and a frame check sequence
constexpr std::uint16_t kMinIpBytes = 20;
constexpr std::size_t kFramesOfFullSize = 100;  // one packet in so many over the MTU: no accident

// Bytes of a link header that every size of the series holds, or 0. Frames of a 1500-byte MTU show as many
// sizes just over it and none far over it; an offload's super-packets go far over it.
std::uint16_t link_header_bytes(const PacketSeries& series) {
  std::size_t over = 0;
  std::uint16_t largest = 0;
  for (const std::uint16_t size : series.size) {
    over += size > kMtuBytes ? 1 : 0;
    largest = std::max(largest, size);
  }
  const bool framed = largest > kMtuBytes && largest <= kMtuBytes + kMaxLinkHeaderBytes &&
                      over * kFramesOfFullSize >= series.size.size();
  return framed ? static_cast<std::uint16_t>(largest - kMtuBytes) : std::uint16_t{0};
}

// Takes the header off every size; what is then too short for an IP packet goes.
void take_off_link_header(PacketSeries& series, std::uint16_t header) {
  std::size_t kept = 0;
  std::size_t i = 0;
  for (std::size_t flow = 0; flow < series.flow_count(); ++flow) {
    for (const auto end = static_cast<std::size_t>(series.offsets[flow + 1]); i < end; ++i) {
      if (series.size[i] < header + kMinIpBytes) continue;
      series.size[kept] = static_cast<std::uint16_t>(series.size[i] - header);
      series.time_us[kept] = series.time_us[i];
      series.up[kept++] = series.up[i];
    }
    series.offsets[flow + 1] = static_cast<std::int64_t>(kept);
  }
  series.size.resize(kept);
  series.time_us.resize(kept);
  series.up.resize(kept);
}

}  // namespace

Result<PacketSeries> parse_packet_series(std::span<const std::uint8_t> bytes) {
  auto opened = ZipArchive::open(bytes);
  if (!opened) return opened.error();
  const ZipArchive& archive = opened.value();
  PacketSeries series;
  Status status = read_numbers(archive, "off", "<i8", kMaxSeriesFlows + 1, series.offsets);
  if (status) status = read_numbers(archive, "t_us", "<u4", kMaxSeriesPackets, series.time_us);
  if (status) status = check_offsets(series.offsets, series.time_us.size());
  if (status) status = read_numbers(archive, "size", "<u2", kMaxSeriesPackets, series.size);
  if (status) status = read_numbers(archive, "up", "|b1", kMaxSeriesPackets, series.up);
  if (!status) return status.error();
  const std::size_t packets = series.time_us.size();
  if (Status length = length_is(series.size.size(), packets, "t_us has"); !length)
    return length.error().in("size.npy");
  if (Status length = length_is(series.up.size(), packets, "t_us has"); !length)
    return length.error().in("up.npy");
  for (std::uint8_t& up : series.up) up = up != 0 ? 1 : 0;
  const std::size_t flows = series.flow_count();
  status = read_strings(archive, "label", flows, series.label);
  if (status) status = read_strings(archive, "group", flows, series.group);
  if (status) status = read_strings(archive, "flow", flows, series.flow);
  if (!status) return status.error();
  if (const std::uint16_t header = link_header_bytes(series); header != 0)
    take_off_link_header(series, header);
  return series;
}

Result<PacketSeries> load_packet_series(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return Error{errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo, path + ": " + std::strerror(errno)};
  }
  struct stat info {};
  const bool known = ::fstat(fd, &info) == 0;
  const auto size = known && S_ISREG(info.st_mode) ? static_cast<std::uint64_t>(info.st_size) : 0;
  auto window = MappedWindow::open(fd, size);
  if (window == nullptr) {
    ::close(fd);
    if (known && S_ISDIR(info.st_mode)) return Error{ErrorCode::kIo, path + ": " + std::strerror(EISDIR)};
    return Error{ErrorCode::kCorrupt, path + ": empty or not a regular file, expected a .npz"};
  }
  auto series = parse_packet_series(window->bytes());
  if (!series) return series.error().in(path);
  return series;
}

}  // namespace reelsense::ingest
