// Writes the seed corpora of the packet, pcap, pcapng and npz fuzzers from the tests' own packets and files:
//   packet_seeds fuzz/corpus
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "npz_builder.h"
#include "packet/packet_cases.h"

namespace {

namespace fs = std::filesystem;
using namespace reelsense;                   // NOLINT: a tool of the tests
using namespace reelsense::ingest::testing;  // NOLINT
using Cases = std::vector<reelsense::testing::Case>;

void write(const fs::path& folder, const std::string& name, const Bytes& bytes) {
  fs::create_directories(folder);
  std::ofstream(folder / name, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

// Positions in packet_fuzz.cc's list.
std::uint8_t selector(LinkType link) {
  const std::vector<LinkType> links = {LinkType::kEthernet,  LinkType::kNull,     LinkType::kPpp,
                                       LinkType::kRawDlt12,  LinkType::kRawDlt14, LinkType::kRaw,
                                       LinkType::kCiscoHdlc, LinkType::kLoop,     LinkType::kLinuxCooked,
                                       LinkType::kIpv4,      LinkType::kIpv6,     LinkType::kLinuxCooked2};
  for (std::size_t i = 0; i < links.size(); ++i) {
    if (links[i] == link) return static_cast<std::uint8_t>(i);
  }
  return 0;
}

void packet_seeds(const fs::path& folder, const Cases& cases) {
  for (const auto& c : cases) {
    Bytes head = c.bytes;
    head.resize(head.size() - 90);  // the payload teaches nothing
    write(folder, c.name, Writer().u8(selector(c.link)).u8(12).raw(head).bytes);
  }
  using namespace reelsense::testing;  // NOLINT
  const auto raw = [&](const char* name, const Bytes& bytes) {
    write(folder, name, Writer().u8(5).u8(0).raw(bytes).bytes);
  };
  raw("FragmentFirst4", ipv4(kProtocolTcp, tcp(4), kClient, kServer, {}, 0x2000));
  raw("FragmentLater4", ipv4(kProtocolTcp, tcp(4), kClient, kServer, {}, 0x0010));
  raw("Fragment6", ipv6(44, join({fragment_header(kProtocolTcp, 0, true, 9), tcp(4)})));
  raw("Chain6", ipv6(0, join({options_header(43),
                              options_header(60, 1),
                              options_header(51),
                              {kProtocolTcp, 4},
                              zeros(22),
                              tcp(4)})));
  raw("Udp", ipv4(kProtocolUdp, udp(5000, 443, {1, 2, 3})));
  raw("Sctp", ipv4(kProtocolSctp, join({be16(1), be16(2), zeros(8)})));
  raw("Dccp", ipv4(33, join({be16(1), be16(2), {4, 0, 0, 0}, zeros(8)})));
  raw("Options4", ipv4(kProtocolTcp, tcp(4, kTcpSyn, 12), kClient, kServer, zeros(8)));
}

void capture_seeds(const fs::path& root, const Cases& cases) {
  std::uint32_t variant = 0;
  for (const std::uint32_t magic : {0xa1b2c3d4U, 0xa1b23c4dU, 0xa1b2cd34U}) {
    for (const bool big : {false, true}) {
      ClassicFile file(1, big, magic, 96);
      PcapngFile next(big);
      next.interface(1, next.resolution(variant % 2 == 0 ? 9 : 0x8a)).interface(101, next.offset(-3));
      for (std::size_t i = 0; i < 5; ++i) {
        Bytes bytes = cases[i].bytes;
        bytes.resize(60);
        const auto wire = static_cast<std::uint32_t>(cases[i].bytes.size());
        file.header(kStart + variant, 5, 60, wire);
        if (magic == 0xa1b2cd34U) file.raw(Bytes(8, 0));
        file.raw(bytes);
        next.enhanced(i % 2, std::uint64_t{kStart} * 1'000'000'000, static_cast<std::uint8_t>(i));
      }
      next.block(3, Writer(big).u32(40).raw(Bytes(40, 1)).bytes).block(2, Bytes(40, 0)).block(4, Bytes(8, 0));
      const std::string name = "variant" + std::to_string(variant++);
      write(root / "pcap", name, file.bytes);
      write(root / "pcapng", name, next.bytes);
      write(root / "pcap", name + "_bad_length",
            file.header(kStart, 0, 0x7fffffff, 60).raw(file.bytes).bytes);
      write(root / "pcapng", name + "_bad_length",
            Writer().raw(next.u32(6).u32(0x7fffffff).bytes).raw(next.bytes).bytes);
    }
  }
}

void npz_seeds(const fs::path& folder) {
  for (const ZipKind kind : {ZipKind::kStored, ZipKind::kDeflate, ZipKind::kZip64}) {
    ZipFile file(kind);
    file.add("off.npy", npy("<i8", "(3,)", Writer().u64(0).u64(2).u64(3).bytes));
    file.add("t_us.npy", npy("<u4", "(3,)", Writer().u32(0).u32(70000).u32(5).bytes));
    file.add("size.npy", npy("<u2", "(3,)", Writer().u16(60).u16(1500).u16(99).bytes));
    file.add("up.npy", npy("|b1", "(3,)", {1, 0, 1}));
    file.add("label.npy", npy_strings({U"video", U"non-video"}, 9));
    file.add("flow.npy", npy_strings({U"\u20ac\U0001f3ac", U""}, 2));
    write(folder, "variant" + std::to_string(static_cast<int>(kind)), file.bytes());
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: packet_seeds FOLDER\n");
    return 2;
  }
  const fs::path root = argv[1];
  const Cases cases = reelsense::testing::all_cases();
  packet_seeds(root / "packet", cases);
  capture_seeds(root, cases);
  npz_seeds(root / "npz");
  return 0;
}
