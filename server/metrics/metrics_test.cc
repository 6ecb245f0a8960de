#include "server/metrics/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "server/engine/fake_model.h"
#include "server/metrics/definitions.h"
#include "server/metrics/exposition_checker.h"
#include "server/metrics/model_series.h"

namespace reelsense::server {
namespace {

namespace fs = std::filesystem;
using server::testing::FakeModel;
using ::testing::HasSubstr;

class MetricsTest : public ::testing::Test {
 protected:
  // One small released bundle, read once.
  static void SetUpTestSuite() {
    root_ = fs::path(::testing::TempDir()) / ("metrics_" + std::to_string(::getpid()));
    fs::create_directories(root_ / "reelsense-ue");
    fs::copy(fs::path(REELSENSE_SOURCE_DIR) / "models/reelsense-ue/1.0.0", root_ / "reelsense-ue/1.0.0",
             fs::copy_options::recursive);
    fs::create_directories(root_ / "reelsense-ue/0.9.0");
    std::ofstream(root_ / "reelsense-ue/0.9.0/manifest.json") << "{}";
    ModelRepositoryOptions options;
    options.path = {root_};
    options.default_model = "reelsense-ue";
    options.poll_s = 0;
    Result<std::unique_ptr<ModelRepository>> opened = ModelRepository::open(options);
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    models_ = std::move(opened.value());
  }
  static void TearDownTestSuite() {
    models_.reset();
    fs::remove_all(root_);
  }

  // The text, read strictly.
  CheckedExposition read(const EngineStats& engine = {}, const LogStats* log = nullptr) {
    CheckedExposition out(metrics_.text(engine, log, *models_));
    EXPECT_EQ(out.error(), "");
    return out;
  }
  void batch(const ServedModel& model, const std::vector<Answer>& answers,
             std::int64_t compute_ns = 400'000) {
    std::vector<LabelEvent> events;
    for (const Answer& answer : answers) events.push_back({{1, 2}, 0, &answer});
    metrics_.on_batch(model, events, compute_ns, 0);
  }
  static Answer answer(Label label, float confidence, std::uint32_t queue_us = 300,
                       AnswerCode code = AnswerCode::kOk, bool uncertain = false) {
    Answer out;
    out.code = code;
    out.decision = {confidence, confidence, label, uncertain};
    out.queue_us = queue_us;
    return out;
  }

  static inline fs::path root_;
  static inline std::unique_ptr<ModelRepository> models_;
  Metrics metrics_;
};

TEST_F(MetricsTest, NothingHappened_TextIsWellFormed) {
  const CheckedExposition text = read();
  EXPECT_EQ(text.value("reelsense_server_connections{api=\"rest\"}"), 0);
  EXPECT_EQ(text.value("reelsense_server_live_flows"), 0);
  EXPECT_FALSE(text.has("reelsense_server_log_rows_total"));
}

TEST_F(MetricsTest, Batch_IsCountedByModel) {
  const FakeModel model("1.2.0", "edge");
  batch(model, {answer(Label::kVideo, 0.97F, 40), answer(Label::kNonVideo, 0.5F, 100, AnswerCode::kOk, true),
                answer(Label::kVideo, 1.0F, 2'000'000), answer(Label::kVideo, 0.9F, 7, AnswerCode::kRepeated),
                answer(Label::kVideo, 0.9F, 7, AnswerCode::kDeadline),
                answer(Label::kVideo, 0.9F, 7, AnswerCode::kInternal)});
  batch(model, {answer(Label::kVideo, 0.97F, 40)}, 60'000);
  const CheckedExposition text = read();
  const std::string model_label = "model=\"edge@1.2.0\"";
  const auto value = [&](const std::string& name, const std::string& more = "") {
    return text.value("reelsense_server_" + name + "{" + more + model_label + "}");
  };
  EXPECT_EQ(value("windows_total", "label=\"video\","), 3);
  EXPECT_EQ(value("windows_total", "label=\"non-video\","), 1);
  EXPECT_EQ(value("uncertain_windows_total"), 1);
  EXPECT_EQ(value("repeated_windows_total"), 1);
  EXPECT_EQ(value("window_errors_total", "code=\"deadline\","), 1);
  EXPECT_EQ(value("window_errors_total", "code=\"internal\","), 1);
  EXPECT_EQ(value("window_errors_total", "code=\"invalid\","), 0);
  EXPECT_EQ(value("confidence_count"), 4);
  EXPECT_NEAR(value("confidence_sum"), 0.97 + 0.5 + 1.0 + 0.97, 1e-6);
  EXPECT_EQ(value("queue_seconds_count"), 4);
  EXPECT_NEAR(value("queue_seconds_sum"), 2.00018, 1e-9);
  EXPECT_EQ(value("compute_seconds_count"), 2);
  EXPECT_NEAR(value("compute_seconds_sum"), 0.00046, 1e-12);
  EXPECT_EQ(value("batch_size_count"), 2);
  EXPECT_EQ(value("batch_size_sum"), 5);  // three labelled and one failed; then one
}

TEST_F(MetricsTest, Buckets_IncludeTheirBound) {
  const FakeModel model;
  batch(model, {answer(Label::kVideo, 1.0F, 100), answer(Label::kVideo, 0.5F, 101)});
  const CheckedExposition text = read();
  const auto bucket = [&](const std::string& name, const std::string& bound) {
    return text.value("reelsense_server_" + name + "_bucket{model=\"fake@1.0.0\",le=\"" + bound + "\"}");
  };
  EXPECT_EQ(bucket("confidence", "0.99"), 1);
  EXPECT_EQ(bucket("confidence", "1"), 2);
  EXPECT_EQ(bucket("confidence", "+Inf"), 2);
  EXPECT_EQ(bucket("queue_seconds", "5e-05"), 0);
  EXPECT_EQ(bucket("queue_seconds", "0.0001"), 1);
  EXPECT_EQ(bucket("queue_seconds", "0.00025"), 2);
  EXPECT_EQ(bucket("batch_size", "1"), 0);
  EXPECT_EQ(bucket("batch_size", "2"), 1);
}

TEST_F(MetricsTest, BatchWithoutScoredWindows_IsNoBatch) {
  batch(FakeModel(), {answer(Label::kVideo, 0.9F, 7, AnswerCode::kCancelled)});
  const CheckedExposition text = read();
  EXPECT_EQ(text.value("reelsense_server_batch_size_count{model=\"fake@1.0.0\"}"), 0);
  EXPECT_EQ(text.value("reelsense_server_compute_seconds_count{model=\"fake@1.0.0\"}"), 0);
}

TEST_F(MetricsTest, SameVersionLoadedAgain_GoesOnCounting) {
  batch(FakeModel(), {answer(Label::kVideo, 0.9F)});
  batch(FakeModel(), {answer(Label::kVideo, 0.9F)});
  EXPECT_EQ(read().value("reelsense_server_windows_total{label=\"video\",model=\"fake@1.0.0\"}"), 2);
}

TEST_F(MetricsTest, ModelsThatComeAndGo_KeepTheBound) {
  const FakeModel kept("9.0.0");
  for (std::size_t i = 0; i < 3 * ModelTable::kMostModels; ++i) {
    batch(kept, {answer(Label::kVideo, 0.9F)});
    batch(FakeModel("1.0." + std::to_string(i)), {answer(Label::kVideo, 0.9F)});
  }
  const CheckedExposition text = read();
  EXPECT_EQ(text.count("reelsense_server_confidence_count"), ModelTable::kMostModels);
  EXPECT_EQ(text.count("reelsense_server_windows_total"), 2 * ModelTable::kMostModels);
  // The one in use was never given up.
  EXPECT_EQ(text.value("reelsense_server_windows_total{label=\"video\",model=\"fake@9.0.0\"}"),
            3 * ModelTable::kMostModels);
}

TEST_F(MetricsTest, Requests_AreCountedAndTimedByRoute) {
  metrics_.request(Api::kRest, "/v1/flows/{flow}", "200", 0.002);
  metrics_.request(Api::kRest, "/v1/flows/{flow}", "404", 0.0001);
  metrics_.request(Api::kGrpc, "FlowClassifier/Classify", "OK", 3);
  const CheckedExposition text = read();
  const std::string route = "api=\"rest\",route=\"/v1/flows/{flow}\"";
  EXPECT_EQ(text.value("reelsense_server_requests_total{" + route + ",status=\"200\"}"), 1);
  EXPECT_EQ(text.value("reelsense_server_requests_total{" + route + ",status=\"404\"}"), 1);
  EXPECT_EQ(text.value("reelsense_server_request_duration_seconds_count{" + route + "}"), 2);
  EXPECT_EQ(text.value("reelsense_server_request_duration_seconds_bucket{" + route + ",le=\"0.0001\"}"), 1);
  EXPECT_EQ(
      text.value("reelsense_server_requests_total{api=\"grpc\",route=\"FlowClassifier/Classify\",status="
                 "\"OK\"}"),
      1);
}

TEST_F(MetricsTest, ValuesWithoutEnd_AreCountedAsOther) {
  for (int i = 0; i < 1000; ++i) {
    metrics_.request(Api::kRest, "/" + std::to_string(i), "200", 0.001);
    metrics_.request(Api::kRest, "/0", std::to_string(i), 0.001);
    metrics_.refused(Api::kGrpc, "reason " + std::to_string(i));
  }
  const CheckedExposition text = read();
  EXPECT_LE(text.count("reelsense_server_request_duration_seconds_count"), 65U);
  EXPECT_LE(text.count("reelsense_server_requests_total"), 2 * 65U);
  EXPECT_EQ(text.count("reelsense_server_refused_total"), 65U);
  EXPECT_EQ(text.value("reelsense_server_refused_total{api=\"grpc\",reason=\"other\"}"), 1000 - 64);
}

TEST_F(MetricsTest, ValuesThatAreNoNames_AreCountedAsOther) {
  for (const std::string& value :
       {std::string(), std::string("-"), std::string("a\nb"), std::string("\xff"), std::string(101, 'x')}) {
    metrics_.request(Api::kRest, value, "200", 0.001);
  }
  metrics_.request(Api::kRest, "quote\"\\", "200", 0.001);
  const CheckedExposition text = read();
  EXPECT_EQ(text.value("reelsense_server_requests_total{api=\"rest\",route=\"other\",status=\"200\"}"), 5);
  EXPECT_EQ(
      text.value("reelsense_server_requests_total{api=\"rest\",route=\"quote\\\"\\\\\",status=\"200\"}"), 1);
}

TEST_F(MetricsTest, ConnectionsAndMessages_AreCounted) {
  for (int i = 0; i < 3; ++i) metrics_.connections(Api::kRest, 1);
  metrics_.connections(Api::kRest, -1);
  metrics_.stream_messages(10, 7);
  metrics_.stream_messages(1, 0);
  metrics_.refused(Api::kRest, "queue_full");
  const CheckedExposition text = read();
  EXPECT_EQ(text.value("reelsense_server_connections{api=\"rest\"}"), 2);
  EXPECT_EQ(text.value("reelsense_server_connections{api=\"grpc\"}"), 0);
  EXPECT_EQ(text.value("reelsense_server_stream_messages_total{direction=\"in\"}"), 11);
  EXPECT_EQ(text.value("reelsense_server_stream_messages_total{direction=\"out\"}"), 7);
  EXPECT_EQ(text.value("reelsense_server_refused_total{api=\"rest\",reason=\"queue_full\"}"), 1);
}

TEST_F(MetricsTest, StateOfEngineAndLog_IsTakenWhenAsked) {
  EngineStats engine;
  engine.live_flows = 100'000;
  engine.queued_windows = 2;
  engine.flows_opened = 3;
  engine.flows_expired = 4;
  engine.flows_evicted = 5;
  engine.rejected_jobs = 6;
  engine.state_bytes = 7;
  LogStats log;
  log.written = 12'345'678'901;
  log.dropped = 12;
  log.feedback = 13;
  log.failures = 14;
  log.deleted = 15;
  log.queued = 16;
  log.file_bytes = 17;
  const CheckedExposition text = read(engine, &log);
  const auto value = [&](const std::string& name) { return text.value("reelsense_server_" + name); };
  EXPECT_EQ(value("live_flows"), 100'000);
  EXPECT_EQ(value("queue_depth"), 2);
  EXPECT_EQ(value("flows_opened_total"), 3);
  EXPECT_EQ(value("flows_expired_total"), 4);
  EXPECT_EQ(value("flows_evicted_total"), 5);
  EXPECT_EQ(value("rejected_jobs_total"), 6);
  EXPECT_EQ(value("state_bytes"), 7);
  EXPECT_EQ(value("log_rows_total"), 12'345'678'901.0);
  EXPECT_EQ(value("log_dropped_total"), 12);
  EXPECT_EQ(value("log_feedback_total"), 13);
  EXPECT_EQ(value("log_failures_total"), 14);
  EXPECT_EQ(value("log_deleted_total"), 15);
  EXPECT_EQ(value("log_queued_rows"), 16);
  EXPECT_EQ(value("log_file_bytes"), 17);
}

TEST_F(MetricsTest, Models_AreListedWithTheirState) {
  const CheckedExposition text = read();
  EXPECT_EQ(
      text.value("reelsense_server_model_info{model=\"reelsense-ue\",version=\"1.0.0\",tier=\"ue\",state="
                 "\"ready\"}"),
      1);
  EXPECT_EQ(
      text.value("reelsense_server_model_info{model=\"reelsense-ue\",version=\"0.9.0\",tier=\"unknown\","
                 "state=\"failed\"}"),
      1);
}

TEST_F(MetricsTest, Process_IsDescribed) {
  const std::int64_t now = std::time(nullptr);
  const CheckedExposition text = read();
  EXPECT_GT(text.value("process_resident_memory_bytes"), 1 << 20);
  EXPECT_GT(text.value("process_cpu_seconds_total"), 0);
  EXPECT_GT(text.value("process_start_time_seconds"), static_cast<double>(now - 86'400));
  EXPECT_LE(text.value("process_start_time_seconds"), static_cast<double>(now + 2));
  const double before = text.value("process_open_fds");
  EXPECT_GE(before, 3);
  const std::ifstream open(fs::path(REELSENSE_SOURCE_DIR) / "CMakeLists.txt");
  EXPECT_EQ(read().value("process_open_fds"), before + 1);
}

// The table is whole: everything that is shown is defined, everything defined is shown once it happened.
TEST_F(MetricsTest, EveryDefinition_IsShown) {
  batch(FakeModel(), {answer(Label::kVideo, 0.9F)});
  metrics_.request(Api::kRest, "/metrics", "200", 0.001);
  metrics_.refused(Api::kRest, "auth");
  const LogStats log;
  const CheckedExposition text = read({}, &log);
  std::map<std::string, std::string> expected;
  for (const MetricDefinition& definition : metric_definitions()) {
    if (definition.id == MetricId::kProcessMaxFds && !text.types().contains(definition.name))
      continue;  // unlimited
    expected[definition.name] = definition.kind == MetricKind::kCounter ? "counter"
                                : definition.kind == MetricKind::kGauge ? "gauge"
                                                                        : "histogram";
  }
  EXPECT_EQ(text.types(), expected);
}

TEST_F(MetricsTest, ManyThreads_LoseNothing) {
  const FakeModel model;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 500; ++i) {
        batch(model, {answer(Label::kVideo, 0.9F), answer(Label::kNonVideo, 0.8F)});
        metrics_.request(Api::kRest, "/v1/classify", "200", 0.001);
        // Others come and go meanwhile.
        batch(FakeModel("2." + std::to_string(t) + "." + std::to_string(i)), {answer(Label::kVideo, 0.9F)});
        if (i % 100 == 0) (void)metrics_.text({}, nullptr, *models_);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const CheckedExposition text = read();
  EXPECT_EQ(text.value("reelsense_server_windows_total{label=\"video\",model=\"fake@1.0.0\"}"), 2000);
  EXPECT_EQ(text.value("reelsense_server_queue_seconds_count{model=\"fake@1.0.0\"}"), 4000);
  EXPECT_EQ(text.value("reelsense_server_requests_total{api=\"rest\",route=\"/v1/classify\",status=\"200\"}"),
            2000);
}

TEST(MetricsReference, Page_IsCurrent) {
  std::ifstream file(fs::path(REELSENSE_SOURCE_DIR) / "docs/reference/server-metrics.md");
  std::ostringstream page;
  page << file.rdbuf();
  EXPECT_EQ(page.str(), Metrics::reference())
      << "docs/reference/server-metrics.md is not current: run `make docs`";
}

TEST(MetricsReference, Page_NamesEveryMetricAndItsLabels) {
  const std::string page = Metrics::reference();
  for (const MetricDefinition& definition : metric_definitions()) {
    EXPECT_THAT(page, HasSubstr("| `" + std::string(definition.name) + "` |"));
    std::istringstream labels(definition.labels);
    for (std::string label; std::getline(labels, label, ',');) {
      EXPECT_THAT(page, HasSubstr("\n| `" + label + "` | "));
    }
  }
}

// The checker itself: what it must refuse.
TEST(ExpositionChecker, BadText_IsRefused) {
  const std::string head = "# HELP a_total x\n# TYPE a_total counter\n";
  EXPECT_EQ(CheckedExposition(head + "a_total{b=\"c\\\"\"} 1\n").error(), "");
  for (const std::string& text :
       {std::string(), head + "a_total 1", head + "a_total x\n", head + "a_total -1\n", head + "b_total 1\n",
        head + "a_total{b=c} 1\n", head + "a_total{b=\"c} 1\n", head + "a_total 1\na_total 2\n", head + head,
        head + "\n", std::string("a_total 1\n"), std::string("# HELP a x\n# TYPE a counter\na 1\n"),
        std::string("# HELP h x\n# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_sum 2\nh_count 2\n"),
        std::string("# HELP h x\n# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 1\nh_sum 2\n"
                    "h_count 1\n"),
        std::string("# HELP h x\n# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 2\nh_count 2\n")}) {
    EXPECT_NE(CheckedExposition(text).error(), "") << text;
  }
}

}  // namespace
}  // namespace reelsense::server
