#include "server/http/log_query.h"

#include <gtest/gtest.h>

namespace reelsense::server {
namespace {

std::optional<Problem> read(std::string_view query_text, LogQuery& query) {
  Request request;
  request.query = query_text;
  return read_log_query(
      request, [](std::string_view flow) { return std::uint64_t{flow.size()}; }, query);
}

TEST(LogQueryReader, Everything_IsRead) {
  LogQuery query;
  const auto problem = read(
      "from=2023-11-14T22:13:20Z&to=1700000001.5&flow=hash:00000000000000ff&model=a@1&label=non-video&"
      "uncertain=true"
      "&max_confidence=0.75&misclassified=1&with_truth=false&cursor=99&limit=10000",
      query);
  ASSERT_FALSE(problem) << problem->detail;
  EXPECT_EQ(query.from_ms, 1'700'000'000'000);
  EXPECT_EQ(query.to_ms, 1'700'000'001'500);
  EXPECT_EQ(query.flow, 255U);
  EXPECT_EQ(query.model, "a@1");
  EXPECT_EQ(query.video, false);
  EXPECT_EQ(query.uncertain, true);
  EXPECT_EQ(query.max_confidence, 0.75);
  EXPECT_TRUE(query.misclassified);
  EXPECT_FALSE(query.with_truth);
  EXPECT_EQ(query.before_row, 99);
  EXPECT_EQ(query.limit, 10'000U);
  EXPECT_FALSE(read("flow=abcd", query));
  EXPECT_EQ(query.flow, 4U);
}

TEST(LogQueryReader, Malformed_NamesTheParameter) {
  for (const char* text :
       {"from=yesterday", "to=", "flow=", "flow=hash:12", "flow=hash:000000000000000g", "label=maybe",
        "uncertain=2", "max_confidence=1.1", "max_confidence=nan", "limit=0", "limit=10001", "limit=1x",
        "cursor=-1", "model=", "misclassified=yes"}) {
    LogQuery query;
    const auto problem = read(text, query);
    ASSERT_TRUE(problem) << text;
    EXPECT_EQ(problem->errors.at(0).where, std::string(text).substr(0, std::string(text).find('='))) << text;
  }
}

LogPage page() {
  LogPage page;
  LogRow row;
  row.entry = {1'700'000'000'000, 255, 7, 11, 22, 3, 0.75F, 0, true, false};
  row.model = "m";
  row.version = "1.0.0";
  row.tier = "ue";
  row.truth_video = false;
  page.rows.push_back(row);
  page.next = 12;
  return page;
}

TEST(LogWriter, Json_RowAndCursor) {
  std::string out;
  write_log_json(page(), out);
  EXPECT_EQ(
      out,
      R"({"rows":[{"time":"2023-11-14T22:13:20.000Z","flow":"00000000000000ff","second":7,"model":"m",)"
      R"("version":"1.0.0","tier":"ue","label":"video","uncertain":false,"confidence":0.75,"queue_us":11,)"
      R"("compute_us":22,"principal":3,"truth":"non-video"}],"next":"12"})");
  out.clear();
  write_log_json({}, out);
  EXPECT_EQ(out, R"({"rows":[],"next":null})");
}

TEST(LogWriter, Csv_HeaderAndRow) {
  std::string out;
  write_log_csv(page(), out);
  EXPECT_EQ(
      out,
      "time,flow,second,model,version,tier,label,uncertain,confidence,queue_us,compute_us,principal,truth\n"
      "2023-11-14T22:13:20.000Z,00000000000000ff,7,m,1.0.0,ue,video,false,0.75,11,22,3,non-video\n");
}

}  // namespace
}  // namespace reelsense::server
