#include "reelsense/ingest/packet_series.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>

#include "npz_builder.h"
#include "packet_series_memory.h"

namespace reelsense::ingest {
namespace {

using namespace testing;  // NOLINT: the builder is made for these tests
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Members = std::map<std::string, Bytes>;

// Two flows of two packets and one.
Members good_members() {
  return {
      {"off.npy", npy("<i8", "(3,)", Writer().u64(0).u64(2).u64(3).bytes)},
      {"t_us.npy", npy("<u4", "(3,)", Writer().u32(0).u32(70000).u32(5).bytes)},
      {"size.npy", npy("<u2", "(3,)", Writer().u16(60).u16(1500).u16(99).bytes)},
      {"up.npy", npy("|b1", "(3,)", {1, 0, 2})},
      {"label.npy", npy_strings({U"video", U"non-video"}, 9)},
      {"group.npy", npy_strings({U"µ\u20ac\U0001f3ac", U""}, 4)},
      {"flow.npy", npy_strings({U"a\xd800", U"b"}, 2)},
  };
}

Bytes zip(const Members& members, ZipKind kind = ZipKind::kDeflate) {
  ZipFile file(kind);
  for (const auto& [name, content] : members) file.add(name, content);
  return file.bytes();
}

std::string error_of(const Bytes& bytes, ErrorCode code) {
  auto series = parse_packet_series(bytes);
  EXPECT_FALSE(series.ok());
  if (series.ok()) return "";
  EXPECT_EQ(static_cast<int>(series.error().code), static_cast<int>(code)) << series.error().message;
  return series.error().message;
}

Members sized(std::uint16_t a, std::uint16_t b, std::uint16_t c) {
  Members members = good_members();
  members["size.npy"] = npy("<u2", "(3,)", Writer().u16(a).u16(b).u16(c).bytes);
  return members;
}

TEST(PacketSeries, EthernetFrames_BecomeIpPacketsAndTooShortOnesGo) {
  auto loaded = parse_packet_series(zip(sized(54, 14, 1514)));
  ASSERT_TRUE(loaded.ok()) << loaded.error().message;
  EXPECT_THAT(loaded.value().offsets, ElementsAre(0, 1, 2));
  EXPECT_THAT(loaded.value().size, ElementsAre(40, 1500));
  EXPECT_THAT(loaded.value().time_us, ElementsAre(0, 5));
  EXPECT_THAT(loaded.value().up, ElementsAre(1, 1));
}

TEST(PacketSeries, SuperPacketsAndIpPackets_KeepTheirSizes) {
  auto merged = parse_packet_series(zip(sized(54, 1514, 2960)));
  ASSERT_TRUE(merged.ok()) << merged.error().message;
  EXPECT_THAT(merged.value().size, ElementsAre(54, 1514, 2960));
  auto plain = parse_packet_series(zip(sized(14, 1492, 1500)));
  ASSERT_TRUE(plain.ok()) << plain.error().message;
  EXPECT_THAT(plain.value().size, ElementsAre(14, 1492, 1500));
}

TEST(PacketSeries, StoredDeflatedAndZip64_GiveTheSameSeries) {
  for (const ZipKind kind : {ZipKind::kStored, ZipKind::kDeflate, ZipKind::kZip64}) {
    auto loaded = parse_packet_series(zip(good_members(), kind));
    ASSERT_TRUE(loaded.ok()) << loaded.error().message;
    const PacketSeries& s = loaded.value();
    EXPECT_EQ(s.flow_count(), 2U);
    EXPECT_THAT(s.offsets, ElementsAre(0, 2, 3));
    EXPECT_THAT(s.time_us, ElementsAre(0, 70000, 5));
    EXPECT_THAT(s.size, ElementsAre(60, 1500, 99));
    EXPECT_THAT(s.up, ElementsAre(1, 0, 1));
    EXPECT_THAT(s.label, ElementsAre("video", "non-video"));
    EXPECT_THAT(s.group, ElementsAre("µ€🎬", ""));
    EXPECT_THAT(s.flow, ElementsAre("a\xef\xbf\xbd", "b"));  // no surrogates in UTF-8
  }
}

TEST(PacketSeries, StringsMissing_AreEmpty) {
  Members members = good_members();
  for (const char* name : {"label.npy", "group.npy", "flow.npy"}) members.erase(name);
  auto loaded = parse_packet_series(zip(members));
  ASSERT_TRUE(loaded.ok()) << loaded.error().message;
  EXPECT_THAT(loaded.value().label, IsEmpty());
  EXPECT_EQ(loaded.value().flow_count(), 2U);
}

TEST(PacketSeries, NoFlows_IsAnEmptySeries) {
  auto loaded = parse_packet_series(zip({{"off.npy", npy("<i8", "(1,)", Bytes(8, 0))},
                                         {"t_us.npy", npy("<u4", "(0,)", {})},
                                         {"size.npy", npy("<u2", "(0,)", {})},
                                         {"up.npy", npy("|b1", "(0,)", {})}}));
  ASSERT_TRUE(loaded.ok()) << loaded.error().message;
  EXPECT_EQ(loaded.value().flow_count(), 0U);
}

TEST(PacketSeries, MemberThatIsWrong_IsNamedWithWhatWasExpected) {
  struct Row {
    const char* member;
    Bytes content;
    ErrorCode code;
    const char* words;
  };
  const std::vector<Row> rows = {
      {"off", npy("<i4", "(3,)", Bytes(12, 0)), ErrorCode::kUnsupported, "type <i4, expected <i8"},
      {"off", npy(">i8", "(3,)", Bytes(24, 0)), ErrorCode::kUnsupported, "type >i8"},
      {"off", npy("<i8", "(3,)", Writer().u64(0).u64(4).u64(3).bytes), ErrorCode::kCorrupt, "element 2 is 3"},
      {"off", npy("<i8", "(3,)", Writer().u64(1).u64(2).u64(3).bytes), ErrorCode::kCorrupt, "expected a 0"},
      {"off", npy("<i8", "(3,)", Writer().u64(0).u64(2).u64(4).bytes), ErrorCode::kMismatch, "ends at 4"},
      {"off", npy("<i8", "(0,)", {}), ErrorCode::kCorrupt, "expected a 0"},
      {"off", npy("<i8", "(3, 1)", Bytes(24, 0)), ErrorCode::kMismatch, "one dimension"},
      {"off", npy("<i8", "()", Bytes(8, 0)), ErrorCode::kMismatch, "one dimension"},
      {"off", npy("<i8", "(-3,)", Bytes(24, 0)), ErrorCode::kMismatch, "one dimension"},
      {"off", npy("<i8", "(99999999999,)", Bytes(24, 0)), ErrorCode::kLimit, "99999999999 elements"},
      {"off", Bytes(100, 7), ErrorCode::kCorrupt, "magic"},
      {"off", Bytes(3, 7), ErrorCode::kCorrupt, "too early"},
      {"t_us", npy("<u4", "(4,)", Bytes(12, 0)), ErrorCode::kCorrupt,
       "12 bytes behind the header, expected 16"},
      {"size", npy("<u2", "(2,)", Bytes(4, 0)), ErrorCode::kMismatch, "2 elements, expected 3"},
      {"up", npy("|b1", "(4,)", Bytes(4, 0)), ErrorCode::kMismatch, "4 elements, expected 3"},
      {"label", npy("|O", "(2,)", Bytes(16, 0)), ErrorCode::kUnsupported, "type |O, expected strings"},
      {"label", npy("<U99999", "(2,)", Bytes(16, 0)), ErrorCode::kUnsupported, "expected strings"},
      {"group", npy_strings({U"a"}, 1), ErrorCode::kMismatch, "1 elements, expected 2"},
      {"flow", npy("<U4", "(2,)", Bytes(31, 0)), ErrorCode::kCorrupt, "31 bytes behind the header"},
  };
  for (const Row& row : rows) {
    Members members = good_members();
    members[std::string(row.member) + ".npy"] = row.content;
    const std::string message = error_of(zip(members), row.code);
    EXPECT_THAT(message, HasSubstr(std::string(row.member) + ".npy"));
    EXPECT_THAT(message, HasSubstr(row.words));
  }
}

TEST(PacketSeries, MemberMissing_IsNamed) {
  for (const char* name : {"off.npy", "t_us.npy", "size.npy", "up.npy"}) {
    Members members = good_members();
    members.erase(name);
    EXPECT_THAT(error_of(zip(members), ErrorCode::kCorrupt), HasSubstr("no member " + std::string(name)));
  }
}

TEST(PacketSeries, CutAtEveryByte_IsAnError) {
  const Bytes whole = zip(good_members());
  for (std::size_t n = 0; n < whole.size(); ++n) {
    EXPECT_FALSE(parse_packet_series(std::span(whole).first(n)).ok()) << n;
  }
}

TEST(PacketSeries, AnyByteDamaged_NeverGivesOtherPackets) {
  auto expected = parse_packet_series(zip(good_members()));
  for (const ZipKind kind : {ZipKind::kStored, ZipKind::kDeflate, ZipKind::kZip64}) {
    const Bytes whole = zip(good_members(), kind);
    for (std::size_t i = 0; i < whole.size(); ++i) {
      Bytes bytes = whole;
      bytes[i] ^= 0x10;
      auto loaded = parse_packet_series(bytes);
      if (!loaded.ok()) continue;
      EXPECT_EQ(loaded.value().time_us, expected.value().time_us) << i;
      EXPECT_EQ(loaded.value().size, expected.value().size) << i;
      EXPECT_EQ(loaded.value().up, expected.value().up) << i;
    }
  }
}

TEST(PacketSeries, SizeThatDeflateCannotReach_IsRefusedBeforeAllocation) {
  Bytes bytes = zip({{"off.npy", npy("<i8", "(3,)", Bytes(24, 0))}});
  const std::array<std::uint8_t, 4> central = {'P', 'K', 1, 2};
  const auto at = std::search(bytes.begin(), bytes.end(), central.begin(), central.end());
  std::fill(at + 24, at + 28, std::uint8_t{0x7f});  // the size, of the directory entry
  EXPECT_THAT(error_of(bytes, ErrorCode::kCorrupt), HasSubstr("cannot come of"));
}

TEST(LoadPacketSeries, File_IsNamedInErrors) {
  const TemporaryFile good(zip(good_members()));
  EXPECT_TRUE(load_packet_series(good.path()).ok());
  const TemporaryFile text({'n', 'o', 't', ' ', 'a', ' ', 'z', 'i', 'p'});
  for (const std::string& path : {std::string("/nonexistent.npz"), std::string("/"), text.path()}) {
    auto loaded = load_packet_series(path);
    ASSERT_FALSE(loaded.ok());
    EXPECT_THAT(loaded.error().message, HasSubstr(path + ": "));
  }
  EXPECT_EQ(load_packet_series("/nonexistent.npz").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(load_packet_series("/").error().code, ErrorCode::kIo);
}

}  // namespace
}  // namespace reelsense::ingest
