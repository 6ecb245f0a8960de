// End to end: /v1/observations.
#include "reelsense/features/quantise.h"
#include "reelsense/features/schema.h"
#include "server/http/server_fixture.h"

namespace reelsense::server {
namespace {

using ::testing::HasSubstr;

class ObservationsApiTest : public ServerTest {
 protected:
  void start_with_log() {
    LogOptions options;
    options.file = folder_ / "log.sqlite";
    auto opened = InferenceLog::open(options, system_clock_);
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    log_ = std::move(opened).value();
    start();
  }
  static std::string body(const std::string& batch, int observations, int code = 1) {
    Json json = {{"batch", batch},
                 {"model", "reelsense-ue@1.0.0"},
                 {"view", "packet"},
                 {"schema_hash", packet_schema_hash()},
                 {"epsilon", 1},
                 {"sdk", "0.4.0"},
                 {"observations", Json::array()}};
    for (int i = 0; i < observations; ++i) {
      Json one = {{"features", std::vector<int>(kFeatureCount, code)},
                  {"label", i % 2 == 0 ? "video" : "non-video"},
                  {"confidence", 0.8},
                  {"uncertain", i % 2 != 0},
                  {"truth", nullptr}};
      if (i % 3 != 0) one["truth"] = i % 3 == 1 ? "video" : "non-video";
      json["observations"].push_back(one);
    }
    return json.dump();
  }
  std::string metrics() { return ask("GET", "/metrics").body; }

  const std::string first_ = std::string(32, '1');
  const std::string second_ = std::string(32, '2');
};

TEST_F(ObservationsApiTest, Stored_OnceAndReadBack) {
  start_with_log();
  const Reply stored = ask("POST", "/v1/observations", body(first_, 6, 5));
  ASSERT_EQ(stored.status, 200) << stored.body;
  EXPECT_EQ(stored.body, R"({"stored":6})");
  EXPECT_EQ(ask("POST", "/v1/observations", body(first_, 6, 5)).body, R"({"stored":6})");
  EXPECT_EQ(ask("POST", "/v1/observations", body(second_, 0)).body, R"({"stored":0})");

  const Json page = ask("GET", "/v1/observations?limit=4").json();
  ASSERT_EQ(page["rows"].size(), 4U);
  EXPECT_EQ(page["rows"][0]["features"][0].get<float>(), 5 * quantisation_step(feature_table()[0]));
  const Reply rest = ask("GET", "/v1/observations?limit=4&cursor=" + page["next"].get<std::string>(), {},
                         "Accept: text/csv\r\n");
  EXPECT_THAT(rest.headers.at("content-type"), HasSubstr("text/csv"));
  EXPECT_EQ(rest.headers.count("x-next-cursor"), 0U);
  EXPECT_EQ(std::count(rest.body.begin(), rest.body.end(), '\n'), 3);
  EXPECT_EQ(ask("GET", "/v1/observations?truth=video&label=non-video").json()["rows"].size(), 1U);

  const std::string text = metrics();
  EXPECT_THAT(text, HasSubstr(R"(reelsense_server_observation_batches_total{outcome="stored"} 2)"));
  EXPECT_THAT(text, HasSubstr(R"(reelsense_server_observation_batches_total{outcome="repeated"} 1)"));
  // Six: labels and truths go by turns of two and of three.
  for (const char* series :
       {R"(label="video",truth="none")", R"(label="video",truth="video")",
        R"(label="video",truth="non-video")", R"(label="non-video",truth="none")",
        R"(label="non-video",truth="video")", R"(label="non-video",truth="non-video")"}) {
    EXPECT_THAT(text, HasSubstr("reelsense_server_observations_total{" + std::string(series) + "} 1\n"));
  }
}

TEST_F(ObservationsApiTest, BadBodies_NameThePlaceAndAreCounted) {
  config_.limits.observations_per_request = 2;
  start_with_log();
  const Reply many = ask("POST", "/v1/observations", body(first_, 3));
  EXPECT_EQ(many.status, 400);
  EXPECT_EQ(many.json()["errors"][0]["where"], "observations");
  const Reply batch = ask("POST", "/v1/observations", body("xyz", 1));
  EXPECT_EQ(batch.json()["errors"][0]["where"], "batch");
  EXPECT_EQ(ask("GET", "/v1/observations?view=frame").json()["errors"][0]["where"], "view");
  EXPECT_EQ(ask("GET", "/v1/observations?format=xml").json()["errors"][0]["where"], "format");
  EXPECT_EQ(ask("GET", "/v1/observations?from=2026-02-01&to=2026-01-01").status, 400);
  EXPECT_THAT(metrics(), HasSubstr(R"(reelsense_server_observation_batches_total{outcome="invalid"} 2)"));
  EXPECT_EQ(ask("POST", "/v1/observations", body(first_, 2)).status, 200);
}

TEST_F(ObservationsApiTest, WithoutALog_Is501) {
  start();
  EXPECT_EQ(ask("POST", "/v1/observations", body(first_, 1)).problem(), "/problems/log-off");
  EXPECT_EQ(ask("GET", "/v1/observations").problem(), "/problems/log-off");
}

}  // namespace
}  // namespace reelsense::server
