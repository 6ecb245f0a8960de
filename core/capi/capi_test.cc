// What the C ABI promises beyond what reelsense_test.c shows: equality with the classes behind it, bounds,
// threads.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "reelsense.h"
#include "reelsense/features/schema.h"

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kStart = 1'700'000'000 * kSecond;

rs_model* load(const std::string& name) {
  std::ifstream file(REELSENSE_SOURCE_DIR "/models/" + name + "/1.0.0/model.onnx", std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
  rs_model* model = nullptr;
  rs_error error{};
  EXPECT_EQ(rs_model_load(&model, bytes.data(), bytes.size(), &error), RS_OK) << error.message;
  return model;
}

struct Collected {
  std::vector<rs_window> windows;
  std::vector<std::vector<float>> features;
  std::vector<rs_second> seconds;
};

rs_options collecting(Collected& into, rs_view view) {
  rs_options options;
  rs_options_init(&options, sizeof options);
  options.view = view;
  options.user = &into;
  options.on_windows = [](void* user, const rs_window* windows, size_t n) {
    auto* to = static_cast<Collected*>(user);
    for (size_t i = 0; i < n; ++i) {
      to->windows.push_back(windows[i]);
      to->features.emplace_back(windows[i].features, windows[i].features + 28);
    }
  };
  options.on_second = [](void* user, const rs_second* second) {
    static_cast<Collected*>(user)->seconds.push_back(*second);
  };
  return options;
}

TEST(Capi, Structs_HaveTheSizesThatBindingsRelyOn) {
  EXPECT_EQ(sizeof(rs_decision), 12U);
  EXPECT_EQ(sizeof(rs_flow_tuple), 40U);
  EXPECT_EQ(sizeof(rs_window), 128U);
  EXPECT_EQ(sizeof(rs_qos), 20U);
  EXPECT_EQ(sizeof(rs_packet), 56U);
}

TEST(Capi, ExtractedRows_AreThoseOfAClassifier) {
  std::vector<std::int64_t> times;
  std::vector<std::uint32_t> bytes;
  std::vector<std::uint8_t> directions;
  for (int i = 0; i < 2000; ++i) {
    times.push_back(kStart + i * 7'300'000LL + (i / 500) * 125 * kSecond);  // with gaps over the idle timeout
    bytes.push_back(i % 9 == 0 ? 0 : 40U + static_cast<std::uint32_t>(i * 37 % 60'000));
    directions.push_back(i % 4 == 0 ? RS_UP : RS_DOWN);
  }
  Collected seen;
  const rs_options options = collecting(seen, RS_VIEW_SOCKET);
  rs_classifier* classifier = nullptr;
  ASSERT_EQ(rs_classifier_create(&classifier, nullptr, &options, nullptr), RS_OK);
  std::uint64_t flow = 0;
  ASSERT_EQ(rs_flow_open(classifier, &flow, kStart), RS_OK);
  for (std::size_t i = 0; i < times.size(); ++i) {
    const auto add = directions[i] == RS_UP ? rs_flow_write : rs_flow_read;
    ASSERT_EQ(add(classifier, flow, bytes[i], times[i]), RS_OK);
  }
  ASSERT_EQ(rs_classifier_finish(classifier), RS_OK);
  rs_classifier_free(classifier);

  std::size_t rows = 0;
  ASSERT_EQ(rs_extract(nullptr, nullptr, nullptr, 0, &rows, RS_VIEW_SOCKET, times.data(), bytes.data(),
                       directions.data(), times.size(), nullptr),
            RS_LIMIT);
  ASSERT_EQ(rows, seen.windows.size());
  std::vector<float> features(rows * 28);
  std::vector<std::int64_t> seconds(rows);
  ASSERT_EQ(rs_extract(features.data(), seconds.data(), nullptr, rows, &rows, RS_VIEW_SOCKET, times.data(),
                       bytes.data(), directions.data(), times.size(), nullptr),
            RS_OK);
  for (std::size_t r = 0; r < rows; ++r) {
    EXPECT_EQ(seconds[r], seen.windows[r].second);
    EXPECT_EQ(std::vector<float>(&features[r * 28], &features[r * 28] + 28), seen.features[r]) << "row " << r;
  }
}

TEST(Capi, ExtractedPackets_AreThoseOfAClassifier) {
  std::vector<rs_packet> packets;
  std::vector<std::int64_t> times;
  std::vector<std::uint32_t> bytes;
  std::vector<std::uint8_t> directions;
  for (int i = 0; i < 3000; ++i) {
    rs_packet p{};
    const bool up = i % 5 == 0;
    p.time_ns = kStart + i * 3'100'000LL;
    p.source[15] = up ? 1 : 2;
    p.destination[15] = up ? 2 : 1;
    p.source[0] = p.destination[0] = 0x20;
    p.source_port = up ? 50'000 : 443;
    p.destination_port = up ? 443 : 50'000;
    p.ip_version = 6;
    p.protocol = 17;
    p.wire_bytes = up ? 60U : 200U + static_cast<std::uint32_t>(i * 13 % 4000);  // some are super-packets
    packets.push_back(p);
    times.push_back(p.time_ns);
    bytes.push_back(p.wire_bytes);
    directions.push_back(up ? RS_UP : RS_DOWN);
  }
  Collected seen;
  rs_options options = collecting(seen, RS_VIEW_PACKET);
  rs_classifier* classifier = nullptr;
  ASSERT_EQ(rs_classifier_create(&classifier, nullptr, &options, nullptr), RS_OK);
  ASSERT_EQ(rs_add_packets(classifier, packets.data(), packets.size()), RS_OK);
  ASSERT_EQ(rs_classifier_finish(classifier), RS_OK);
  rs_classifier_free(classifier);
  std::vector<float> features(seen.windows.size() * 48);
  std::vector<std::int64_t> seconds(seen.windows.size());
  std::size_t rows = 0;
  ASSERT_EQ(rs_extract(features.data(), seconds.data(), nullptr, seconds.size(), &rows, RS_VIEW_PACKET,
                       times.data(), bytes.data(), directions.data(), times.size(), nullptr),
            RS_OK);
  ASSERT_EQ(rows, seen.windows.size());
  for (std::size_t r = 0; r < rows; ++r) {
    EXPECT_EQ(std::vector<float>(&features[r * 48], &features[r * 48] + 28), seen.features[r]) << "row " << r;
  }
}

TEST(Capi, IdleSeconds_KeepTheSessionAndThenEndIt) {
  rs_model* model = load("reelsense-ue-socket");
  Collected seen;
  const rs_options options = collecting(seen, RS_VIEW_SOCKET);
  rs_classifier* classifier = nullptr;
  ASSERT_EQ(rs_classifier_create(&classifier, model, &options, nullptr), RS_OK);
  std::uint64_t flow = 0;
  rs_flow_open(classifier, &flow, kStart);
  rs_flow_read(classifier, flow, 500'000, kStart);
  for (int s = 1; s <= 200; ++s) rs_classifier_advance(classifier, kStart + s * kSecond);
  EXPECT_EQ(seen.windows.size(), 1U);
  ASSERT_GE(seen.seconds.size(), 20U);
  EXPECT_LE(seen.seconds.size(), 22U);
  for (std::size_t i = 0; i < seen.seconds.size(); ++i) {
    EXPECT_EQ(seen.seconds[i].second, kStart / kSecond + static_cast<std::int64_t>(i));
  }
  EXPECT_EQ(seen.seconds[0].bytes_down, 500'000U);
  EXPECT_EQ(seen.seconds[1].bytes_down, 0U);

  // A day without a call costs no day's worth of callbacks.
  rs_flow_read(classifier, flow, 500'000, kStart + 86'400 * kSecond);
  rs_classifier_finish(classifier);
  EXPECT_LE(seen.seconds.size(), 24U);
  rs_classifier_free(classifier);
  rs_model_free(model);
}

TEST(Capi, AdvanceOverSeveralSeconds_EndsEachOfThem) {
  Collected seen;
  const rs_options options = collecting(seen, RS_VIEW_SOCKET);
  rs_classifier* classifier = nullptr;
  ASSERT_EQ(rs_classifier_create(&classifier, nullptr, &options, nullptr), RS_OK);
  std::uint64_t flow = 0;
  rs_flow_open(classifier, &flow, kStart);
  rs_flow_read(classifier, flow, 500'000, kStart);
  rs_classifier_advance(classifier, kStart + 5 * kSecond);
  EXPECT_EQ(seen.seconds.size(), 5U);
  rs_classifier_advance(classifier, kStart + 2 * kSecond);  // earlier: nothing
  EXPECT_EQ(seen.seconds.size(), 5U);
  rs_classifier_free(classifier);
}

TEST(Capi, SwappedModel_ScoresTheNextWindows) {
  rs_model* trees = load("reelsense-ue");
  rs_model* linear = load("reelsense-ue-linear");
  rs_model* socket = load("reelsense-ue-socket");
  Collected seen;
  const rs_options options = collecting(seen, RS_VIEW_PACKET);
  rs_classifier* classifier = nullptr;
  ASSERT_EQ(rs_classifier_create(&classifier, trees, &options, nullptr), RS_OK);
  EXPECT_EQ(rs_classifier_set_model(classifier, socket), RS_MISMATCH);
  EXPECT_EQ(rs_classifier_set_model(classifier, linear), RS_OK);
  rs_model_free(linear);  // the classifier keeps it
  rs_model_free(trees);
  rs_packet packet{};
  packet.time_ns = kStart;
  packet.ip_version = 4;
  packet.wire_bytes = 1000;
  EXPECT_EQ(rs_add_packets(classifier, &packet, 1), RS_OK);
  EXPECT_EQ(rs_classifier_finish(classifier), RS_OK);
  ASSERT_EQ(seen.windows.size(), 1U);
  EXPECT_NE(seen.windows[0].decision.probability, 0.5F);
  rs_classifier_free(classifier);
  rs_model_free(socket);
}

TEST(Capi, Footprint_256FlowsWithBothTablesStayUnderOneMegabyte) {
  for (const char* name : {"reelsense-ue", "reelsense-ue-socket"}) {
    rs_model* model = load(name);
    rs_classifier* classifier = nullptr;
    ASSERT_EQ(rs_classifier_create(&classifier, model, nullptr, nullptr), RS_OK);
    rs_counters counters;
    rs_counters_init(&counters, sizeof counters);
    ASSERT_EQ(rs_classifier_counters(&counters, classifier), RS_OK);
    EXPECT_LT(counters.memory_bytes, 600U << 10) << name;  // the model itself takes the rest
    rs_classifier_free(classifier);
    rs_model_free(model);
  }
}

TEST(Capi, Policy_RefusesByNameAndKeepsItsValue) {
  rs_policy* policy = nullptr;
  rs_error error{};
  ASSERT_EQ(rs_policy_create(&policy, &error), RS_OK);
  rs_policy_key key{};
  std::uint32_t keys = 0;
  for (; rs_policy_key_at(&key, keys) == RS_OK; ++keys) {
    double value = -1;
    EXPECT_EQ(rs_policy_get(&value, policy, key.name, &error), RS_OK) << key.name;
    EXPECT_EQ(value, key.standard) << key.name;
    EXPECT_EQ(rs_policy_set(policy, key.name, key.high + 1, &error), RS_INVALID_ARGUMENT) << key.name;
    EXPECT_THAT(error.message, ::testing::HasSubstr(key.name));
    EXPECT_EQ(rs_policy_get(&value, policy, key.name, &error), RS_OK);
    EXPECT_EQ(value, key.standard) << key.name;
  }
  EXPECT_GT(keys, 5U);
  EXPECT_EQ(rs_policy_set(policy, "no_such_setting", 1, &error), RS_INVALID_ARGUMENT);
  rs_policy_free(policy);
}

#ifndef NDEBUG
// Two threads in one handle: builds with assertions stop, as the rule was broken.
TEST(CapiDeathTest, TwoThreadsInOneHandle_StopABuildWithAssertions) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto break_the_rule = [] {
    rs_options options;
    rs_options_init(&options, sizeof options);
    options.view = RS_VIEW_SOCKET;
    static rs_classifier* classifier = nullptr;
    options.on_windows = [](void*, const rs_window*, size_t) {
      std::thread([] { rs_classifier_advance(classifier, kStart + 5 * kSecond); }).join();
    };
    rs_classifier_create(&classifier, nullptr, &options, nullptr);
    std::uint64_t flow = 0;
    rs_flow_open(classifier, &flow, kStart);
    rs_flow_read(classifier, flow, 100, kStart);
    rs_classifier_advance(classifier, kStart + kSecond);
  };
  EXPECT_DEATH(break_the_rule(), "two threads use one handle");
}
#endif

// Any number of threads share one model.
TEST(Capi, OneModelInManyThreads_GivesTheSameLabels) {
  rs_model* model = load("reelsense-ue-socket");
  std::vector<std::vector<float>> answers(4);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < answers.size(); ++t) {
    threads.emplace_back([&, t] {
      std::vector<float> rows(200 * 28);
      for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<float>(i % 97) / 5.0F;
      std::vector<rs_decision> decisions(200);
      for (int round = 0; round < 20; ++round) {
        EXPECT_EQ(rs_model_classify(model, decisions.data(), rows.data(), 200), RS_OK);
      }
      for (const rs_decision& d : decisions) answers[t].push_back(d.probability);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& answer : answers) EXPECT_EQ(answer, answers[0]);
  rs_model_free(model);
}

}  // namespace
