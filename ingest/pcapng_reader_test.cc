#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "capture_builder.h"
#include "pcapng_time.h"

namespace reelsense::ingest {
namespace {

using namespace testing;  // NOLINT: the builder is made for these tests
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::int64_t kNanos = 1'000'000'000;

TEST(PcapngReader, BothByteOrders_GiveTheSameRecords) {
  for (const bool big : {false, true}) {
    const Seen seen = read_bytes(PcapngFile(big).interface(1).enhanced(0, 1).enhanced(0, 2).bytes);
    EXPECT_THAT(seen.fills, ElementsAre(1, 2));
    EXPECT_THAT(seen.times, ElementsAre((kStart + 1) * kNanos, (kStart + 2) * kNanos));
    EXPECT_THAT(seen.wire, ElementsAre(1000, 1000));
    EXPECT_EQ(seen.description, std::string("pcapng, ") + (big ? "big" : "little") + "-endian, Ethernet");
  }
}

TEST(PcapngReader, SectionsOfBothByteOrders_HaveTheirOwnInterfaces) {
  const Bytes first = PcapngFile(false).interface(1).enhanced(0, 1).bytes;
  const Bytes second = PcapngFile(true).interface(101).enhanced(0, 2).enhanced(1, 3).bytes;
  const Seen seen = read_bytes(Writer().raw(first).raw(second).bytes);
  EXPECT_THAT(seen.fills, ElementsAre(1, 2));
  EXPECT_THAT(seen.links, ElementsAre(LinkType::kEthernet, LinkType::kRaw));
  EXPECT_EQ(skipped(seen.status, SkipReason::kLinkType), 1U);  // that section has no interface 1
}

TEST(PcapngReader, EachResolution_ScalesToNanoseconds) {
  struct Row {
    std::uint8_t resolution;
    std::uint64_t units;
    std::int64_t ns;
  };
  const std::uint64_t s = kStart;
  const std::int64_t ns = std::int64_t{kStart} * kNanos;
  for (const Row& row :
       {Row{0, s, ns}, Row{3, s * 1000 + 7, ns + 7'000'000}, Row{6, s * 1'000'000 + 7, ns + 7000},
        Row{9, s * 1'000'000'000 + 7, ns + 7}, Row{10, s * 10'000'000'000 + 77, ns + 7}, Row{0x80, s, ns},
        Row{0x81, s * 2 + 1, ns + 500'000'000}, Row{0x80 | 32, (s << 32) | 0x80000000, ns + 500'000'000}}) {
    PcapngFile file;
    file.interface(1, file.resolution(row.resolution)).enhanced(0, row.units, 1);
    EXPECT_THAT(read_bytes(file.bytes).times, ElementsAre(row.ns)) << int{row.resolution};
  }
}

TEST(PcapngReader, TimeOffset_IsAdded) {
  PcapngFile file;
  file.interface(1, file.offset(kStart)).enhanced(0, 5'000'000, 1);
  file.interface(1, file.offset(-5)).enhanced(1, 6'000'000, 2).enhanced(1, 4'000'000, 3);
  const Seen seen = read_bytes(file.bytes);
  EXPECT_THAT(seen.times, ElementsAre((std::int64_t{kStart} + 5) * kNanos, 1 * kNanos));
  EXPECT_EQ(skipped(seen.status, SkipReason::kBadTimestamp), 1U);
}

TEST(PcapngReader, AbsurdTimestamp_IsCountedAndTheRestGoesOn) {
  PcapngFile file;
  file.interface(1).interface(1, file.resolution(20)).interface(1, file.offset(INT64_MIN));
  file.enhanced(0, ~std::uint64_t{0}, 1).enhanced(1, 5, 2).enhanced(2, 5, 3).enhanced(0, 4);
  const Seen seen = read_bytes(file.bytes);
  EXPECT_THAT(seen.fills, ElementsAre(4));
  EXPECT_EQ(skipped(seen.status, SkipReason::kBadTimestamp), 3U);
}

TEST(TimeScale, AroundTheYearsAccepted_IsExact) {
  const auto last = static_cast<std::uint64_t>(kLatestTimeNs);
  EXPECT_EQ(TimeScale(9, 0).to_ns(last), kLatestTimeNs);
  EXPECT_EQ(TimeScale(9, 0).to_ns(last + 1), std::nullopt);
  EXPECT_EQ(TimeScale(9, 1).to_ns(last), std::nullopt);
  EXPECT_EQ(TimeScale(9, -1).to_ns(last + 1'000'000'000), kLatestTimeNs);
  EXPECT_EQ(TimeScale(9, -1).to_ns(999'999'999), std::nullopt);
  EXPECT_EQ(TimeScale(9, -1).to_ns(1'000'000'000), 0);
  EXPECT_EQ(TimeScale(19, 0).to_ns(15'000'000'000'000'000'000U), 1'500'000'000);
  EXPECT_EQ(TimeScale(0x80 | 63, 0).to_ns(std::uint64_t{3} << 62), 1'500'000'000);
  EXPECT_EQ(TimeScale(0x80 | 64, 0).to_ns(1), std::nullopt);
}

TEST(PcapngReader, SimplePacket_TakesTheTimeBefore) {
  PcapngFile file;
  const Bytes simple = Writer().u32(100).raw(Bytes(64, 8)).bytes;
  const Bytes all = Writer().u32(8).raw(Bytes(8, 9)).bytes;
  const Seen seen = read_bytes(file.interface(1, {}, 64).enhanced(0, 1).block(3, simple).block(3, all).bytes);
  EXPECT_THAT(seen.fills, ElementsAre(1, 8, 9));
  EXPECT_THAT(seen.captured, ElementsAre(60, 64, 8));
  EXPECT_THAT(seen.wire, ElementsAre(1000, 100, 8));
  EXPECT_EQ(seen.times[1], seen.times[0]);
}

TEST(PcapngReader, ObsoletePacket_IsRead) {
  const std::uint64_t units = std::uint64_t{kStart} * 1'000'000;
  const Bytes body =
      Writer().u16(0).u16(3).u32(units >> 32).u32(units & 0xffffffff).u32(5).u32(90).raw(Bytes(5, 6)).bytes;
  const Seen seen = read_bytes(PcapngFile().interface(1).block(2, body).bytes);
  EXPECT_THAT(seen.fills, ElementsAre(6));
  EXPECT_THAT(seen.times, ElementsAre(std::int64_t{kStart} * kNanos));
}

TEST(PcapngReader, OtherBlocks_ArePassed) {
  PcapngFile file;
  file.block(0x0bad, Bytes(40, 1)).interface(1).block(4, Bytes(12, 0)).enhanced(0, 1).block(5, Bytes(12, 0));
  EXPECT_THAT(read_bytes(file.enhanced(0, 2).bytes).fills, ElementsAre(1, 2));
}

TEST(PcapngReader, UnsupportedInterface_IsCountedAndTheRestGoesOn) {
  const Seen seen = read_bytes(PcapngFile().interface(147).interface(1).enhanced(0, 1).enhanced(1, 2).bytes);
  EXPECT_THAT(seen.fills, ElementsAre(2));
  EXPECT_EQ(skipped(seen.status, SkipReason::kLinkType), 1U);
  const Seen none = read_bytes(PcapngFile().interface(147).enhanced(0, 1).bytes);
  EXPECT_TRUE(none.fills.empty());
  EXPECT_EQ(skipped(none.status, SkipReason::kLinkType), 1U);
  EXPECT_FALSE(none.status.damage);
}

TEST(PcapngReader, CapturedLengthBeyondTheBlock_IsCountedAndTheRestGoesOn) {
  PcapngFile file;
  file.interface(1).enhanced(0, 1);
  const Bytes body = Writer().u32(0).u32(0).u32(0).u32(5000).u32(5000).raw(Bytes(60, 9)).bytes;
  const Seen seen = read_bytes(file.block(6, body).block(6, Bytes(16, 0)).enhanced(0, 2).bytes);
  EXPECT_THAT(seen.fills, ElementsAre(1, 2));
  EXPECT_EQ(skipped(seen.status, SkipReason::kBadLength), 2U);
}

TEST(PcapngReader, BadBlockLength_IsCountedAndTheRestGoesOn) {
  for (const std::uint32_t length : {0U, 8U, 33U, 90000U, 0x7ffffffcU, 0xffffffffU}) {
    PcapngFile file;
    file.interface(1).enhanced(0, 1).u32(6).u32(length).raw(Bytes(80, 9)).u32(92);
    const Seen seen = read_bytes(file.enhanced(0, 2).enhanced(0, 3).bytes);
    EXPECT_THAT(seen.fills, ElementsAre(1, 2, 3)) << length;
    EXPECT_EQ(skipped(seen.status, SkipReason::kBadLength), 1U) << length;
    EXPECT_FALSE(seen.status.truncated_at);
  }
}

TEST(PcapngReader, LengthsThatDisagree_AreCounted) {
  PcapngFile file;
  file.interface(1).enhanced(0, 1).u32(6).u32(92).raw(Bytes(80, 9)).u32(88);
  const Seen seen = read_bytes(file.enhanced(0, 2).bytes);
  EXPECT_THAT(seen.fills, ElementsAre(1, 2));
  EXPECT_EQ(skipped(seen.status, SkipReason::kBadLength), 1U);
}

TEST(PcapngReader, CutAtEveryByte_WholeRecordsAndTheOffset) {
  const std::size_t first = PcapngFile().interface(1).bytes.size();
  const Bytes whole = PcapngFile().interface(1).enhanced(0, 1).enhanced(0, 2).bytes;
  constexpr std::size_t kRecord = 92;
  for (std::size_t n = first; n <= whole.size(); ++n) {
    const Seen seen = read_bytes(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n)));
    const std::size_t records = (n - first) / kRecord;
    EXPECT_EQ(seen.fills.size(), records) << n;
    ASSERT_EQ(seen.status.truncated_at.has_value(), (n - first) % kRecord != 0) << n;
    if (seen.status.truncated_at) {
      EXPECT_EQ(*seen.status.truncated_at, first + records * kRecord) << n;
    }
  }
}

TEST(PcapngReader, BadSectionHeader_IsRefused) {
  const Bytes whole = PcapngFile().bytes;
  for (std::size_t n = 4; n < whole.size(); ++n) {
    const Error error = open_error(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n)));
    EXPECT_EQ(error.code, ErrorCode::kCorrupt) << n;
    EXPECT_THAT(error.message, HasSubstr("cut short")) << n;
  }
  Bytes no_order = whole;
  no_order[8] = 0;
  EXPECT_THAT(open_error(no_order).message, HasSubstr("byte-order magic"));
  Bytes version = whole;
  version[12] = 9;
  EXPECT_EQ(open_error(version).code, ErrorCode::kUnsupported);
}

TEST(PcapngReader, Filter_IsCompiledForEachLinkType) {
  PcapngFile file;
  file.interface(1).interface(101).enhanced(0, 1).enhanced(1, 0x45);
  const Seen seen = read_bytes(file.bytes, {"ip"});
  EXPECT_THAT(seen.fills, ElementsAre(0x45));
  EXPECT_EQ(skipped(seen.status, SkipReason::kFiltered), 1U);
}

TEST(PcapngReader, FilterThatNeverCompiles_IsRefused) {
  EXPECT_EQ(open_error(PcapngFile().interface(1).bytes, {"tcp prot"}).code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(open_error(PcapngFile().bytes, {"tcp prot"}).code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace reelsense::ingest
