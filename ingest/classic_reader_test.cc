#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "capture_builder.h"

namespace reelsense::ingest {
namespace {

using namespace testing;  // NOLINT: the builder is made for these tests
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::int64_t kNanos = 1'000'000'000;

TEST(ClassicReader, EachMagicAndByteOrder_GivesTheSameRecords) {
  struct Row {
    std::uint32_t magic;
    bool big;
    std::int64_t scale;
    const char* description;
  };
  for (const Row& row :
       {Row{0xa1b2c3d4, false, 1000, "classic pcap, µs, little-endian, Ethernet, snap length 65535"},
        Row{0xa1b2c3d4, true, 1000, "classic pcap, µs, big-endian, Ethernet, snap length 65535"},
        Row{0xa1b23c4d, false, 1, "classic pcap, ns, little-endian, Ethernet, snap length 65535"},
        Row{0xa1b23c4d, true, 1, "classic pcap, ns, big-endian, Ethernet, snap length 65535"}}) {
    const Seen seen = read_bytes(ClassicFile(1, row.big, row.magic).record(1).record(2, 61, 30).bytes);
    EXPECT_THAT(seen.fills, ElementsAre(1, 2));
    EXPECT_THAT(seen.times,
                ElementsAre((kStart + 1) * kNanos + row.scale, (kStart + 2) * kNanos + 2 * row.scale));
    EXPECT_THAT(seen.captured, ElementsAre(60, 61));
    EXPECT_THAT(seen.wire, ElementsAre(1000, 61));  // never below what was captured
    EXPECT_EQ(seen.description, row.description);
    EXPECT_FALSE(seen.status.truncated_at);
    EXPECT_FALSE(seen.status.damage);
  }
}

TEST(ClassicReader, KuznetzovsRecords_ArePassedWithTheirLongerHeader) {
  ClassicFile file(1, false, 0xa1b2cd34);
  for (const std::uint8_t fill : Bytes{1, 2, 3}) {
    file.header(kStart, 0, 60, 60).raw(Bytes(8, 0)).raw(Bytes(60, fill));
  }
  EXPECT_THAT(read_bytes(file.bytes).fills, ElementsAre(1, 2, 3));
}

TEST(ClassicReader, LinkTypeWithChecksumBits_IsRead) {
  EXPECT_THAT(read_bytes(ClassicFile(0x54000001).record(1).bytes).links, ElementsAre(LinkType::kEthernet));
}

TEST(ClassicReader, NoRecords_IsAnEmptyCapture) {
  const Seen seen = read_bytes(ClassicFile().bytes);
  EXPECT_TRUE(seen.fills.empty());
  EXPECT_FALSE(seen.status.truncated_at);
  EXPECT_FALSE(seen.status.damage);
}

TEST(ClassicReader, EmptyRecord_IsReturned) {
  EXPECT_THAT(read_bytes(ClassicFile().record(1).header(kStart, 0, 0, 70).record(2).bytes).fills,
              ElementsAre(1, -1, 2));
}

TEST(ClassicReader, CutAtEveryByte_WholeRecordsAndTheOffset) {
  const Bytes whole = ClassicFile().record(1).record(2).record(3).bytes;
  constexpr std::size_t kRecord = 76;
  for (std::size_t n = 24; n <= whole.size(); ++n) {
    const Seen seen = read_bytes(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n)));
    const std::size_t records = (n - 24) / kRecord;
    EXPECT_EQ(seen.fills.size(), records) << n;
    const bool cut = (n - 24) % kRecord != 0;
    ASSERT_EQ(seen.status.truncated_at.has_value(), cut) << n;
    if (cut) {
      EXPECT_EQ(*seen.status.truncated_at, 24 + records * kRecord) << n;
    }
    EXPECT_FALSE(seen.status.damage);
    EXPECT_EQ(seen.status.bytes_read, n);
    EXPECT_EQ(seen.status.bytes_total, n);
  }
}

TEST(ClassicReader, LengthAboveTheBound_IsCountedAndTheRestGoesOn) {
  ClassicFile file;
  file.record(1).header(kStart, 5, 0x7fffffff, 60).raw(Bytes(60, 9));
  const Seen seen = read_bytes(file.record(2).record(3).record(4).record(5).bytes);
  EXPECT_THAT(seen.fills, ElementsAre(1, 2, 3, 4, 5));
  EXPECT_EQ(skipped(seen.status, SkipReason::kBadLength), 1U);
  EXPECT_FALSE(seen.status.damage);
  EXPECT_FALSE(seen.status.truncated_at);
}

TEST(ClassicReader, LengthAboveTheBoundBeforeTheLastRecord_IsCounted) {
  ClassicFile file;
  file.record(1).header(kStart, 5, 300000, 60).raw(Bytes(60, 9));
  const Seen seen = read_bytes(file.record(2).bytes);
  EXPECT_THAT(seen.fills, ElementsAre(1, 2));
  EXPECT_EQ(skipped(seen.status, SkipReason::kBadLength), 1U);
}

TEST(ClassicReader, LengthBeyondTheFile_IsCountedAndTheRestGoesOn) {
  ClassicFile file;
  file.record(1).header(kStart, 5, 100000, 100000).raw(Bytes(60, 9));
  const Seen seen = read_bytes(file.record(2).record(3).bytes);
  EXPECT_THAT(seen.fills, ElementsAre(1, 2, 3));
  EXPECT_EQ(skipped(seen.status, SkipReason::kBadLength), 1U);
  EXPECT_FALSE(seen.status.truncated_at);
}

TEST(ClassicReader, SeveralBadLengths_AreEachCounted) {
  ClassicFile file;
  for (std::uint8_t i = 1; i <= 3; ++i) {
    file.record(1).record(2).record(3).record(4).header(kStart, 5, 0xffffffff, 0).raw(Bytes(60, 9));
  }
  const Seen seen = read_bytes(file.record(5).bytes);
  EXPECT_EQ(seen.fills.size(), 13U);
  EXPECT_EQ(skipped(seen.status, SkipReason::kBadLength), 3U);
}

TEST(ClassicReader, NothingPlausibleBehindABadLength_IsDamageWithThePlace) {
  const Bytes bytes = ClassicFile().record(1).header(kStart, 5, 0x7fffffff, 60).raw(Bytes(3000, 0xff)).bytes;
  const Seen seen = read_bytes(bytes);
  EXPECT_THAT(seen.fills, ElementsAre(1));
  EXPECT_EQ(skipped(seen.status, SkipReason::kBadLength), 1U);
  ASSERT_TRUE(seen.status.damage);
  EXPECT_THAT(*seen.status.damage, HasSubstr("byte 100"));
}

TEST(ClassicReader, RecordLongerThanSnapLengthButSane_IsReturned) {
  EXPECT_THAT(read_bytes(ClassicFile(1, false, 0xa1b2c3d4, 96).record(1, 5000, 5000).bytes).captured,
              ElementsAre(5000));
}

TEST(ClassicReader, HugeSnapLength_DoesNotRaiseTheBoundWithoutEnd) {
  ClassicFile file(1, false, 0xa1b2c3d4, 0xffffffff);
  const Seen seen = read_bytes(file.record(1).header(kStart, 5, 0x7fffffff, 60).record(2).record(3).bytes);
  EXPECT_THAT(seen.fills, ElementsAre(1, 2, 3));
}

TEST(ClassicReader, SubSecondPartOutOfRange_IsCountedAndTheRestGoesOn) {
  ClassicFile file;
  const Bytes body(60, 9);
  file.record(1).header(kStart, 1'000'000, 60, 60).raw(body);
  file.header(kStart, 0xffffffff, 60, 60).raw(body);
  const Seen seen = read_bytes(file.record(2).bytes);
  EXPECT_THAT(seen.fills, ElementsAre(1, 2));
  EXPECT_EQ(skipped(seen.status, SkipReason::kBadTimestamp), 2U);
}

TEST(ClassicReader, HeaderCutShort_IsCorrupt) {
  const Bytes whole = ClassicFile().bytes;
  for (const std::size_t n : {std::size_t{4}, std::size_t{12}, std::size_t{23}}) {
    const Error error = open_error(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n)));
    EXPECT_EQ(error.code, ErrorCode::kCorrupt);
    EXPECT_THAT(error.message, HasSubstr("cut short"));
  }
}

TEST(ClassicReader, UnknownLinkType_IsRefusedWithItsNumberAndTheSupported) {
  const Error error = open_error(ClassicFile(147).record(1).bytes);
  EXPECT_EQ(error.code, ErrorCode::kUnsupported);
  EXPECT_THAT(error.message, HasSubstr("147"));
  EXPECT_THAT(error.message, HasSubstr("Ethernet (1)"));
  EXPECT_THAT(error.message, HasSubstr("Linux cooked v2 (276)"));
}

TEST(ClassicReader, Filter_CountsWhatItRefuses) {
  const Bytes bytes = ClassicFile().record(1, 60).record(2, 200).record(3, 60).bytes;
  const Seen seen = read_bytes(bytes, {"ether[0] = 2"});
  EXPECT_THAT(seen.fills, ElementsAre(2));
  EXPECT_EQ(skipped(seen.status, SkipReason::kFiltered), 2U);
  EXPECT_EQ(skipped(read_bytes(bytes, {"ether[0] = 77"}).status, SkipReason::kFiltered), 3U);
}

TEST(ClassicReader, FilterOnRawIp_UsesThatLinkType) {
  EXPECT_EQ(read_bytes(ClassicFile(101).record(0x45).bytes, {"ip"}).fills.size(), 1U);
}

TEST(ClassicReader, FilterThatDoesNotCompile_IsRefusedWithLibpcapsWords) {
  const Error error = open_error(ClassicFile().bytes, {"tcp prot 443"});
  EXPECT_EQ(error.code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(error.message, HasSubstr("tcp prot 443"));
  EXPECT_THAT(error.message, HasSubstr("syntax error"));
}

}  // namespace
}  // namespace reelsense::ingest
