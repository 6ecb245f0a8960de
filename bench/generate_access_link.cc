// Writes the generated access-link capture (classic pcap, µs, snap length 96) and its truth beside it. A file
// that was made with the same parameters is kept.
//
//   generate_access_link [--packets N] [--flows N] [--seconds N] [--seed N] [--snap N] [FILE.pcap]
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "frame.h"
#include "traffic.h"

namespace reelsense::bench {
namespace {

constexpr std::uint32_t kStartSecond = 1'700'000'000;

struct Arguments {
  TrafficOptions traffic;
  std::uint32_t snap_length = 96;
  std::string path = "build/bench/access-link.pcap";
};

// What every tool that reads the file can be held to.
struct Truth {
  std::uint64_t ip_bytes = 0;
  std::uint64_t windows = 0;  // (flow, second) pairs with packets
  std::uint64_t ipv6_packets = 0, tcp_packets = 0, vlan_packets = 0, up_packets = 0;
  std::uint64_t ipv6_flows = 0;
  std::uint64_t median_flow_packets = 0;
  std::uint64_t short_flows = 0;              // shorter than 2 s
  std::uint64_t largest_percent_packets = 0;  // of the largest 1 % of the flows
  std::uint64_t file_bytes = 24;
  std::vector<std::uint64_t> class_packets =
      std::vector<std::uint64_t>(static_cast<std::size_t>(FlowClass::kCount));
};

bool parse_arguments(int argc, char** argv, Arguments& out) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (!name.starts_with("--")) {
      out.path = name;
      continue;
    }
    char* end = nullptr;
    const std::uint64_t value = i + 1 < argc ? std::strtoull(argv[++i], &end, 10) : 0;
    if (end == nullptr || *end != '\0' || value == 0) return false;
    if (name == "--packets") {
      out.traffic.packets = value;
    } else if (name == "--flows" && value <= 50'000'000) {
      out.traffic.flows = static_cast<std::uint32_t>(value);
    } else if (name == "--seconds" && value <= 4000) {
      out.traffic.seconds = static_cast<std::uint32_t>(value);
    } else if (name == "--snap" && value >= 96 && value <= 65535) {
      out.snap_length = static_cast<std::uint32_t>(value);
    } else if (name == "--seed") {
      out.traffic.seed = value;
    } else {
      return false;
    }
  }
  return true;
}

std::string parameters_json(const Arguments& arguments) {
  const TrafficOptions& o = arguments.traffic;
  std::ostringstream text;
  text << "{\"mixture\": " << kMixtureVersion << ", \"packets\": " << o.packets << ", \"flows\": " << o.flows
       << ", \"seconds\": " << o.seconds << ", \"seed\": " << o.seed
       << ", \"snap_length\": " << arguments.snap_length << "}";
  return text.str();
}

std::string truth_path(const std::string& capture) {
  return std::filesystem::path(capture).replace_extension(".truth.json").string();
}

// Whether the capture is there, whole, and made from these parameters.
bool is_current(const Arguments& arguments) {
  const std::string& path = arguments.path;
  std::ifstream file(truth_path(path));
  std::stringstream text;
  text << file.rdbuf();
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  return !error && text.str().find(parameters_json(arguments)) != std::string::npos &&
         text.str().find("\"file_bytes\": " + std::to_string(size) + ",") != std::string::npos;
}

// How heavy the tail is.
void count_sizes(Truth& truth, const Traffic& traffic) {
  struct Extent {
    std::uint64_t packets = 0;
    std::uint32_t first_us = 0, last_us = 0;
  };
  std::vector<Extent> flows(traffic.flows.size());
  for (const TrafficPacket& packet : traffic.packets) {
    Extent& flow = flows[packet.flow];
    if (flow.packets++ == 0) flow.first_us = packet.time_us;
    flow.last_us = packet.time_us;
  }
  for (const Extent& flow : flows) truth.short_flows += flow.last_us - flow.first_us < 2'000'000 ? 1 : 0;
  std::sort(flows.begin(), flows.end(),
            [](const Extent& a, const Extent& b) { return a.packets > b.packets; });
  truth.median_flow_packets = flows[flows.size() / 2].packets;
  for (std::size_t i = 0; i < flows.size() / 100; ++i) truth.largest_percent_packets += flows[i].packets;
}

void count(Truth& truth, const Traffic& traffic) {
  std::vector<std::uint32_t> last_second(traffic.flows.size(), UINT32_MAX);
  for (const TrafficPacket& packet : traffic.packets) {
    const TrafficFlow& flow = traffic.flows[packet.flow];
    const std::uint32_t second = packet.time_us / 1'000'000;
    truth.windows += last_second[packet.flow] != second ? 1 : 0;
    last_second[packet.flow] = second;
    truth.ip_bytes += packet.ip_bytes;
    truth.ipv6_packets += flow.ip_version == 6 ? 1 : 0;
    truth.tcp_packets += flow.protocol == kProtocolTcp ? 1 : 0;
    truth.vlan_packets += flow.vlan != 0 ? 1 : 0;
    truth.up_packets += packet.up ? 1 : 0;
    ++truth.class_packets[static_cast<std::size_t>(flow.flow_class)];
  }
  for (const TrafficFlow& flow : traffic.flows) truth.ipv6_flows += flow.ip_version == 6 ? 1 : 0;
}

std::string truth_json(const Arguments& arguments, const Traffic& traffic, const Truth& truth) {
  std::vector<std::uint64_t> flows(truth.class_packets.size());
  for (const TrafficFlow& flow : traffic.flows) ++flows[static_cast<std::size_t>(flow.flow_class)];
  std::ostringstream text;
  text << "{\n  \"parameters\": " << parameters_json(arguments)
       << ",\n  \"packets\": " << traffic.packets.size() << ",\n  \"flows\": " << traffic.flows.size()
       << ",\n  \"windows\": " << truth.windows << ",\n  \"ip_bytes\": " << truth.ip_bytes
       << ",\n  \"file_bytes\": " << truth.file_bytes
       << ",\n  \"ipv4_packets\": " << traffic.packets.size() - truth.ipv6_packets
       << ",\n  \"ipv6_packets\": " << truth.ipv6_packets << ",\n  \"ipv6_flows\": " << truth.ipv6_flows
       << ",\n  \"tcp_packets\": " << truth.tcp_packets << ",\n  \"vlan_packets\": " << truth.vlan_packets
       << ",\n  \"median_flow_packets\": " << truth.median_flow_packets
       << ",\n  \"flows_shorter_than_2_s\": " << truth.short_flows
       << ",\n  \"packets_of_the_largest_1_percent\": " << truth.largest_percent_packets
       << ",\n  \"up_packets\": " << truth.up_packets << ",\n  \"classes\": {";
  for (std::size_t i = 0; i < flows.size(); ++i) {
    text << (i != 0 ? ",\n" : "\n") << "    \"" << name_of(static_cast<FlowClass>(i))
         << "\": {\"flows\": " << flows[i] << ", \"packets\": " << truth.class_packets[i] << "}";
  }
  text << "\n  }\n}\n";
  return text.str();
}

struct CloseFile {
  void operator()(std::FILE* file) const noexcept { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

template <class Value>
void put_le(std::vector<std::uint8_t>& out, Value value) {
  for (std::size_t i = 0; i < sizeof value; ++i) out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

bool write_capture(const Arguments& arguments, const Traffic& traffic, Truth& truth) {
  constexpr std::size_t kBuffer = std::size_t{1} << 20;
  const File file(std::fopen(arguments.path.c_str(), "wb"));
  if (file == nullptr) return false;
  std::vector<std::uint8_t> buffer;
  buffer.reserve(kBuffer + kLongestFrame + 16);
  put_le(buffer, 0xa1b2c3d4U);
  put_le(buffer, std::uint16_t{2});
  put_le(buffer, std::uint16_t{4});
  put_le(buffer, std::uint64_t{0});
  put_le(buffer, arguments.snap_length);
  put_le(buffer, std::uint32_t{1});  // Ethernet
  FrameWriter frames(traffic.flows);
  for (const TrafficPacket& packet : traffic.packets) {
    const auto whole = frames.write(packet);
    const auto frame = whole.first(std::min<std::size_t>(whole.size(), arguments.snap_length));
    put_le(buffer, kStartSecond + packet.time_us / 1'000'000);
    put_le(buffer, packet.time_us % 1'000'000);
    put_le(buffer, static_cast<std::uint32_t>(frame.size()));
    put_le(buffer, static_cast<std::uint32_t>(whole.size()));
    buffer.insert(buffer.end(), frame.begin(), frame.end());
    truth.file_bytes += 16 + frame.size();
    if (buffer.size() < kBuffer) continue;
    if (std::fwrite(buffer.data(), 1, buffer.size(), file.get()) != buffer.size()) return false;
    buffer.clear();
  }
  return std::fwrite(buffer.data(), 1, buffer.size(), file.get()) == buffer.size() &&
         std::fflush(file.get()) == 0;
}

int run(const Arguments& arguments) {
  const std::string& path = arguments.path;
  if (is_current(arguments)) {
    std::cerr << path << ": kept, made from the same parameters\n";
    return 0;
  }
  const Traffic traffic = make_traffic(arguments.traffic);
  if (traffic.packets.size() != arguments.traffic.packets) {
    std::cerr << "generate_access_link: " << arguments.traffic.packets << " packets are too few for "
              << arguments.traffic.flows << " flows in " << arguments.traffic.seconds << " s\n";
    return 2;
  }
  const auto folder = std::filesystem::path(path).parent_path();
  std::error_code error;
  if (!folder.empty()) std::filesystem::create_directories(folder, error);
  std::filesystem::remove(truth_path(path), error);  // a run that is cut leaves nothing that looks whole
  Truth truth;
  count(truth, traffic);
  count_sizes(truth, traffic);
  if (!write_capture(arguments, traffic, truth)) {
    std::cerr << path << ": " << std::strerror(errno) << "\n";
    return 1;
  }
  std::ofstream(truth_path(path)) << truth_json(arguments, traffic, truth);
  std::cerr << path << ": " << traffic.packets.size() << " packets, " << traffic.flows.size() << " flows, "
            << truth.windows << " windows, " << truth.file_bytes << " bytes\n";
  return 0;
}

}  // namespace
}  // namespace reelsense::bench

int main(int argc, char** argv) {
  reelsense::bench::Arguments arguments;
  if (!reelsense::bench::parse_arguments(argc, argv, arguments)) {
    std::cerr << "usage: generate_access_link [--packets N] [--flows N] [--seconds N] [--seed N] [--snap N] "
                 "[FILE.pcap]\n";
    return 2;
  }
  return reelsense::bench::run(arguments);
}
