#include "server/http/classify_reader.h"

#include <gmock/gmock.h>

#include "server/http/reader_fixture.h"

namespace reelsense::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ClassifyReader : public ReaderTest {
 protected:
  std::optional<Problem> read(std::string_view text) {
    body_ = std::make_unique<Padded>(text);
    job_.flows.clear();
    job_.packets.clear();
    job_.rows.clear();
    job_.answers.clear();
    return read_classify(parser_, body_->view(), rules_, job_, windows_);
  }
  std::string refusal(std::string_view text) {
    const std::optional<Problem> problem = read(text);
    if (!problem) return "accepted";
    EXPECT_EQ(problem->type, ProblemType::kInvalidRequest);
    return problem->detail;
  }
  std::string raw_name(std::size_t flow) {
    const RawName name = RawName::of(job_.flows[flow].tag);
    return std::string(body_->view().substr(name.offset, name.length));
  }

  std::unique_ptr<Padded> body_;
  std::size_t windows_ = 0;
};

std::string numbers(std::size_t count, const std::string& value = "1") {
  std::string out = "[";
  for (std::size_t i = 0; i < count; ++i) out += (i == 0 ? "" : ",") + value;
  return out + "]";
}

std::string window(const std::string& members) {
  return R"({"windows":[{)" + members + "}]}";
}

TEST_F(ClassifyReader, Windows_OfSeveralFlows_FillRowsInOrder) {
  const auto problem = read(R"({"windows":[{"flow":"a","second":1,"features":[1,2.5,-3e1]},
      {"second":2,"features":[4,5,6],"flow":"a","end":true},{"flow":"a","second":3,"features":[7,8,9]},
      {"features":[0,0,0.1],"flow":"b\u00e9\"","second":0}]})");
  ASSERT_FALSE(problem) << problem->detail;
  EXPECT_EQ(windows_, 4U);
  EXPECT_THAT(job_.rows, ElementsAre(1, 2.5F, -30, 4, 5, 6, 7, 8, 9, 0, 0, 0.1F));
  ASSERT_EQ(job_.answers.size(), 4U);
  EXPECT_EQ(job_.answers[1].second, 2);
  // Windows in a row share a flow until it ends; the third is a new flow of the same name.
  ASSERT_EQ(job_.flows.size(), 3U);
  EXPECT_EQ(job_.answers[0].flow, 0U);
  EXPECT_EQ(job_.answers[1].flow, 0U);
  EXPECT_EQ(job_.answers[2].flow, 1U);
  EXPECT_EQ(job_.answers[3].flow, 2U);
  EXPECT_TRUE(job_.flows[0].end);
  EXPECT_FALSE(job_.flows[1].end);
  EXPECT_EQ(job_.flows[0].id, job_.flows[1].id);
  EXPECT_EQ(job_.flows[2].id, rules_.flow_id("b\xc3\xa9\""));
  EXPECT_EQ(raw_name(0), "\"a\"");
  EXPECT_EQ(raw_name(2), R"("b\u00e9\"")");
}

TEST_F(ClassifyReader, Model_FirstOrLastOrInBetween_SetsTheShape) {
  const std::string edge = R"({"flow":"a","second":1,"features":[1,2,3],"bins":)" + numbers(40) + "}";
  for (const std::string& text :
       {R"({"model":"edge","windows":[)" + edge + "]}", R"({"windows":[)" + edge + R"(],"model":"edge"})",
        R"({"windows":[)" + edge + R"(],"model":"edge","flows":[]})"}) {
    const auto problem = read(text);
    ASSERT_FALSE(problem) << text << problem->detail;
    EXPECT_EQ(job_.rows.size(), 43U) << text;
    EXPECT_EQ(job_.answers.size(), 1U);
  }
  const auto socket = read(R"({"windows":[{"flow":"a","second":1,"features":[1,2]}],"model":"socket"})");
  ASSERT_FALSE(socket) << socket->detail;
  EXPECT_THAT(job_.rows, ElementsAre(1, 2));
}

TEST_F(ClassifyReader, Model_Unknown_IsNamed) {
  for (const char* text : {R"({"model":"x","windows":[]})", R"({"windows":[],"model":"x"})"}) {
    const auto problem = read(text);
    ASSERT_TRUE(problem);
    EXPECT_EQ(problem->type, ProblemType::kUnknownModel);
    EXPECT_THAT(problem->detail, HasSubstr("\"x\""));
  }
}

TEST_F(ClassifyReader, Packets_OfFlows_AreReadExactly) {
  const auto problem =
      read(R"({"flows":[{"packets":[[1700000000.123456789,1500,"down"],[1700000001,60,0]],"flow":"p",
      "until":1700000002.5,"end":true},{"flow":"q","packets":[[1.5e0,4294967295,1],[1.6,0,"up"]]}]})");
  ASSERT_FALSE(problem) << problem->detail;
  ASSERT_EQ(job_.packets.size(), 4U);
  EXPECT_EQ(job_.packets[0].time_ns, 1'700'000'000'123'456'789);
  EXPECT_EQ(job_.packets[0].bytes, 1500U);
  EXPECT_EQ(job_.packets[0].direction, Direction::kDown);
  EXPECT_EQ(job_.packets[1].direction, Direction::kUp);
  EXPECT_EQ(job_.packets[2].bytes, 4294967295U);
  EXPECT_EQ(job_.packets[2].time_ns, 1'500'000'000);
  ASSERT_EQ(job_.flows.size(), 2U);
  EXPECT_EQ(job_.flows[0].until_ns, 1'700'000'002'500'000'000);
  EXPECT_TRUE(job_.flows[0].end);
  EXPECT_EQ(job_.flows[1].first_packet, 2U);
  EXPECT_EQ(job_.flows[1].packets, 2U);
  EXPECT_EQ(windows_, 3U);
  EXPECT_EQ(raw_name(1), "\"q\"");
}

TEST_F(ClassifyReader, NotJson_IsRefusedAsMalformed) {
  for (const char* text : {"{", "{\"windows\":[}", "{\"windows\":[]", "{\"windows\":[]}}",
                           "{\"windows\":[]} x", "{\"windows\":[],}", "{\"windows\" []}", "{windows:[]}",
                           "{\"windows\":[{\"flow\":\"a\x01\"}]}", "{'windows':[]}", "\xff"}) {
    EXPECT_NE(refusal(text), "accepted") << text;
  }
  EXPECT_EQ(refusal(""), "the body is empty; a JSON object is expected");
  EXPECT_EQ(refusal("[]"), "a JSON object is expected");
  EXPECT_EQ(refusal("12"), "a JSON object is expected");
  EXPECT_EQ(refusal("{\"windows\":[\"\xc3\"]}"), "the body is not UTF-8");
  EXPECT_THAT(refusal("{\"windows\":[]} {}"), HasSubstr("something follows"));
  EXPECT_THAT(refusal("{\"windows\":[]"), HasSubstr("something is not closed"));
}

TEST_F(ClassifyReader, Members_MissingUnknownOrTwice_AreNamed) {
  EXPECT_EQ(refusal("{}"), "\"windows\" or \"flows\" is expected");
  EXPECT_THAT(refusal(R"({"windos":[]})"), HasSubstr("windos: unknown key; known are model, windows, flows"));
  EXPECT_EQ(refusal(R"({"windows":[],"windows":[]})"), "windows: is given twice");
  EXPECT_EQ(refusal(window(R"("second":1,"features":[1,2,3])")), "windows[0].flow: is missing");
  EXPECT_EQ(refusal(window(R"("flow":"a","features":[1,2,3])")), "windows[0].second: is missing");
  EXPECT_EQ(refusal(window(R"("flow":"a","second":1)")), "windows[0].features: is missing");
  EXPECT_EQ(refusal(window(R"("flow":"a","flow":"b")")), "windows[0].flow: is given twice");
  EXPECT_THAT(refusal(window(R"("flow":"a","feature":[])")), HasSubstr("windows[0].feature: unknown key"));
  EXPECT_EQ(refusal(R"({"model":"edge","windows":[{"flow":"a","second":1,"features":[1,2,3]}]})"),
            "windows[0].bins: is missing; edge@1.0.0 needs 40");
  EXPECT_EQ(refusal(R"({"flows":[{"packets":[]}]})"), "flows[0].flow: is missing");
  EXPECT_EQ(refusal(R"({"flows":[{"flow":"a"}]})"), "flows[0].packets: is missing");
}

TEST_F(ClassifyReader, Values_OfAnotherType_AreNamedWithWhatWasFound) {
  EXPECT_EQ(refusal(R"({"windows":{}})"), "windows: an array is expected, not an object");
  EXPECT_EQ(refusal(R"({"windows":null})"), "windows: an array is expected, not null");
  EXPECT_EQ(refusal(R"({"windows":[7]})"), "windows[0]: an object is expected, not 7");
  EXPECT_EQ(refusal(window(R"("flow":7)")), "windows[0].flow: a string is expected, not 7");
  EXPECT_EQ(refusal(window(R"("flow":["a"])")), "windows[0].flow: a string is expected, not an array");
  EXPECT_EQ(refusal(window(R"("flow":"")")), "windows[0].flow: is empty");
  EXPECT_THAT(refusal(window(R"("second":1.5)")), HasSubstr("windows[0].second: an integer from 0 to"));
  EXPECT_THAT(refusal(window(R"("second":-1)")), HasSubstr("not -1"));
  EXPECT_THAT(refusal(window(R"("second":99999999999999999999)")),
              HasSubstr("windows[0].second: an integer"));
  EXPECT_THAT(refusal(window(R"("second":"1")")), HasSubstr("not \"1\""));
  EXPECT_EQ(refusal(window(R"("end":1)")), "windows[0].end: true or false is expected, not 1");
  EXPECT_EQ(refusal(R"({"model":1,"windows":[]})"), "model: a string is expected, not 1");
}

TEST_F(ClassifyReader, Features_WrongNumberOrKind_AreNamed) {
  EXPECT_EQ(refusal(window(R"("features":[1,2])")), "windows[0].features: 2 numbers; ue@1.0.0 takes 3");
  EXPECT_EQ(refusal(window(R"("features":[1,2,3,4])")),
            "windows[0].features: more than 3 numbers; ue@1.0.0 takes 3");
  EXPECT_EQ(refusal(window(R"("features":[1,"2",3])")),
            "windows[0].features[1]: a number is expected, not \"2\"");
  EXPECT_EQ(refusal(window(R"("features":[1,null,3])")),
            "windows[0].features[1]: a number is expected, not null");
  EXPECT_EQ(refusal(window(R"("features":[1,[2],3])")),
            "windows[0].features[1]: a number is expected, not an array");
  EXPECT_EQ(refusal(window(R"("features":[1,2,NaN])")),
            "windows[0].features[2]: a number is expected, not NaN");
  EXPECT_EQ(refusal(window(R"("features":[1,2,-Infinity])")),
            "windows[0].features[2]: a number is expected, not -Infinity");
  EXPECT_THAT(refusal(window(R"("features":[1,2,1e999])")), HasSubstr("windows[0].features[2]: "));
  EXPECT_EQ(refusal(window(R"("features":[1,2,1e39])")),
            "windows[0].features[2]: the number does not fit float32");
  EXPECT_NE(refusal(window(R"("features":[1,2,])")), "accepted");
  EXPECT_NE(refusal(window(R"("features":[1 2 3])")), "accepted");
  EXPECT_NE(refusal(window(R"("features":[01,2,3])")), "accepted");
  EXPECT_EQ(refusal(window(R"("bins":)" + numbers(39))), "windows[0].bins: 39 numbers; ue@1.0.0 takes 40");
  EXPECT_EQ(refusal(window(R"("bins":[-1])")), "windows[0].bins[0]: a byte count is not negative");
}

TEST_F(ClassifyReader, Bounds_OfNamesWindowsAndPackets_Hold) {
  EXPECT_EQ(refusal(window(R"("flow":")" + std::string(17, 'x') + "\"")),
            "windows[0].flow: 17 bytes; at most 16 are taken");
  EXPECT_EQ(refusal(window(R"("flow":")" + std::string(1 << 20, 'x') + "\"")),
            "windows[0].flow: 1048576 bytes; at most 16 are taken");
  std::string many;
  for (int i = 0; i < 6; ++i)
    many += std::string(i == 0 ? "" : ",") + R"({"flow":"a","second":1,"features":[1,2,3]})";
  EXPECT_EQ(refusal(R"({"windows":[)" + many + "]}"), "windows: more than 5 windows in one request");
  std::string packets;
  for (int i = 0; i < 7; ++i) packets += std::string(i == 0 ? "" : ",") + "[1,1,0]";
  EXPECT_EQ(refusal(R"({"flows":[{"flow":"a","packets":[)" + packets + "]}]}"),
            "flows[0].packets: more than 6 packets in one request");
  EXPECT_EQ(
      refusal(R"({"flows":[{"flow":"a","packets":[[1,1,0],[2,1,0],[3,1,0],[4,1,0],[5,1,0],[6,1,0]]}]})"),
      "flows[0].packets: packets of more than 5 seconds in one request");
}

TEST_F(ClassifyReader, Packets_Malformed_AreNamed) {
  const auto packet = [&](const std::string& text) {
    return refusal(R"({"flows":[{"flow":"a","packets":[)" + text + "]}]}");
  };
  EXPECT_EQ(packet("[1,2]"), "flows[0].packets[0]: [time, size, direction] is expected, not 2 values");
  EXPECT_EQ(packet("[1,2,0,4]"), "flows[0].packets[0]: [time, size, direction] is expected, not more");
  EXPECT_THAT(packet("[-1,2,0]"), HasSubstr("flows[0].packets[0][0]: seconds since the epoch"));
  EXPECT_THAT(packet("[\"1\",2,0]"), HasSubstr("not \"1\""));
  EXPECT_THAT(packet("[1,-2,0]"), HasSubstr("flows[0].packets[0][1]: an integer from 0 to 4294967295"));
  EXPECT_THAT(packet("[1,2,2]"), HasSubstr("flows[0].packets[0][2]: an integer from 0 to 1"));
  EXPECT_THAT(packet("[1,2,\"sideways\"]"), HasSubstr("\"up\", \"down\", 0 (up) or 1 (down) is expected"));
  EXPECT_THAT(packet("[1,2,null]"), HasSubstr("is expected, not null"));
  EXPECT_EQ(refusal(R"({"model":"socket","flows":[{"flow":"a","packets":[]}]})"),
            "flows[0]: socket@1.0.0 is of view socket; packets need one of view packet");
}

TEST_F(ClassifyReader, Nesting_Deep_IsRefusedWithoutRecursion) {
  EXPECT_NE(refusal(std::string(200'000, '[')), "accepted");
  EXPECT_NE(refusal("{\"windows\":" + std::string(200'000, '[') + std::string(200'000, ']') + "}"),
            "accepted");
}

TEST_F(ClassifyReader, Cut_AtAnyByte_IsRefused) {
  const std::string whole =
      R"({"model":"ue","windows":[{"flow":"a\n","second":12,"features":[1,2.5e3,-3]}],"flows":[{"flow":)"
      R"("p","packets":[[1.25,3,"up"]],"until":2,"end":false}]})";
  ASSERT_EQ(refusal(whole), "accepted");
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_NE(refusal(std::string_view(whole).substr(0, length)), "accepted") << length;
  }
}

// With brackets left open simdjson looks behind the body: what is there must neither complete it nor lead
// astray.
TEST_F(ClassifyReader, OpenBrackets_BeforeOtherBytes_AreRefusedAndLeaveThem) {
  const std::string open[] = {R"({"windows":[{"flow":"a","second":1,"features":[1,2,3]})",
                              R"({"windows":[{"flow":"a","second":1,"features":[1,2,{})", R"({"windows":[{})",
                              R"({"flows":[{"flow":"p","packets":[{})", R"({"model":{})"};
  for (const std::string& body : open) {
    for (const char* behind :
         {",", "]", "}", "]}", ",{\"flow\":\"b\"", "\"", ":", "7", "{", "[", ",1,", "}]}"}) {
      const Padded padded(body, behind);
      const std::string before(padded.padding());
      job_.clear();
      EXPECT_TRUE(read_classify(parser_, padded.view(), rules_, job_, windows_)) << body << behind;
      EXPECT_EQ(padded.padding(), before);
    }
  }
}

class FeedbackReader : public ReaderTest {
 protected:
  std::string read(std::string_view text) {
    const Padded body(text);
    truths_.clear();
    const std::optional<Problem> problem = read_feedback(parser_, body.view(), rules_, truths_);
    return problem ? problem->detail : "accepted";
  }
  std::vector<TruthIn> truths_;
};

TEST_F(FeedbackReader, Truths_AreRead) {
  ASSERT_EQ(
      read(
          R"({"truths":[{"flow":"a","second":5,"truth":"video"},{"truth":"non-video","second":6,"flow":"b"}]})"),
      "accepted");
  ASSERT_EQ(truths_.size(), 2U);
  EXPECT_EQ(truths_[0].flow, rules_.flow_id("a"));
  EXPECT_EQ(truths_[0].second, 5);
  EXPECT_TRUE(truths_[0].video);
  EXPECT_FALSE(truths_[1].video);
}

TEST_F(FeedbackReader, Malformed_IsNamed) {
  EXPECT_EQ(read("{}"), "truths: is missing");
  EXPECT_EQ(read(R"({"truths":[{"flow":"a","second":5}]})"), "truths[0].truth: is missing");
  EXPECT_EQ(read(R"({"truths":[{"flow":"a","second":5,"truth":"maybe"}]})"),
            "truths[0].truth: \"video\" or \"non-video\" is expected");
  EXPECT_EQ(read(R"({"truths":[{"flow":"a","second":5,"truth":true}]})"),
            "truths[0].truth: a string is expected, not true");
  EXPECT_THAT(read(R"({"truths":[],"more":1})"), HasSubstr("more: unknown key"));
  std::string many;
  for (int i = 0; i < 6; ++i)
    many += std::string(i == 0 ? "" : ",") + R"({"flow":"a","second":1,"truth":"video"})";
  EXPECT_EQ(read(R"({"truths":[)" + many + "]}"), "truths: more than 5 truths in one request");
}

TEST_F(ReaderTest, Alias_Body_NamesAModel) {
  std::string reference;
  const Padded good(R"({"model":"edge@1.0.0"})");
  EXPECT_FALSE(read_alias(parser_, good.view(), reference));
  EXPECT_EQ(reference, "edge@1.0.0");
  for (const char* text : {"{}", R"({"model":""})", R"({"model":1})", R"({"model":"a","x":1})", ""}) {
    const Padded bad(text);
    EXPECT_TRUE(read_alias(parser_, bad.view(), reference)) << text;
  }
}

}  // namespace
}  // namespace reelsense::server
