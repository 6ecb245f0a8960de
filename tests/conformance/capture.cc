#include <array>
#include <bit>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>

#include "runner.h"

namespace conformance {
namespace {

class Reader {
 public:
  Reader(std::string bytes, bool swapped) : bytes_(std::move(bytes)), swapped_(swapped) {}
  [[nodiscard]] std::uint32_t u32(std::size_t at) const {
    std::uint32_t value = 0;
    std::memcpy(&value, bytes_.data() + at, sizeof value);
    return swapped_ ? __builtin_bswap32(value) : value;
  }
  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  [[nodiscard]] const char* at(std::size_t offset) const { return bytes_.data() + offset; }

 private:
  std::string bytes_;
  bool swapped_;
};

}  // namespace

std::string read_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path.string());
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<json> read_lines(const fs::path& path) {
  std::istringstream text(read_text(path));
  std::vector<json> lines;
  for (std::string line; std::getline(text, line);) lines.push_back(json::parse(line));
  return lines;
}

std::vector<std::vector<std::string>> read_csv(const fs::path& path) {
  std::istringstream text(read_text(path));
  std::vector<std::vector<std::string>> rows;
  for (std::string line; std::getline(text, line);) {
    std::istringstream fields(line);
    rows.emplace_back();
    for (std::string field; std::getline(fields, field, ',');) rows.back().push_back(field);
  }
  return rows;
}

Capture read_capture(const fs::path& path) {
  std::string bytes = read_text(path);
  std::uint32_t magic = 0;
  std::memcpy(&magic, bytes.data(), sizeof magic);
  const bool swapped = magic == 0xd4c3b2a1U || magic == 0x4d3cb2a1U;
  const std::uint32_t upright = swapped ? __builtin_bswap32(magic) : magic;
  if (upright != 0xa1b2c3d4U && upright != 0xa1b23c4dU)
    throw std::runtime_error(path.string() + " is no classic pcap");
  const std::int64_t unit_ns = upright == 0xa1b2c3d4U ? 1000 : 1;
  const Reader in(std::move(bytes), swapped);
  Capture capture;
  capture.link = in.u32(20) & 0xffffU;
  for (std::size_t at = 24; at + 16 <= in.size();) {
    const std::int64_t fraction = in.u32(at + 4);
    const std::uint32_t captured = in.u32(at + 8);
    if (fraction * unit_ns < 1'000'000'000) {
      const char* data = in.at(at + 16);
      capture.frames.push_back({in.u32(at) * std::int64_t{1'000'000'000} + fraction * unit_ns,
                                in.u32(at + 12),
                                {data, data + captured}});
    }
    at += 16 + captured;
  }
  return capture;
}

ModelHandle load_model(const fs::path& path) {
  const std::string bytes = read_text(path);
  rs_model* model = nullptr;
  rs_error error{};
  if (rs_model_load(&model, bytes.data(), bytes.size(), &error) != RS_OK) {
    throw std::runtime_error(path.string() + ": " + error.message);
  }
  return ModelHandle(model);
}

ClassifierHandle make_classifier(const rs_model* model, const rs_options& options) {
  rs_classifier* classifier = nullptr;
  rs_error error{};
  if (rs_classifier_create(&classifier, model, &options, &error) != RS_OK)
    throw std::runtime_error(error.message);
  return ClassifierHandle(classifier);
}

void require_ok(rs_status status, const std::string& what) {
  if (status != RS_OK) throw std::runtime_error(what + ": " + rs_status_name(status));
}

void add_capture(rs_classifier* classifier, const Capture& capture) {
  std::vector<rs_frame> frames;
  for (const Frame& frame : capture.frames) {
    frames.push_back({frame.time_ns, frame.bytes.data(), static_cast<std::uint32_t>(frame.bytes.size()),
                      frame.wire_bytes});
  }
  require_ok(rs_add_frames(classifier, capture.link, frames.data(), frames.size()), "rs_add_frames");
  require_ok(rs_classifier_finish(classifier), "rs_classifier_finish");
}

}  // namespace conformance
