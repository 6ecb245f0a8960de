// End to end: what the routes answer.
#include <fstream>
#include <sstream>
#include <thread>

#include "server/http/request.h"
#include "server/http/server_fixture.h"

namespace reelsense::server {
namespace {

using ::testing::HasSubstr;

class ApiTest : public ServerTest {
 protected:
  // What the model itself says of windows of one flow in order, its state carried.
  std::vector<float> alone(const std::string& model_name, const std::vector<std::vector<float>>& rows) {
    const auto model = models().find(model_name);
    auto scorer = std::move(model->make_scorer(1)).value();
    std::vector<float> state(model->state_width());
    std::vector<float> next(model->state_width());
    std::vector<float> probabilities;
    for (const std::vector<float>& row : rows) {
      EXPECT_EQ(row.size(), model->width());
      float probability = 0;
      EXPECT_TRUE(scorer->step(row.data(), state.data(), 1, &probability, next.data()).ok());
      state = next;
      probabilities.push_back(probability);
    }
    return probabilities;
  }
  // The numbers of some_numbers().
  static std::vector<float> row(int seed, bool edge) {
    std::vector<float> out = Json::parse(some_numbers(48, seed)).get<std::vector<float>>();
    if (!edge) return out;
    const auto bins = Json::parse(some_numbers(40, seed, 100)).get<std::vector<float>>();
    out.insert(out.end(), bins.begin(), bins.end());
    return out;
  }
  void open_log() {
    LogOptions options;
    options.file = folder_ / "log.sqlite";
    auto opened = InferenceLog::open(options, system_clock_);
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    log_ = std::move(opened).value();
  }
};

TEST_F(ApiTest, Classify_EdgeWindowsOfAFlow_EqualTheModelAlone) {
  start();
  std::vector<std::vector<float>> rows;
  std::string windows;
  for (int i = 0; i < 6; ++i) {
    rows.push_back(row(i, true));
    windows += (i == 0 ? "" : ",") + edge_window("flow", 100 + i, i);
  }
  const std::vector<float> expected = alone("reelsense-edge", rows);
  // Half of them in one request, the rest one by one: the state is carried all the same.
  const Reply reply =
      ask("POST", "/v1/classify", R"({"model":"reelsense-edge","windows":[)" + windows + "]}");
  ASSERT_EQ(reply.status, 200) << reply.body;
  const Json labels = reply.json()["labels"];
  EXPECT_EQ(reply.json()["model"], models().find("reelsense-edge")->id());
  ASSERT_EQ(labels.size(), 6U);
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_NEAR(labels[i]["probability"].get<float>(), expected[i], 1e-5);
    EXPECT_EQ(labels[i]["second"], 100 + i);
    const Decision decision =
        models().find("reelsense-edge")->to_decision(labels[i]["probability"].get<float>());
    EXPECT_EQ(labels[i]["label"], name_of(decision.label));
    EXPECT_EQ(labels[i]["confidence"].get<float>(), decision.confidence);
    EXPECT_EQ(labels[i]["uncertain"], decision.uncertain);
  }
  for (int i = 0; i < 6; ++i) {
    const Reply one =
        ask("POST", "/v1/classify",
            R"({"windows":[)" + edge_window("other", 100 + i, i) + R"(],"model":"reelsense-edge"})");
    ASSERT_EQ(one.status, 200) << one.body;
    EXPECT_NEAR(one.json()["labels"][0]["probability"].get<float>(), expected[static_cast<std::size_t>(i)],
                1e-5);
  }
}

TEST_F(ApiTest, Classify_RepeatedAndOldWindows_AreTold) {
  start();
  const auto classify = [&](int second) {
    return ask("POST", "/v1/classify", R"({"windows":[)" + ue_window("f\u00e9", second, second) + "]}")
        .json()["labels"][0];
  };
  const Json first = classify(1);
  EXPECT_FALSE(first.contains("repeated"));
  EXPECT_EQ(first["flow"], "f\u00e9");
  const Json again = classify(1);
  EXPECT_EQ(again["repeated"], true);
  EXPECT_EQ(again["probability"], first["probability"]);
  for (int second = 2; second < 20; ++second) classify(second);
  const Json old = classify(1);
  EXPECT_EQ(old["error"], "out_of_order");
  EXPECT_FALSE(old.contains("label"));
}

TEST_F(ApiTest, Classify_Packets_LabelsInOrderOfClosing) {
  start();
  std::string packets;
  for (int i = 0; i < 300; ++i) {
    const double t = 1700000000.0 + i * 0.01;
    packets += (i == 0 ? "" : ",") + ("[" + Json(t).dump() + (i % 3 == 0 ? ",60,\"up\"]" : ",1500,1]"));
  }
  const Reply open = ask("POST", "/v1/classify", R"({"flows":[{"flow":"p","packets":[)" + packets + "]}]}");
  ASSERT_EQ(open.status, 200) << open.body;
  ASSERT_EQ(open.json()["labels"].size(), 2U) << open.body;
  EXPECT_EQ(open.json()["labels"][0]["second"], 1700000000);
  EXPECT_EQ(open.json()["labels"][1]["flow"], "p");
  const Reply ended = ask("POST", "/v1/classify", R"({"flows":[{"flow":"p","packets":[],"end":true}]})");
  ASSERT_EQ(ended.json()["labels"].size(), 1U) << ended.body;
  EXPECT_EQ(ended.json()["labels"][0]["second"], 1700000002);
  EXPECT_EQ(ask("GET", "/v1/flows/p").status, 404);
}

TEST_F(ApiTest, Classify_BadRequests_NameThePlaceAndTheServerServesOn) {
  start();
  Client client(server_->port());
  const Reply reply =
      client.ask("POST", "/v1/classify", R"({"windows":[{"flow":"a","second":1,"features":[1,"x"]}]})");
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(reply.headers.at("content-type"), "application/problem+json");
  EXPECT_EQ(reply.json()["errors"][0]["where"], "windows[0].features[1]");
  EXPECT_EQ(client.ask("POST", "/v1/classify", R"({"model":"none","windows":[]})").problem(),
            "/problems/unknown-model");
  EXPECT_EQ(client.ask("POST", "/v1/classify", "").status, 400);
  EXPECT_EQ(client.ask("POST", "/v1/classify?timeout_ms=0", R"({"windows":[]})").status, 400);
  EXPECT_EQ(client.ask("POST", "/v1/classify?timeout_ms=50", R"({"windows":[]})").status, 200);
  const Reply name = client.ask("POST", "/v1/classify",
                                R"({"windows":[)" + ue_window(std::string(1 << 20, 'n'), 1, 1) + "]}");
  EXPECT_EQ(name.json()["errors"][0]["where"], "windows[0].flow");
  EXPECT_EQ(client.ask("POST", "/v1/classify", R"({"windows":[]})").json()["labels"].size(), 0U);
}

TEST_F(ApiTest, Classify_FullQueue_IsRefusedWithRetryAfter) {
  clock_ = &fake_clock_;
  engine_options_.queue_windows = 4;
  engine_options_.max_wait_ns = 3'600'000'000'000;  // by a clock that stands: the first window stays queued
  start();
  Client first(server_->port());
  const std::string body = R"({"windows":[)" + ue_window("q", 1, 1) + "]}";
  ASSERT_TRUE(first.send("POST /v1/classify HTTP/1.1\r\nHost: t\r\nContent-Length: " +
                         std::to_string(body.size()) + "\r\n\r\n" + body));
  while (engine_->stats().queued_windows == 0) std::this_thread::yield();
  std::string windows;
  for (int i = 0; i < 4; ++i) windows += (i == 0 ? "" : ",") + ue_window("q" + std::to_string(i), 1, i);
  const Reply reply = ask("POST", "/v1/classify", R"({"windows":[)" + windows + "]}");
  EXPECT_EQ(reply.status, 429);
  EXPECT_EQ(reply.problem(), "/problems/queue-full");
  EXPECT_GE(std::stoi(reply.headers.at("retry-after")), 1);
  engine_->drain(0);
  EXPECT_NE(first.read().status, 0);
}

TEST_F(ApiTest, Flows_ShowDeleteAndPercentNames) {
  start();
  ASSERT_EQ(ask("POST", "/v1/classify",
                R"({"windows":[)" + ue_window("a/b c", 7, 1) + "," + ue_window("a/b c", 8, 2) + "]}")
                .status,
            200);
  const Reply flow = ask("GET", "/v1/flows/a%2Fb%20c");
  ASSERT_EQ(flow.status, 200) << flow.body;
  EXPECT_EQ(flow.json()["windows"], 2);
  EXPECT_EQ(flow.json()["first_second"], 7);
  EXPECT_EQ(flow.json()["last"][0]["second"], 8);
  EXPECT_EQ(ask("DELETE", "/v1/flows/a%2Fb%20c").status, 204);
  EXPECT_EQ(ask("GET", "/v1/flows/a%2Fb%20c").problem(), "/problems/unknown-flow");
  EXPECT_EQ(ask("GET", "/v1/flows/%zz").status, 400);
}

TEST_F(ApiTest, Feedback_AcknowledgedIsInTheLog) {
  open_log();
  start();
  const Reply classified = ask("POST", "/v1/classify", R"({"windows":[)" + ue_window("fb", 7, 1) + "]}");
  ASSERT_EQ(classified.status, 200);
  const std::string said = classified.json()["labels"][0]["label"];
  const std::string other = said == "video" ? "non-video" : "video";
  const Reply stored = ask("POST", "/v1/feedback",
                           R"({"truths":[{"flow":"fb","second":7,"truth":")" + other +
                               R"("},{"flow":"unseen","second":7,"truth":"video"}]})");
  ASSERT_EQ(stored.status, 200) << stored.body;
  EXPECT_EQ(stored.json()["stored"], 2);
  EXPECT_EQ(stored.json()["matched"], 1);
  EXPECT_EQ(ask("POST", "/v1/feedback", R"({"truths":[]})").json()["stored"], 0);
  EXPECT_EQ(ask("POST", "/v1/feedback", R"({"truths":[{}]})").status, 400);
}

TEST_F(ApiTest, Logs_AreQueriedAsJsonAndCsv) {
  open_log();
  std::vector<LogEntry> entries(3);
  const std::int64_t begin_ms = system_clock_.wall_ns() / 1'000'000 - 60'000;
  const std::uint16_t model = log_->model_index("m", "1.0.0", "ue");
  for (std::size_t i = 0; i < entries.size(); ++i) {
    entries[i].time_ms = begin_ms + static_cast<std::int64_t>(i) * 1000;
    entries[i].flow = 255 + i;
    entries[i].second = static_cast<std::int64_t>(i);
    entries[i].model = model;
    entries[i].video = i == 1;
    entries[i].confidence = 0.75F;
  }
  ASSERT_EQ(log_->append(entries), 3U);
  ASSERT_TRUE(log_->flush().ok());
  start();
  const Reply first = ask("GET", "/v1/logs?limit=2");
  ASSERT_EQ(first.status, 200) << first.body;
  ASSERT_EQ(first.json()["rows"].size(), 2U);
  EXPECT_EQ(first.json()["rows"][0]["second"], 2);
  ASSERT_TRUE(first.json()["next"].is_string());
  const Reply rest = ask("GET", "/v1/logs?limit=2&cursor=" + first.json()["next"].get<std::string>());
  ASSERT_EQ(rest.json()["rows"].size(), 1U);
  EXPECT_TRUE(rest.json()["next"].is_null());
  EXPECT_EQ(ask("GET", "/v1/logs?label=video").json()["rows"][0]["flow"], "0000000000000100");
  EXPECT_EQ(ask("GET", "/v1/logs?flow=hash:00000000000000ff").json()["rows"].size(), 1U);
  const Reply csv = ask("GET", "/v1/logs?from=" + time_text(begin_ms + 1000), {}, "Accept: text/csv\r\n");
  EXPECT_EQ(csv.headers.at("content-type"), "text/csv; charset=utf-8");
  EXPECT_EQ(std::count(csv.body.begin(), csv.body.end(), '\n'), 3);
  EXPECT_EQ(ask("GET", "/v1/logs?limit=x").json()["errors"][0]["where"], "limit");
  EXPECT_EQ(ask("GET", "/v1/logs?format=xml").status, 400);
}

TEST_F(ApiTest, Log_Off_IsToldSo) {
  start();
  EXPECT_EQ(ask("GET", "/v1/logs").problem(), "/problems/log-off");
  EXPECT_EQ(ask("POST", "/v1/feedback", R"({"truths":[]})").status, 501);
}

std::string infer_body(const std::string& parameters, const std::string& name, const std::vector<float>& row,
                       const std::string& more = "") {
  return R"({"id":"i1","parameters":{)" + parameters + R"(},"inputs":[{"name":")" + name +
         R"(","datatype":"FP32","shape":[1,)" + std::to_string(row.size()) + R"(],"data":)" +
         Json(row).dump() + "}" + more + "]}";
}

TEST_F(ApiTest, Infer_StatesInAndOut_EqualASequence) {
  start();
  const std::vector<std::vector<float>> rows = {row(1, true), row(2, true), row(3, true)};
  const std::vector<float> expected = alone("reelsense-edge", rows);
  std::string state;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Reply stateless =
        ask("POST", "/v2/models/reelsense-edge/infer", infer_body("", "window", rows[i], state));
    ASSERT_EQ(stateless.status, 200) << stateless.body;
    const Json outputs = stateless.json()["outputs"];
    EXPECT_EQ(stateless.json()["id"], "i1");
    EXPECT_NEAR(outputs[0]["data"][0].get<float>(), expected[i], 1e-5);
    ASSERT_EQ(outputs[1]["name"], "next_state");
    state = R"(,{"name":"state","datatype":"FP32","shape":)" + outputs[1]["shape"].dump() + R"(,"data":)" +
            outputs[1]["data"].dump() + "}";
    const std::string parameters = std::string(R"("sequence_id":42,"sequence_start":)") +
                                   (i == 0 ? "true" : "false") + R"(,"sequence_end":)" +
                                   (i == 2 ? "true" : "false");
    const Reply sequence =
        ask("POST", "/v2/models/reelsense-edge/infer", infer_body(parameters, "window", rows[i]));
    ASSERT_EQ(sequence.status, 200) << sequence.body;
    ASSERT_EQ(sequence.json()["outputs"].size(), 1U);
    EXPECT_NEAR(sequence.json()["outputs"][0]["data"][0].get<float>(), expected[i], 1e-5);
  }
  const Reply over =
      ask("POST", "/v2/models/reelsense-edge/infer", infer_body(R"("sequence_id":42)", "window", rows[0]));
  EXPECT_EQ(over.status, 400);
  EXPECT_THAT(over.json()["error"].get<std::string>(), HasSubstr("sequence 42 is not known"));
}

TEST_F(ApiTest, Infer_BinaryTensors_BothWays) {
  start();
  const std::vector<float> values = row(5, false);
  const Json head = {
      {"inputs",
       {{{"name", "features"},
         {"datatype", "FP32"},
         {"shape", {1, 48}},
         {"parameters", {{"binary_data_size", 192}}}}}},
      {"outputs", {{{"name", "probability"}, {"parameters", {{"binary_data", true}}}}, {{"name", "label"}}}}};
  const std::string json = head.dump();
  const std::string body = json + std::string(reinterpret_cast<const char*>(values.data()), 192);
  const std::string length = "Inference-Header-Content-Length: " + std::to_string(json.size()) + "\r\n";
  const Reply reply = ask("POST", "/v2/models/reelsense-ue-linear/versions/1.0.0/infer", body,
                          "Content-Type: application/octet-stream\r\n" + length);
  ASSERT_EQ(reply.status, 200) << reply.body;
  const std::size_t json_bytes = std::stoul(reply.headers.at("inference-header-content-length"));
  ASSERT_EQ(reply.body.size(), json_bytes + 4);
  float probability = 0;
  std::memcpy(&probability, reply.body.data() + json_bytes, 4);
  EXPECT_NEAR(probability, alone("reelsense-ue-linear", {values})[0], 1e-6);
  const Json outputs = Json::parse(reply.body.substr(0, json_bytes))["outputs"];
  EXPECT_EQ(outputs[1]["datatype"], "BYTES");
  EXPECT_EQ(outputs[1]["data"][0], probability >= 0.5F ? "video" : "non-video");
  EXPECT_EQ(
      ask("POST", "/v2/models/reelsense-ue-linear/infer", body, "Inference-Header-Content-Length: 99999\r\n")
          .status,
      400);
}

TEST_F(ApiTest, Infer_NanRow_IsNamed) {
  start();
  std::vector<float> values = row(5, false);
  values[7] = std::numeric_limits<float>::quiet_NaN();
  const std::string json =
      R"({"inputs":[{"name":"features","datatype":"FP32","shape":[1,48],"parameters":{"binary_data_size":192}}]})";
  const Reply reply = ask("POST", "/v2/models/reelsense-ue-linear/infer",
                          json + std::string(reinterpret_cast<const char*>(values.data()), 192),
                          "Inference-Header-Content-Length: " + std::to_string(json.size()) + "\r\n");
  EXPECT_EQ(reply.status, 400);
  EXPECT_THAT(reply.json()["error"].get<std::string>(), HasSubstr("NaN or infinite"));
}

TEST_F(ApiTest, OpenInference_Metadata_DescribesTheTensors) {
  start();
  EXPECT_EQ(ask("GET", "/v2").json()["version"], "1.2.3");
  const Json edge = ask("GET", "/v2/models/reelsense-edge").json();
  EXPECT_EQ(edge["inputs"][0], (Json{{"name", "window"}, {"datatype", "FP32"}, {"shape", {-1, 88}}}));
  EXPECT_EQ(edge["inputs"][1]["name"], "state");
  EXPECT_EQ(edge["outputs"].size(), 4U);
  const Json ue = ask("GET", "/v2/models/reelsense-ue/versions/1.0.0").json();
  EXPECT_EQ(ue["inputs"].size(), 1U);
  EXPECT_EQ(ue["versions"], Json::array({"1.0.0"}));
  EXPECT_EQ(ask("GET", "/v2/models/reelsense-edge/ready").status, 200);
  const Reply none = ask("GET", "/v2/models/none/ready");
  EXPECT_EQ(none.status, 404);
  EXPECT_TRUE(none.json().contains("error"));
  EXPECT_EQ(ask("GET", "/v2/models/reelsense-edge/versions/9.9.9").status, 404);
  const Json index = ask("POST", "/v2/repository/index").json();
  EXPECT_EQ(index.size(), models().list().size());
  EXPECT_EQ(index[0]["state"], "READY");
}

TEST_F(ApiTest, Models_AliasesAndLists) {
  start();
  const Json models = ask("GET", "/v1/models").json();
  EXPECT_EQ(models["default"], "reelsense-ue-linear@1.0.0");
  EXPECT_GE(models["models"].size(), 5U);
  EXPECT_EQ(models["models"][0]["name"], "reelsense-edge");
  EXPECT_EQ(models["models"][0]["bins"], 40);
  EXPECT_EQ(ask("PUT", "/v1/aliases/live", R"({"model":"reelsense-ue@1.0.0"})").status, 200);
  EXPECT_EQ(ask("GET", "/v1/models").json()["aliases"]["live"], "reelsense-ue@1.0.0");
  EXPECT_EQ(ask("POST", "/v1/classify", R"({"model":"live","windows":[]})").json()["model"],
            "reelsense-ue@1.0.0");
  EXPECT_EQ(ask("DELETE", "/v1/aliases/live").status, 204);
  EXPECT_EQ(ask("DELETE", "/v1/aliases/live").status, 404);
  EXPECT_EQ(ask("PUT", "/v1/aliases/live", R"({"model":"none"})").problem(), "/problems/unknown-model");
  EXPECT_EQ(ask("POST", "/v1/models/rescan").status, 200);
  EXPECT_EQ(ask("POST", "/v1/models/none/versions/1.0.0/load").status, 404);
}

TEST_F(ApiTest, Analyses_CaptureIn_LabelsOut) {
  start();
  const auto path = std::filesystem::path(REELSENSE_SOURCE_DIR) / "tests/captures/feed-h2.pcap";
  std::stringstream capture;
  capture << std::ifstream(path, std::ios::binary).rdbuf();
  ASSERT_GT(capture.str().size(), 300'000U);  // several parts
  const Reply submitted = ask("POST", "/v1/analyses?name=feed&model=reelsense-ue", capture.str(),
                              "Content-Type: application/vnd.tcpdump.pcap\r\n");
  ASSERT_EQ(submitted.status, 202) << submitted.body;
  const std::string location = submitted.headers.at("location");
  EXPECT_EQ(location, "/v1/analyses/" + submitted.json()["id"].get<std::string>());
  Json view;
  do {
    view = ask("GET", location).json();
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  } while (view["state"] == "waiting" || view["state"] == "running");
  ASSERT_EQ(view["state"], "done") << view;
  EXPECT_EQ(view["name"], "feed");
  EXPECT_GT(view["summary"]["windows"], 0);
  const Reply labels = ask("GET", location + "/labels");
  EXPECT_EQ(labels.status, 200);
  EXPECT_EQ(labels.headers.at("content-type"), "text/csv; charset=utf-8");
  EXPECT_EQ(std::count(labels.body.begin(), labels.body.end(), '\n'),
            view["summary"]["windows"].get<int>() + 1);
  EXPECT_EQ(ask("GET", "/v1/analyses").json()["analyses"].size(), 1U);
  EXPECT_EQ(ask("DELETE", location).status, 204);
  EXPECT_EQ(ask("GET", location).status, 404);
  EXPECT_EQ(ask("GET", location + "/labels").status, 404);
}

TEST_F(ApiTest, Analyses_Refused_LeaveNoFileBehind) {
  config_.analyses.max_capture_mib = 1;
  start();
  const std::string type = "Content-Type: application/octet-stream\r\n";
  EXPECT_EQ(ask("POST", "/v1/analyses", "", type).status, 400);
  EXPECT_EQ(ask("POST", "/v1/analyses?model=none", "x", type).problem(), "/problems/unknown-model");
  EXPECT_EQ(ask("POST", "/v1/analyses", "x", "Content-Type: application/json\r\n").status, 415);
  EXPECT_EQ(ask("POST", "/v1/analyses?model=reelsense-ue-socket", "x", type).status, 422);
  Client large(server_->port());
  ASSERT_TRUE(
      large.send("POST /v1/analyses HTTP/1.1\r\nHost: t\r\n" + type + "Content-Length: 1048577\r\n\r\n"));
  EXPECT_EQ(large.read().status, 413);
  {
    Client half(server_->port());
    ASSERT_TRUE(half.send("POST /v1/analyses HTTP/1.1\r\nHost: t\r\n" + type +
                          "Content-Length: 1000000\r\n\r\n" + std::string(600'000, 'x')));
  }
  server_->stop(std::chrono::seconds(5));
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_)) {
    EXPECT_FALSE(entry.is_regular_file()) << entry.path();
  }
}

TEST_F(ApiTest, Keys_ScopesDecide) {
  const NewKey infer = make_key("device", static_cast<std::uint8_t>(Scope::kInfer));
  const NewKey admin = make_key("boss", static_cast<std::uint8_t>(Scope::kAdmin));
  config_.auth.keys_file = (folder_ / "keys.toml").string();
  std::ofstream(config_.auth.keys_file) << infer.entry << "\n" << admin.entry << "\n";
  start();
  const std::string body = R"({"windows":[)" + ue_window("f", 1, 1) + "]}";
  const Reply none = ask("POST", "/v1/classify", body);
  EXPECT_EQ(none.status, 401);
  EXPECT_EQ(none.headers.at("www-authenticate"), "Bearer");
  EXPECT_EQ(ask("POST", "/v1/classify", body, "Authorization: Bearer rs_wrong\r\n").status, 401);
  EXPECT_EQ(ask("POST", "/v1/classify", body, "Authorization: Bearer " + infer.key + "\r\n").status, 200);
  EXPECT_EQ(ask("POST", "/v1/classify", body, "X-API-Key: " + infer.key + "\r\n").status, 200);
  EXPECT_EQ(ask("POST", "/v1/models/rescan", {}, "X-API-Key: " + infer.key + "\r\n").problem(),
            "/problems/forbidden");
  EXPECT_EQ(ask("POST", "/v1/models/rescan", {}, "X-API-Key: " + admin.key + "\r\n").status, 200);
  EXPECT_EQ(ask("POST", "/v1/classify", body, "X-API-Key: " + admin.key + "\r\n").status, 403);
  // A flow is its key's own.
  EXPECT_EQ(ask("GET", "/v1/flows/f", {}, "X-API-Key: " + infer.key + "\r\n").status, 200);
  EXPECT_EQ(ask("GET", "/v2/health/live").status, 200);
  EXPECT_EQ(ask("GET", "/metrics").status, 200);  // on loopback
}

TEST_F(ApiTest, RateLimit_OfTheKey_IsHeldToRequestsAndWindows) {
  clock_ = &fake_clock_;
  config_.limits.windows_per_s = 2;
  start();
  const auto classify = [&](int windows) {
    std::string text;
    for (int i = 0; i < windows; ++i) text += (i == 0 ? "" : ",") + ue_window("r" + std::to_string(i), 1, i);
    return ask("POST", "/v1/classify", R"({"windows":[)" + text + "]}");
  };
  EXPECT_EQ(classify(2).status, 200);
  const Reply refused = classify(1);
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.problem(), "/problems/rate-limited");
  EXPECT_EQ(refused.headers.at("retry-after"), "1");
  fake_clock_.advance(1);
  EXPECT_EQ(classify(1).status, 200);
}

TEST_F(ApiTest, Operation_MetricsAndDocuments) {
  start();
  ask("POST", "/v1/classify", R"({"windows":[)" + ue_window("f", 1, 1) + "]}");
  const Reply metrics = ask("GET", "/metrics");
  EXPECT_THAT(metrics.headers.at("content-type"), HasSubstr("text/plain"));
  EXPECT_THAT(metrics.body, HasSubstr("/v1/classify"));
  EXPECT_EQ(ask("GET", "/openapi.json").json()["info"]["version"], "1.2.3");
  EXPECT_THAT(ask("GET", "/docs").body, HasSubstr("/v1/classify"));
  EXPECT_EQ(ask("GET", "/").headers.at("location"), "/docs");
  EXPECT_EQ(ask("GET", "/problems/queue-full").headers.at("location"), "/docs#problem-queue-full");
  EXPECT_EQ(ask("GET", "/problems/none").status, 404);
}

}  // namespace
}  // namespace reelsense::server
