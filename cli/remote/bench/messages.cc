#include "cli/remote/bench/messages.h"

#include <cstring>

#include "cli/output/format.h"
#include "reelsense/v1/flow_classifier.pb.h"

namespace reelsense::cli {
namespace {

constexpr std::size_t kNameBytes = 16;

// Tags of the wire format: field number · 8 + wire type. messages_test.cc reads back what is made here.
constexpr char kRequestModel = 0x0a;
constexpr char kRequestWindows = 0x12;
constexpr char kRequestId = 0x20;
constexpr char kWindowFlow = 0x0a;
constexpr char kWindowSecond = 0x10;

void append_varint(std::uint64_t value, std::string& out) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>((value & 0x7f) | 0x80);
  out += static_cast<char>(value);
}

std::size_t varint_bytes(std::uint64_t value) noexcept {
  std::size_t n = 1;
  for (; value >= 0x80; value >>= 7) ++n;
  return n;
}

std::string proto_of(const SampleWindow& window) {
  v1::Window message;
  message.mutable_features()->Add(window.features.begin(), window.features.end());
  message.mutable_bins()->Add(window.bins.begin(), window.bins.end());
  return message.SerializeAsString();
}

std::string json_of(const SampleWindow& window) {
  std::string text = ",\"features\":[";
  char number[kMaxFloatText];
  for (const float value : window.features) {
    text.append(number, put_float(number, value));
    text += ',';
  }
  text.back() = ']';
  text += ",\"bins\":[";
  for (const std::uint32_t value : window.bins) text += std::to_string(value) + ",";
  text.back() = ']';
  return text;
}

std::string hex(const std::string& bytes) {
  std::string text;
  for (const char c : bytes) {
    text += "0123456789abcdef"[static_cast<unsigned char>(c) >> 4];
    text += "0123456789abcdef"[static_cast<unsigned char>(c) & 15U];
  }
  return text;
}

}  // namespace

EncodedSample EncodedSample::of(const TrafficSample& sample, bool as_json) {
  EncodedSample encoded;
  auto& to = as_json ? encoded.json : encoded.proto;
  for (const auto& flow : sample) {
    auto& windows = to.emplace_back();
    for (const SampleWindow& window : flow) windows.push_back(as_json ? json_of(window) : proto_of(window));
  }
  return encoded;
}

VirtualFlows::VirtualFlows(const EncodedSample& sample, std::string run_id, std::uint64_t first,
                           std::size_t count, std::int64_t first_second)
    : sample_(sample), run_id_(std::move(run_id)), first_(first), flows_(count) {
  const std::size_t sources = sample_.proto.empty() ? sample_.json.size() : sample_.proto.size();
  for (std::size_t i = 0; i < count; ++i) {
    flows_[i].second = first_second;
    flows_[i].source = static_cast<std::uint32_t>((first + i) % sources);
  }
}

template <class Each>
void VirtualFlows::for_next(const std::vector<std::vector<std::string>>& windows, std::size_t n, Each each) {
  std::string name = run_id_;
  name.resize(kNameBytes);
  for (std::size_t i = 0; i < n; ++i) {
    Flow& flow = flows_[turn_];
    const std::uint64_t number = first_ + turn_;
    std::memcpy(name.data() + kNameBytes - sizeof number, &number, sizeof number);
    const auto& source = windows[flow.source];
    each(name, flow.second, source[flow.next]);
    ++flow.second;
    flow.next = static_cast<std::uint32_t>((flow.next + 1) % source.size());
    turn_ = (turn_ + 1) % flows_.size();
  }
}

void VirtualFlows::append_proto(std::size_t n, const std::string& model, std::uint64_t request_id,
                                std::string& out) {
  if (!model.empty()) {
    out += kRequestModel;
    append_varint(model.size(), out);
    out += model;
  }
  for_next(sample_.proto, n, [&](const std::string& name, std::int64_t second, const std::string& window) {
    const auto k = static_cast<std::uint64_t>(second);
    out += kRequestWindows;
    append_varint(2 + name.size() + 1 + varint_bytes(k) + window.size(), out);
    out += kWindowFlow;
    append_varint(name.size(), out);
    out += name;
    out += kWindowSecond;
    append_varint(k, out);
    out += window;
  });
  out += kRequestId;
  append_varint(request_id, out);
}

void VirtualFlows::append_json(std::size_t n, const std::string& model, std::string& out) {
  out += '{';
  if (!model.empty()) out += "\"model\":" + json_string(model) + ",";
  out += "\"windows\":[";
  for_next(sample_.json, n, [&](const std::string& name, std::int64_t second, const std::string& window) {
    out += "{\"flow\":\"" + hex(name) + "\",\"second\":" + std::to_string(second);
    out += window;
    out += "},";
  });
  out.back() = ']';
  out += '}';
}

}  // namespace reelsense::cli
