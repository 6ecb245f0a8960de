// What the data path is held against: programs that do part of the work and nothing else, over the same file.
//
//   datapath_limits walk|flows|windows|libpcap FILE.pcap
//
//   walk     map the file and step from record to record
//   flows    + parse_packet, and a flow table that keeps last time, packets and bytes
//   windows  + one count of packets and bytes per flow and second, closed at each second's end
//   libpcap  pcap_next_ex over the file, doing nothing
//
// Prints what it saw as JSON, so that nobody can time a program that skipped work. Only little-endian µs pcap
// with an Ethernet link, as generate_access_link writes it.
#include <fcntl.h>
#include <pcap/pcap.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>

#include "reelsense/packet/packet.h"

namespace reelsense::bench {
namespace {

constexpr std::size_t kFileHeader = 24;
constexpr std::size_t kRecordHeader = 16;
constexpr std::uint32_t kMaxFlows = 131'072;  // as the classifier's default
constexpr std::size_t kBatch = 64;            // the best of 32, 64

struct Seen {
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
  std::uint64_t flows = 0;
  std::uint64_t windows = 0;
};

class Mapping {
 public:
  explicit Mapping(const char* path) {
    const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
    struct stat info {};
    if (fd < 0 || ::fstat(fd, &info) != 0) return;
    size_ = static_cast<std::size_t>(info.st_size);
    void* base = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd, 0);
    ::close(fd);
    if (base == MAP_FAILED) return;
    (void)::madvise(base, size_, MADV_SEQUENTIAL);
    base_ = static_cast<const std::uint8_t*>(base);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() {
    if (base_ != nullptr) ::munmap(const_cast<std::uint8_t*>(base_), size_);
  }
  [[nodiscard]] bool ok() const noexcept { return base_ != nullptr && size_ >= kFileHeader; }
  [[nodiscard]] const std::uint8_t* begin() const noexcept { return base_ + kFileHeader; }
  [[nodiscard]] const std::uint8_t* end() const noexcept { return base_ + size_; }

 private:
  const std::uint8_t* base_ = nullptr;
  std::size_t size_ = 0;
};

struct RecordHeader {
  std::uint32_t seconds;
  std::uint32_t micros;
  std::uint32_t captured;
  std::uint32_t wire;
};

// The record at `p`, or false at the end.
inline bool read_record(const std::uint8_t* p, const std::uint8_t* end, RecordHeader& out) noexcept {
  if (static_cast<std::size_t>(end - p) < kRecordHeader) return false;
  std::memcpy(&out, p, sizeof out);
  return static_cast<std::size_t>(end - p) - kRecordHeader >= out.captured;
}

Seen walk(const Mapping& file) {
  Seen seen;
  RecordHeader record{};
  for (const std::uint8_t* p = file.begin(); read_record(p, file.end(), record);
       p += kRecordHeader + record.captured) {
    ++seen.packets;
    seen.bytes += record.wire;
  }
  return seen;
}

// ---------------------------------------------------------------- flow table

// Both directions give one key: the smaller (address, port) end first.
struct Key {
  std::array<std::uint64_t, 4> addresses;
  std::uint64_t rest;  // ports, protocol, version
  friend bool operator==(const Key&, const Key&) = default;
};

struct alignas(64) Flow {  // one cache line
  Key key;
  std::uint32_t hash;  // 0: the place is empty
  std::uint32_t packets;
  std::uint64_t bytes;
  std::int64_t last_ns;
};
static_assert(sizeof(Flow) == 64);

struct Window {
  std::uint32_t packets;
  std::uint32_t bytes;
};

struct Keyed {
  Key key;
  std::uint32_t hash;
};

__extension__ using Uint128 = unsigned __int128;

inline std::uint64_t mix(std::uint64_t a, std::uint64_t b) noexcept {
  const Uint128 product = static_cast<Uint128>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

inline Keyed key_of(const ParsedPacket& packet) noexcept {
  std::uint64_t s[2];
  std::uint64_t d[2];
  std::memcpy(s, packet.source.data(), sizeof s);
  std::memcpy(d, packet.destination.data(), sizeof d);
  // Any order will do for a key, so the bytes are compared as they lie.
  const bool swap = s[1] != d[1]   ? s[1] > d[1]
                    : s[0] != d[0] ? s[0] > d[0]
                                   : packet.source_port > packet.destination_port;
  const std::uint64_t low = swap ? packet.destination_port : packet.source_port;
  const std::uint64_t high = swap ? packet.source_port : packet.destination_port;
  Keyed keyed;
  keyed.key.addresses = {swap ? d[0] : s[0], swap ? d[1] : s[1], swap ? s[0] : d[0], swap ? s[1] : d[1]};
  keyed.key.rest = low << 32 | high << 16 | std::uint64_t{packet.protocol} << 8 | packet.ip_version;
  const auto& a = keyed.key.addresses;
  const std::uint64_t hash =
      mix(mix(a[0] ^ a[3] ^ 0x9e3779b97f4a7c15ULL, a[1] ^ 0xd1b54a32d192ed03ULL) ^ keyed.key.rest,
          a[2] ^ (a[3] << 1) ^ 0x8ebc6af09c88c6e3ULL);
  keyed.hash = static_cast<std::uint32_t>(hash ^ hash >> 32) | 1U;
  return keyed;
}

// Open addressing with linear probing over the flows themselves, half full at most: one cache line a packet.
class Table {
 public:
  static constexpr std::uint32_t kPlaces = kMaxFlows * 2;

  Table() {
    void* memory = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    flows_ = memory == MAP_FAILED ? nullptr : static_cast<Flow*>(memory);
    (void)::madvise(memory, kBytes, MADV_HUGEPAGE);
  }
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;
  ~Table() { ::munmap(flows_, kBytes); }

  [[nodiscard]] bool ok() const noexcept { return flows_ != nullptr; }
  void prefetch(std::uint32_t hash) const noexcept {
    __builtin_prefetch(&flows_[hash >> 1 & (kPlaces - 1)], 1);
  }

  // The place of the flow, taken for it when it is new; kPlaces when the table is full.
  std::uint32_t find_or_insert(const Keyed& keyed) noexcept {
    for (std::uint32_t at = keyed.hash >> 1 & (kPlaces - 1);; at = (at + 1) & (kPlaces - 1)) {
      Flow& flow = flows_[at];
      if (flow.hash == keyed.hash && flow.key == keyed.key) return at;
      if (flow.hash != 0) continue;
      if (size_ == kMaxFlows) return kPlaces;
      ++size_;
      flow.key = keyed.key;
      flow.hash = keyed.hash;
      return at;
    }
  }
  Flow& operator[](std::uint32_t place) noexcept { return flows_[place]; }
  [[nodiscard]] std::uint32_t size() const noexcept { return size_; }

 private:
  static constexpr std::size_t kBytes = kPlaces * sizeof(Flow);
  Flow* flows_;
  std::uint32_t size_ = 0;
};

// Windows of the open second: a list of the flows that have one, closed together.
class Windows {
 public:
  Windows()
      : windows_(std::make_unique<Window[]>(Table::kPlaces)),
        active_(std::make_unique_for_overwrite<std::uint32_t[]>(kMaxFlows)) {}

  void prefetch(std::uint32_t hash) const noexcept {
    __builtin_prefetch(&windows_[hash >> 1 & (Table::kPlaces - 1)], 1);
  }
  void add(std::uint32_t place, const ParsedPacket& packet, Seen& seen) noexcept {
    if (packet.time_ns >= end_ns_) {
      close(seen);
      end_ns_ = packet.time_ns / 1'000'000'000 * 1'000'000'000 + 1'000'000'000;
    }
    Window& window = windows_[place];
    if (window.packets == 0) active_[active_count_++] = place;
    ++window.packets;
    window.bytes += packet.wire_bytes;
  }
  void close(Seen& seen) noexcept {
    for (std::uint32_t i = 0; i < active_count_; ++i) {
      Window& window = windows_[active_[i]];
      closed_bytes_ += window.bytes;
      window = {};
    }
    seen.windows += active_count_;
    active_count_ = 0;
  }
  [[nodiscard]] std::uint64_t closed_bytes() const noexcept { return closed_bytes_; }

 private:
  std::unique_ptr<Window[]> windows_;  // by place in the table
  std::unique_ptr<std::uint32_t[]> active_;
  std::uint32_t active_count_ = 0;
  std::int64_t end_ns_ = 0;
  std::uint64_t closed_bytes_ = 0;
};

// Parses up to kBatch packets from `p` on and asks for their flows' cache lines.
template <bool kWindowed>
std::size_t fill_batch(const std::uint8_t*& p, const std::uint8_t* end, const Table& table,
                       const Windows& windows, std::array<ParsedPacket, kBatch>& packets,
                       std::array<Keyed, kBatch>& keys) noexcept {
  std::size_t n = 0;
  RecordHeader record{};
  while (n < kBatch && read_record(p, end, record)) {
    const std::uint8_t* data = p + kRecordHeader;
    p = data + record.captured;
    if (parse_packet(LinkType::kEthernet, {data, record.captured}, record.wire, packets[n]) !=
        DropReason::kNone) {
      continue;
    }
    packets[n].time_ns = std::int64_t{record.seconds} * 1'000'000'000 + std::int64_t{record.micros} * 1000;
    keys[n] = key_of(packets[n]);
    table.prefetch(keys[n].hash);
    if constexpr (kWindowed) windows.prefetch(keys[n].hash);
    ++n;
  }
  return n;
}

template <bool kWindowed>
bool follow_flows(const Mapping& file, Seen& seen) {
  Table table;
  Windows windows;
  if (!table.ok()) return false;
  std::array<ParsedPacket, kBatch> packets;
  std::array<Keyed, kBatch> keys;
  const std::uint8_t* p = file.begin();
  while (const std::size_t n = fill_batch<kWindowed>(p, file.end(), table, windows, packets, keys)) {
    for (std::size_t i = 0; i < n; ++i) {
      const std::uint32_t place = table.find_or_insert(keys[i]);
      if (place == Table::kPlaces) return false;
      Flow& flow = table[place];
      ++flow.packets;
      flow.bytes += packets[i].wire_bytes;
      flow.last_ns = packets[i].time_ns;
      if constexpr (kWindowed) windows.add(place, packets[i], seen);
    }
  }
  seen.flows = table.size();
  for (std::uint32_t place = 0; place < Table::kPlaces; ++place) {
    seen.packets += table[place].packets;
    seen.bytes += table[place].bytes;
  }
  if constexpr (kWindowed) {
    windows.close(seen);
    return windows.closed_bytes() == seen.bytes;
  }
  return true;
}

bool use_libpcap(const char* path, Seen& seen) {
  char error[PCAP_ERRBUF_SIZE];
  pcap_t* capture = pcap_open_offline(path, error);
  if (capture == nullptr) return false;
  pcap_pkthdr* header = nullptr;
  const std::uint8_t* data = nullptr;
  int status = 0;
  while ((status = pcap_next_ex(capture, &header, &data)) == 1) {
    ++seen.packets;
    seen.bytes += header->len;
  }
  pcap_close(capture);
  return status == PCAP_ERROR_BREAK;  // the end of the file
}

int run(std::string_view what, const char* path) {
  Seen seen;
  bool ok = false;
  if (what == "libpcap") {
    ok = use_libpcap(path, seen);
  } else if (const Mapping file(path); file.ok()) {
    if (what == "walk") {
      seen = walk(file);
      ok = true;
    } else if (what == "flows") {
      ok = follow_flows<false>(file, seen);
    } else if (what == "windows") {
      ok = follow_flows<true>(file, seen);
    }
  }
  if (!ok) {
    std::fprintf(stderr, "usage: datapath_limits walk|flows|windows|libpcap FILE.pcap\n");
    return 2;
  }
  std::printf("{\"packets\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"flows\": %" PRIu64
              ", \"windows\": %" PRIu64 "}\n",
              seen.packets, seen.bytes, seen.flows, seen.windows);
  return 0;
}

}  // namespace
}  // namespace reelsense::bench

int main(int argc, char** argv) {
  return reelsense::bench::run(argc == 3 ? argv[1] : "", argc == 3 ? argv[2] : "");
}
