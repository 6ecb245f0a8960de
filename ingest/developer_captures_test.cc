// Walks every capture that a developer keeps beside the checkout, when there: no crash, no sanitizer's
// report, and every packet either parsed or dropped for a reason.
#include <gtest/gtest.h>

#include <filesystem>
#include <vector>

#include "reelsense/ingest/capture.h"
#include "reelsense/packet/packet.h"

namespace reelsense::ingest {
namespace {

namespace fs = std::filesystem;

struct Totals {
  std::uint64_t files = 0;
  std::uint64_t refused = 0;
  std::uint64_t records = 0;
  std::uint64_t parsed = 0;
};

void walk(const fs::path& path, Totals& totals) {
  ++totals.files;
  auto reader = open_capture(path);
  if (!reader.ok()) {
    EXPECT_EQ(reader.error().code, ErrorCode::kUnsupported) << reader.error().message;
    ++totals.refused;
    return;
  }
  std::vector<CaptureRecord> records(64);
  std::uint64_t read = 0;
  ParsedPacket packet;
  while (const std::size_t n = reader.value()->read(records)) {
    read += n;
    for (std::size_t i = 0; i < n; ++i) {
      const CaptureRecord& r = records[i];
      const DropReason reason = parse_packet(r.link, {r.data, r.captured_bytes}, r.wire_bytes, packet);
      if (reason != DropReason::kNone) continue;
      ++totals.parsed;
      ASSERT_LE(packet.wire_bytes, r.wire_bytes) << path;
      ASSERT_LE(packet.header_bytes, packet.wire_bytes) << path;
    }
  }
  EXPECT_EQ(reader.value()->status().records, read) << path;
  totals.records += read;
}

TEST(DeveloperCaptures, EveryFile_WalksToItsEnd) {
  const fs::path folder = fs::path(REELSENSE_SOURCE_DIR) / ".." / "shared" / "data" / "pcaps";
  if (!fs::is_directory(folder)) GTEST_SKIP() << "SKIPPED: no ../shared/data/pcaps beside this checkout";
  Totals totals;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const std::string extension = entry.path().extension();
    if (entry.is_regular_file() && extension.starts_with(".pcap")) walk(entry.path(), totals);
  }
  std::printf("%ju files, %ju of them refused, %ju records, %ju parsed\n", std::uintmax_t{totals.files},
              std::uintmax_t{totals.refused}, std::uintmax_t{totals.records}, std::uintmax_t{totals.parsed});
  EXPECT_GT(totals.parsed, 0U);
}

}  // namespace
}  // namespace reelsense::ingest
