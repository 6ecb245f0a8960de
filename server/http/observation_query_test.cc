#include "server/http/observation_query.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "reelsense/features/quantise.h"
#include "reelsense/features/schema.h"

namespace reelsense::server {
namespace {

using Json = nlohmann::json;

std::optional<Problem> read(std::string_view query_text, ObservationQuery& query,
                            const ViewSchema** schema = nullptr) {
  Request request;
  request.query = query_text;
  const ViewSchema* found = nullptr;
  auto problem = read_observation_query(request, query, found);
  if (schema != nullptr) *schema = found;
  return problem;
}

TEST(ObservationQueryReader, Everything_IsRead) {
  ObservationQuery query;
  const ViewSchema* schema = nullptr;
  const auto problem = read(
      "view=socket&from=2026-03-01&to=2026-12-31&model=a@1&label=video&uncertain=false&with_truth=true&"
      "truth=non-video&cursor=00004fc2000000000000002a&limit=7",
      query, &schema);
  ASSERT_FALSE(problem) << problem->detail;
  EXPECT_EQ(schema, &view_schema(View::kSocket));
  EXPECT_EQ(query.view, "socket");
  EXPECT_EQ(query.schema_hash, view_schema(View::kSocket).hash());
  EXPECT_EQ(query.first_day, 20'513);  // date -d 2026-03-01 +%s / 86400
  EXPECT_EQ(query.last_day, 20'818);
  EXPECT_EQ(query.model, "a@1");
  EXPECT_EQ(query.video, true);
  EXPECT_EQ(query.uncertain, false);
  EXPECT_EQ(query.with_truth, true);
  EXPECT_EQ(query.truth_video, false);
  EXPECT_EQ(query.after_day, 0x4fc2);
  EXPECT_EQ(query.after_id, 42);
  EXPECT_EQ(query.limit, 7U);
}

TEST(ObservationQueryReader, Nothing_IsThePacketView) {
  ObservationQuery query;
  ASSERT_FALSE(read("", query));
  EXPECT_EQ(query.view, "packet");
  EXPECT_EQ(query.schema_hash, packet_schema_hash());
  EXPECT_EQ(query.limit, 100U);
}

TEST(ObservationQueryReader, Malformed_NamesTheParameter) {
  for (const char* text :
       {"view=frame", "from=yesterday", "from=2026-13-01", "from=2026-02-30", "to=2026-1-1",
        "to=2026-01-01T00:00:00Z", "model=", "label=reel", "uncertain=maybe", "with_truth=2", "truth=none",
        "cursor=12", "cursor=00004fc2ffffffffffffffff", "cursor=00004fc2000000000000002g", "limit=0",
        "limit=10001"}) {
    ObservationQuery query;
    const auto problem = read(text, query);
    ASSERT_TRUE(problem) << text;
    EXPECT_EQ(problem->errors.at(0).where, std::string(text).substr(0, std::string(text).find('='))) << text;
  }
}

ObservationPage page() {
  ObservationPage page;
  ObservationRow& row = page.rows.emplace_back();
  row.day = 20'513;
  row.model = "m@1.0.0";
  row.sdk = "0.4.0";
  row.epsilon = 1.5;
  row.observation = {true, true, 0.75F, false};
  row.values.assign(kFeatureCount, 3);
  page.rows.push_back(page.rows[0]);
  page.rows[1].observation = {false, false, 1, std::nullopt};
  page.more = true;
  page.next_day = 0x4fc2;
  page.next_id = INT64_MAX;
  return page;
}

TEST(ObservationWriter, Json_RestoresTheFeatures) {
  std::string out;
  write_observations_json(page(), view_schema(View::kPacket), out);
  const Json json = Json::parse(out);
  EXPECT_EQ(json["view"], "packet");
  EXPECT_EQ(json["schema_hash"], packet_schema_hash());
  ASSERT_EQ(json["rows"].size(), 2U);
  for (std::size_t i = 0; i < kFeatureCount; ++i) {
    const FeatureDefinition& feature = feature_table()[i];
    EXPECT_EQ(json["features"][i], feature.name);
    EXPECT_EQ(json["steps"][i].get<float>(), quantisation_step(feature));
    EXPECT_EQ(json["rows"][0]["features"][i].get<float>(), 3 * quantisation_step(feature)) << feature.name;
  }
  Json first = json["rows"][0];
  first.erase("features");
  EXPECT_EQ(first, Json::parse(R"({"day":"2026-03-01","model":"m@1.0.0","sdk":"0.4.0","epsilon":1.5,)"
                               R"("label":"video","confidence":0.75,"uncertain":true,"truth":"non-video"})"));
  EXPECT_EQ(json["rows"][1]["truth"], nullptr);
  EXPECT_EQ(json["next"], "00004fc27fffffffffffffff");
  out.clear();
  write_observations_json({}, view_schema(View::kPacket), out);
  EXPECT_EQ(Json::parse(out)["rows"], Json::array());
  EXPECT_EQ(Json::parse(out)["next"], nullptr);
}

TEST(ObservationWriter, Cursor_ReadsBack) {
  ObservationQuery query;
  ASSERT_FALSE(read("cursor=" + cursor_of(page()), query));
  EXPECT_EQ(query.after_day, page().next_day);
  EXPECT_EQ(query.after_id, page().next_id);
}

TEST(ObservationWriter, Csv_HeaderAndRows) {
  std::string out;
  write_observations_csv(page(), view_schema(View::kPacket), out);
  EXPECT_TRUE(out.starts_with(
      "day,model,sdk,epsilon,label,confidence,uncertain,truth,down_bytes_log2,up_bytes_log2,"))
      << out;
  EXPECT_NE(out.find("\n2026-03-01,m@1.0.0,0.4.0,1.5,video,0.75,true,non-video,0.75,0.75,"),
            std::string::npos)
      << out;
  EXPECT_NE(out.find("\n2026-03-01,m@1.0.0,0.4.0,1.5,non-video,1,false,,0.75,"), std::string::npos) << out;
  EXPECT_EQ(std::count(out.begin(), out.end(), '\n'), 3);
  EXPECT_EQ(std::count(out.begin(), out.end(), ','), 3 * (7 + 48));
}

}  // namespace
}  // namespace reelsense::server
