#include "frames.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>

namespace bench_ue {
namespace {

[[noreturn]] void give_up(const std::string& path, const char* why) {
  std::fprintf(stderr, "%s: %s\n", path.c_str(), why);
  std::exit(2);
}

}  // namespace

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) give_up(path, "cannot be read");
  return {std::istreambuf_iterator<char>(file), {}};
}

Frames read_frames(const std::string& path) {
  struct Record {
    std::uint32_t seconds, fraction, captured, wire;
  };
  Frames in;
  in.bytes = read_file(path);
  std::uint32_t magic = 0;
  if (in.bytes.size() < 24) give_up(path, "is no classic pcap");
  std::memcpy(&magic, in.bytes.data(), sizeof magic);
  const std::int64_t unit_ns = magic == 0xa1b2c3d4U ? 1000 : 1;
  if (magic != 0xa1b2c3d4U && magic != 0xa1b23c4dU) give_up(path, "is no classic pcap of this byte order");
  std::memcpy(&in.link, in.bytes.data() + 20, sizeof in.link);
  for (std::size_t at = 24; at + sizeof(Record) <= in.bytes.size();) {
    Record record{};
    std::memcpy(&record, in.bytes.data() + at, sizeof record);
    const std::int64_t time_ns = record.seconds * std::int64_t{1'000'000'000} + record.fraction * unit_ns;
    if (record.captured > in.bytes.size() - at - sizeof record) give_up(path, "is cut short");
    in.frames.push_back({time_ns, in.bytes.data() + at + sizeof record, record.captured, record.wire});
    at += sizeof record + record.captured;
  }
  if (in.frames.empty()) give_up(path, "has no packets");
  return in;
}

rs_model* load_model(const std::string& path) {
  const std::string bytes = read_file(path);
  rs_model* model = nullptr;
  rs_error error{};
  if (rs_model_load(&model, bytes.data(), bytes.size(), &error) != RS_OK) give_up(path, error.message);
  return model;
}

}  // namespace bench_ue
