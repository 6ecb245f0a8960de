#include "traffic.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "random.h"

namespace reelsense::bench {
namespace {

constexpr double kSecondUs = 1e6;
constexpr double kWireUs = 12;           // 1500 bytes at 1 Gbit/s: the spacing inside a train of packets
constexpr std::uint32_t kSynOption = 4;  // maximum segment size, beside the timestamps that every segment has
constexpr std::uint8_t kTcpPush = 0x08;

struct ClassShare {
  FlowClass flow_class;
  double share;  // of the flows
};
constexpr std::array<ClassShare, static_cast<std::size_t>(FlowClass::kCount)> kShares = {{
    {FlowClass::kDns, 0.28},
    {FlowClass::kProbe, 0.08},
    {FlowClass::kMessage, 0.09},
    {FlowClass::kFeed, 0.06},
    {FlowClass::kCall, 0.0025},
    {FlowClass::kVideo, 0.005},
    {FlowClass::kDownload, 0.002},
    {FlowClass::kUpload, 0.0005},
    {FlowClass::kBrowse, 1.0},  // the rest
}};

bool is_elephant(FlowClass flow_class) noexcept {
  return flow_class == FlowClass::kVideo || flow_class == FlowClass::kDownload ||
         flow_class == FlowClass::kUpload;
}

// Writes one flow's packets; those beyond its budget or the end of the capture are left out.
class FlowWriter {
 public:
  FlowWriter(std::vector<TrafficPacket>& out, const TrafficFlow& flow, std::uint32_t index, double end_us,
             std::uint64_t budget, Random& random)
      : out_(out), flow_(flow), index_(index), end_us_(end_us), left_(budget), random_(random) {
    rtt_us_ = random.log_normal(12'000, 0.6);
  }

  [[nodiscard]] std::uint64_t left() const noexcept { return left_; }
  [[nodiscard]] double rtt_us() const noexcept { return rtt_us_; }
  [[nodiscard]] bool tcp() const noexcept { return flow_.protocol == kProtocolTcp; }
  [[nodiscard]] std::uint32_t header_bytes() const noexcept {
    return (flow_.ip_version == 4 ? 20U : 40U) + (tcp() ? 32U : 8U);
  }

  // `payload`: bytes behind the transport header.
  void put(double time_us, bool up, std::uint32_t payload, std::uint8_t flags) {
    if (left_ == 0 || time_us >= end_us_ || time_us < 0) return;
    const std::uint32_t size = std::min<std::uint32_t>(payload + header_bytes(), flow_.mtu);
    out_.push_back({static_cast<std::uint32_t>(time_us), index_, static_cast<std::uint16_t>(size), up,
                    tcp() ? flags : std::uint8_t{0}});
    --left_;
  }

  // SYN, SYN-ACK, ACK and hellos; or QUIC's two full-size initials. Returns when the first request can go.
  double open(double t) {
    if (!tcp()) {
      put(t, true, 1200, 0);
      put(t + rtt_us_, false, 1200, 0);
      put(t + rtt_us_ + kWireUs, false, random_.whole(200, 1200), 0);
      return t + 1.5 * rtt_us_;
    }
    put(t, true, kSynOption, kTcpSyn);
    put(t + rtt_us_, false, kSynOption, kTcpSyn | kTcpAck);
    put(t + 1.2 * rtt_us_, true, 0, kTcpAck);
    put(t + 1.3 * rtt_us_, true, random_.whole(250, 600), kTcpAck | kTcpPush);
    put(t + 2.3 * rtt_us_, false, 1460, kTcpAck);
    put(t + 2.3 * rtt_us_ + kWireUs, false, random_.whole(400, 1460), kTcpAck | kTcpPush);
    return t + 2.6 * rtt_us_;
  }

  void close(double t) {
    if (!tcp()) return;
    if (random_.chance(0.1)) {
      put(t, true, 0, kTcpRst);
      return;
    }
    put(t, true, 0, kTcpFin | kTcpAck);
    put(t + rtt_us_, false, 0, kTcpFin | kTcpAck);
    put(t + rtt_us_ + 500, true, 0, kTcpAck);
  }

  void request(double t) { put(t, true, random_.whole(60, 900), kTcpAck | kTcpPush); }

  // `data` full packets in trains at a mean rate (packets a second), acknowledged about every second one.
  // Returns the time of the last one.
  double transfer(double t, std::uint64_t data, double rate, bool up) {
    const std::uint32_t acked_every = tcp() ? 2 : 4;
    while (data != 0 && left_ != 0 && t < end_us_) {
      const auto train =
          std::min<std::uint64_t>(data, 1 + static_cast<std::uint64_t>(random_.exponential(9)));
      const double start = t;
      for (std::uint64_t i = 0; i < train; ++i, --data) {
        put(t, up, data == 1 ? random_.whole(40, 1400) : flow_.mtu, kTcpAck);
        if (++sent_ % acked_every == 0) {
          put(t + 0.3 * rtt_us_ + random_.exponential(300), !up, tcp() ? 0 : 28, kTcpAck);
        }
        t += kWireUs + random_.exponential(2);
      }
      const double pause = static_cast<double>(train) / rate * kSecondUs - (t - start);
      if (data != 0 && pause > 0) t += random_.exponential(pause);
    }
    return t;
  }

 private:
  std::vector<TrafficPacket>& out_;
  const TrafficFlow& flow_;
  std::uint32_t index_;
  double end_us_;
  std::uint64_t left_;
  Random& random_;
  double rtt_us_ = 0;
  std::uint64_t sent_ = 0;
};

// ---------------------------------------------------------------- small flows

void write_dns(FlowWriter& out, Random& random, double t) {
  const std::uint32_t queries = random.chance(0.25) ? 2 : 1;
  for (std::uint32_t i = 0; i < queries; ++i) {
    out.put(t, true, random.whole(30, 60), 0);
    out.put(t + out.rtt_us(), false, random.whole(60, 480), 0);
    t += random.uniform(50, 400);
  }
}

void write_probe(FlowWriter& out, Random& random, double t) {
  if (!out.tcp()) {  // a clock asks for the time
    out.put(t, true, 48, 0);
    out.put(t + out.rtt_us(), false, 48, 0);
    return;
  }
  const std::uint32_t attempts = random.whole(1, 3);
  for (std::uint32_t i = 0; i < attempts; ++i, t += kSecondUs * i) out.put(t, true, kSynOption, kTcpSyn);
}

void write_browse(FlowWriter& out, Random& random, double t) {
  const std::uint32_t objects = random.whole(1, 3);
  t = out.open(t);
  for (std::uint32_t i = 0; i < objects; ++i) {
    out.request(t);
    const auto data = static_cast<std::uint64_t>(random.log_normal(4, 0.9));
    t = out.transfer(t + out.rtt_us(), 1 + data, random.log_normal(2000, 0.8), false);
    t += random.exponential(350'000);
  }
  // Browsers keep every other connection for a while before they close it.
  if (random.chance(0.5)) t += random.exponential(10 * kSecondUs);
  out.close(t);
}

void write_feed(FlowWriter& out, Random& random, double t) {
  const std::uint32_t scrolls = random.whole(3, 12);
  t = out.open(t);
  for (std::uint32_t i = 0; i < scrolls; ++i) {
    out.request(t);
    const auto data = static_cast<std::uint64_t>(random.log_normal(12, 1.0));
    t = out.transfer(t + out.rtt_us(), 1 + data, random.log_normal(3000, 0.7), false);
    t += random.exponential(2 * kSecondUs);
  }
  out.close(t);
}

void write_message(FlowWriter& out, Random& random, double t) {
  const double end = t + random.exponential(40 * kSecondUs);
  t = out.open(t);
  while (t < end) {
    const bool up = random.chance(0.5);
    out.put(t, up, random.whole(40, 400), kTcpAck | kTcpPush);
    out.put(t + 0.3 * out.rtt_us(), !up, out.tcp() ? 0 : 28, kTcpAck);
    t += random.exponential(2 * kSecondUs);
  }
  if (random.chance(0.5)) out.close(t);
}

void write_call(FlowWriter& out, Random& random, double t) {
  const double end = t + random.uniform(20, 80) * kSecondUs;
  const bool pictures = random.chance(0.5);
  for (; t < end && out.left() != 0; t += 20'000) {
    for (const bool up : {true, false}) {
      const double at = t + random.uniform(0, 4000);
      out.put(at, up, random.whole(80, 160), 0);
      const std::uint32_t frame = pictures && random.chance(0.5) ? random.whole(1, 3) : 0;
      for (std::uint32_t i = 0; i < frame; ++i)
        out.put(at + 100 + kWireUs * i, up, random.whole(700, 1150), 0);
    }
  }
}

// ---------------------------------------------------------------- elephants: they use up their budget

// Data packets that, with their acknowledgements, come to `packets`.
std::uint64_t data_share(std::uint64_t packets, bool tcp) noexcept {
  return tcp ? packets * 2 / 3 : packets * 4 / 5;
}

void write_video(FlowWriter& out, Random& random, double t, double end_us) {
  const double interval = random.uniform(2, 6) * kSecondUs;
  const double last = std::max(t + interval, end_us - kSecondUs);
  t = out.open(t);
  const double chunks = std::max(1.0, std::floor((last - t) / interval));
  const double data = static_cast<double>(data_share(out.left(), out.tcp())) / chunks;
  for (double chunk = 0; chunk < chunks && out.left() != 0; ++chunk) {
    const double start = t + chunk * interval + random.uniform(0, 0.1) * interval;
    out.request(start);
    const auto packets = static_cast<std::uint64_t>(data * random.uniform(0.7, 1.3)) + 1;
    const double rate = std::max(4000.0, static_cast<double>(packets) * kSecondUs / (0.6 * interval));
    out.transfer(start + out.rtt_us(), packets, rate, false);
  }
}

void write_bulk(FlowWriter& out, Random& random, double t, double end_us, bool up) {
  t = out.open(t);
  out.request(t);
  const double duration = std::max(0.3 * (end_us - t), kSecondUs) * random.uniform(0.5, 2.5);
  const auto data = static_cast<double>(data_share(out.left(), out.tcp()));
  const double rate = std::max(50.0, data * kSecondUs / std::min(duration, 0.9 * (end_us - t)));
  t = out.transfer(t + out.rtt_us(), out.left(), rate, up);
  if (t < end_us) out.close(t + out.rtt_us());
}

// ---------------------------------------------------------------- who talks

Address ipv4(std::uint32_t value) noexcept {
  Address address{};
  address[10] = address[11] = 0xff;
  for (std::size_t i = 0; i < 4; ++i) address[12 + i] = static_cast<std::uint8_t>(value >> (24 - 8 * i));
  return address;
}

// 2001:db8:network::host, the documentation prefix.
Address ipv6(std::uint32_t network, std::uint64_t host) noexcept {
  Address address{0x20, 0x01, 0x0d, 0xb8};
  for (std::size_t i = 0; i < 4; ++i) address[4 + i] = static_cast<std::uint8_t>(network >> (24 - 8 * i));
  for (std::size_t i = 0; i < 8; ++i) address[8 + i] = static_cast<std::uint8_t>(host >> (56 - 8 * i));
  return address;
}

std::uint16_t server_port_of(FlowClass flow_class, bool tcp, Random& random) noexcept {
  switch (flow_class) {
    case FlowClass::kDns:
      return 53;
    case FlowClass::kProbe:
      return tcp ? static_cast<std::uint16_t>(random.whole(1, 1023)) : std::uint16_t{123};
    case FlowClass::kCall:
      return 3478;
    case FlowClass::kMessage:
      return 5223;
    default:
      return tcp && random.chance(0.1) ? std::uint16_t{80} : std::uint16_t{443};
  }
}

bool is_tcp(FlowClass flow_class, Random& random) noexcept {
  switch (flow_class) {
    case FlowClass::kDns:
    case FlowClass::kCall:
      return false;
    case FlowClass::kMessage:
      return true;
    default:
      return random.chance(0.6);
  }
}

TrafficFlow make_flow(FlowClass flow_class, std::uint32_t subscriber, std::uint32_t port_index,
                      Random& random) {
  TrafficFlow flow;
  flow.flow_class = flow_class;
  const bool tcp = is_tcp(flow_class, random);
  flow.protocol = tcp ? kProtocolTcp : kProtocolUdp;
  flow.ip_version = random.chance(0.3) ? 6 : 4;
  flow.client_port = static_cast<std::uint16_t>(20'000 + port_index);
  flow.server_port = server_port_of(flow_class, tcp, random);
  flow.vlan = subscriber % 10 == 0 ? 100 : 0;
  // A few servers are asked by many.
  const auto server = static_cast<std::uint32_t>(random.pareto(0.7, 20'000));
  if (flow.ip_version == 4) {
    flow.client = ipv4(0x0a000000U + subscriber);
    flow.server = ipv4(0xc6000000U + server * 0x9e37U % 0x00ffffffU);
  } else {
    flow.client = ipv6(0x00010000U + subscriber, 0x021a'11ff'fe00'0000ULL + subscriber);
    flow.server = ipv6(0x0f000000U + server, 1);
  }
  constexpr std::uint16_t kTcpMtu[] = {1500, 1500, 1500, 1492, 1400};
  constexpr std::uint16_t kQuicMtu[] = {1278, 1378, 1480};
  flow.mtu = tcp ? kTcpMtu[random.whole(0, 4)] : kQuicMtu[random.whole(0, 2)];
  return flow;
}

std::vector<TrafficFlow> make_flows(const TrafficOptions& options, Random& random) {
  const std::uint32_t subscribers = std::max(16U, options.flows / 25);
  std::vector<std::uint32_t> ports(subscribers, 0);
  std::vector<TrafficFlow> flows;
  flows.reserve(options.flows);
  for (const ClassShare& share : kShares) {
    auto count = static_cast<std::uint32_t>(std::ceil(share.share * options.flows));
    count = std::min(count, options.flows - static_cast<std::uint32_t>(flows.size()));
    for (std::uint32_t i = 0; i < count; ++i) {
      const std::uint32_t subscriber = random.whole(0, subscribers - 1);
      flows.push_back(make_flow(share.flow_class, subscriber, ports[subscriber]++, random));
    }
  }
  return flows;
}

void write_flow(FlowWriter& out, FlowClass flow_class, double start, double end_us, Random& random) {
  switch (flow_class) {
    case FlowClass::kDns:
      return write_dns(out, random, start);
    case FlowClass::kProbe:
      return write_probe(out, random, start);
    case FlowClass::kFeed:
      return write_feed(out, random, start);
    case FlowClass::kMessage:
      return write_message(out, random, start);
    case FlowClass::kCall:
      return write_call(out, random, start);
    case FlowClass::kVideo:
      return write_video(out, random, start, end_us);
    case FlowClass::kDownload:
      return write_bulk(out, random, start, end_us, false);
    case FlowClass::kUpload:
      return write_bulk(out, random, start, end_us, true);
    default:
      return write_browse(out, random, start);
  }
}

}  // namespace

std::string_view name_of(FlowClass flow_class) noexcept {
  constexpr std::array<std::string_view, static_cast<std::size_t>(FlowClass::kCount)> kNames = {
      "dns", "probe", "browse", "feed", "message", "call", "video", "download", "upload"};
  return kNames[static_cast<std::size_t>(flow_class)];
}

Traffic make_traffic(const TrafficOptions& options) {
  Random random(options.seed);
  Traffic traffic;
  traffic.flows = make_flows(options, random);
  std::vector<TrafficPacket>& packets = traffic.packets;
  packets.reserve(options.packets);
  const double end_us = options.seconds * kSecondUs;

  std::vector<std::uint32_t> elephants;
  for (std::uint32_t i = 0; i < traffic.flows.size(); ++i) {
    const TrafficFlow& flow = traffic.flows[i];
    if (is_elephant(flow.flow_class)) {
      elephants.push_back(i);
      continue;
    }
    FlowWriter out(packets, flow, i, end_us, UINT64_MAX, random);
    write_flow(out, flow.flow_class, random.uniform(0, end_us - 1), end_us, random);
  }

  // What is left is the elephants', by weights with a heavy tail; each has at least 100.
  constexpr std::uint64_t kLeast = 100;
  if (packets.size() + kLeast * elephants.size() > options.packets) {
    return {std::move(traffic.flows), {}};
  }
  const std::uint64_t budget = options.packets - packets.size();
  std::vector<double> weights;
  double total = 0;
  for (std::size_t i = 0; i < elephants.size(); ++i) {
    weights.push_back(random.pareto(1.3, 30));
    total += weights.back();
  }
  const auto shared = static_cast<double>(budget - kLeast * elephants.size());
  for (std::size_t i = 0; i < elephants.size(); ++i) {
    const TrafficFlow& flow = traffic.flows[elephants[i]];
    const auto share = kLeast + static_cast<std::uint64_t>(shared * weights[i] / total);
    FlowWriter out(packets, flow, elephants[i], end_us, share, random);
    write_flow(out, flow.flow_class, random.uniform(0, 0.4) * end_us, end_us, random);
  }

  // Rounding and flows cut by the capture's end leave a few packets: the videos, which stay open, take them
  // evenly.
  std::erase_if(elephants, [&](std::uint32_t i) { return traffic.flows[i].flow_class != FlowClass::kVideo; });
  const std::uint64_t missing = options.packets - packets.size();
  for (std::uint64_t i = 0; i < missing; ++i) {
    const std::uint32_t index = elephants[i % elephants.size()];
    FlowWriter out(packets, traffic.flows[index], index, end_us, 1, random);
    out.put(random.uniform(0.45, 0.9) * end_us, false, 1460, kTcpAck);
  }
  std::stable_sort(packets.begin(), packets.end(),
                   [](const TrafficPacket& a, const TrafficPacket& b) { return a.time_us < b.time_us; });
  return traffic;
}

}  // namespace reelsense::bench
