// The files of tests/bad, one for each row of the bad-input table that concerns captures.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "capture_builder.h"

namespace reelsense::ingest {
namespace {

using namespace testing;  // NOLINT: the builder is made for these tests
using ::testing::HasSubstr;

std::string bad(const std::string& name) {
  return std::string(REELSENSE_SOURCE_DIR) + "/tests/bad/" + name;
}

TEST(BadFiles, Refused_NameTheFileAndTheReason) {
  struct Row {
    const char* name;
    ErrorCode code;
    const char* words;
  };
  for (const Row& row :
       {Row{"not_a_capture.pcap", ErrorCode::kUnsupported, "starts with the bytes 47 49 46 38"},
        Row{"empty.pcap", ErrorCode::kCorrupt, "empty"},
        Row{"header_cut_short.pcap", ErrorCode::kCorrupt, "11 bytes, expected 24"},
        Row{"unknown_link_type.pcap", ErrorCode::kUnsupported, "link type 189"}}) {
    auto reader = open_capture(bad(row.name));
    ASSERT_FALSE(reader.ok()) << row.name;
    EXPECT_EQ(reader.error().code, row.code) << row.name;
    EXPECT_THAT(reader.error().message, HasSubstr(bad(row.name)));
    EXPECT_THAT(reader.error().message, HasSubstr(row.words));
  }
}

TEST(BadFiles, Damaged_GiveEveryGoodRecordAndTheCount) {
  struct Row {
    const char* name;
    std::uint64_t records;
    std::optional<std::uint64_t> truncated_at;
    std::optional<SkipReason> skipped;
  };
  constexpr std::uint64_t kRecord = 16 + 154;
  constexpr std::uint64_t kBlock = 12 + 20 + 156;
  for (const Row& row : {Row{"cut_inside_a_record.pcap", 7, 24 + 7 * kRecord, {}},
                         Row{"cut_inside_a_record.pcap.gz", 7, 24 + 7 * kRecord, {}},
                         Row{"length_above_the_bound.pcap", 8, {}, SkipReason::kBadLength},
                         Row{"length_beyond_the_file.pcap", 8, {}, SkipReason::kBadLength},
                         Row{"absurd_timestamp.pcap", 8, {}, SkipReason::kBadTimestamp},
                         Row{"cut_inside_a_block.pcapng", 7, 28 + 20 + 7 * kBlock, {}},
                         Row{"length_beyond_the_block.pcapng", 2, {}, SkipReason::kBadLength},
                         Row{"unknown_link_type.pcapng", 0, {}, SkipReason::kLinkType}}) {
    auto reader = open_capture(bad(row.name));
    ASSERT_TRUE(reader.ok()) << reader.error().message;
    std::vector<CaptureRecord> records(4);
    while (reader.value()->read(records) != 0) {
    }
    const CaptureStatus& status = reader.value()->status();
    EXPECT_EQ(status.records, row.records) << row.name;
    EXPECT_EQ(status.truncated_at, row.truncated_at) << row.name;
    EXPECT_FALSE(status.damage) << row.name;
    for (std::size_t i = 0; i < status.skipped.size(); ++i) {
      const bool expected = row.skipped && static_cast<std::size_t>(*row.skipped) == i;
      EXPECT_EQ(status.skipped[i], expected ? 1U : 0U)
          << row.name << " " << name_of(static_cast<SkipReason>(i));
    }
  }
}

}  // namespace
}  // namespace reelsense::ingest
