#include "cli/ribbon.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reelsense::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

Decision decision(bool video, float confidence = 0.99F, bool uncertain = false) {
  return {video ? confidence : 1 - confidence, confidence, video ? Label::kVideo : Label::kNonVideo,
          uncertain};
}

FiveTuple flow(std::uint8_t host) {
  FiveTuple tuple;
  tuple.client = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 2};
  tuple.server = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, host};
  tuple.client_port = 40000;
  tuple.server_port = 443;
  tuple.protocol = kProtocolTcp;
  return tuple;
}

LabelRow row(const FiveTuple& tuple, std::int64_t second, std::uint64_t bytes, const Decision& d) {
  return {second, &tuple, false, 1, 1, 0, bytes, d};
}

Terminal plain(std::size_t width = 80) {
  return {true, false, false, width};
}

TEST(Majority, SecondsWithTraffic_Vote) {
  const RibbonCell v = RibbonCell::of(decision(true));
  const RibbonCell n = RibbonCell::of(decision(false));
  const RibbonCell weak = RibbonCell::of(decision(true, 0.55F, true));
  const RibbonCell most_video[] = {{}, v, v, n, {}};
  EXPECT_TRUE(majority(most_video, most_video + 5).video());
  const RibbonCell tie[] = {weak, n};
  EXPECT_FALSE(majority(tie, tie + 2).video());
  const RibbonCell silence[] = {{}, {}};
  EXPECT_TRUE(majority(silence, silence + 2).idle());
  EXPECT_TRUE(majority(silence, silence).idle());
}

TEST(RibbonCell, Decision_IsKept) {
  const RibbonCell cell = RibbonCell::of(decision(true, 0.75F, true));
  EXPECT_TRUE(cell.video());
  EXPECT_TRUE(cell.uncertain());
  EXPECT_NEAR(cell.confidence(), 0.75F, 0.01F);
  EXPECT_FALSE(RibbonCell::of(decision(false, 0.5F)).idle());
}

TEST(Ribbon, WithoutColour_UsesLetters) {
  Ribbon ribbon(5);
  const FiveTuple a = flow(1);
  ribbon.add(0, row(a, 100, 10, decision(true)));
  ribbon.add(0, row(a, 101, 10, decision(true, 0.55F, true)));
  ribbon.add(0, row(a, 103, 10, decision(false)));
  ribbon.add(0, row(a, 104, 10, decision(false, 0.55F, true)));
  const std::string text = ribbon.draw("x.pcap", plain());
  EXPECT_THAT(text, HasSubstr("Vv.Nn"));
  EXPECT_THAT(text, HasSubstr("tcp 192.0.2.1:443"));
  EXPECT_THAT(text, HasSubstr("client 10.0.0.2"));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
}

TEST(Ribbon, LargestFlows_ComeFirstAndTheRestIsCounted) {
  Ribbon ribbon(2);
  const FiveTuple flows[] = {flow(1), flow(2), flow(3)};
  for (std::uint64_t i = 0; i < 3; ++i) ribbon.add(i, row(flows[i], 100, 1000 * (i + 1), decision(true)));
  const std::string text = ribbon.draw("x.pcap", plain());
  EXPECT_LT(text.find("192.0.2.3:443"), text.find("192.0.2.2:443"));
  EXPECT_THAT(text, Not(HasSubstr("192.0.2.1:443")));
  EXPECT_THAT(text, HasSubstr("and 1 smaller flows (1.0 kB)"));
}

TEST(Ribbon, ManyEndedFlows_KeepMemoryBoundedAndTheLargest) {
  Ribbon ribbon(1);
  const FiveTuple small = flow(1);
  const FiveTuple large = flow(9);
  ribbon.add(0, row(large, 100, 1'000'000, decision(true)));
  ribbon.end_track(0);
  for (std::uint64_t i = 1; i < 1000; ++i) {
    ribbon.add(i, row(small, 100, 10, decision(false)));
    ribbon.end_track(i);
  }
  const std::string text = ribbon.draw("x.pcap", plain());
  EXPECT_THAT(text, HasSubstr("192.0.2.9:443"));
  EXPECT_THAT(text, HasSubstr("and 999 smaller flows"));
}

TEST(Ribbon, LongCapture_FitsTheTerminal) {
  Ribbon ribbon(5);
  const FiveTuple a = flow(1);
  for (std::int64_t second = 0; second < 3000; ++second)
    ribbon.add(0, row(a, second, 10, decision(second < 1500)));
  std::string text = ribbon.draw("x.pcap", plain(100));
  EXPECT_THAT(text, HasSubstr("1 cell = 1:00"));
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = std::min(text.find('\n', start), text.size());
    EXPECT_LE(end - start, 100U) << text.substr(start, end - start);
    start = end + 1;
  }
}

TEST(Ribbon, NothingSeen_SaysSo) {
  EXPECT_EQ(Ribbon(5).draw("x.pcap", plain()), "x.pcap: no windows\n");
}

}  // namespace
}  // namespace reelsense::cli
