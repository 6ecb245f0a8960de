#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "server/grpc/test_server.h"

namespace reelsense::server {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// One stream, read to its end by finish().
class Stream {
 public:
  explicit Stream(TestServer& server)
      : stub_(server.classifier()), stream_(stub_->ClassifyStream(&context_)) {}

  bool write(const v1::ClassifyRequest& request) { return stream_->Write(request); }
  void half_close() { stream_->WritesDone(); }
  void cancel() { context_.TryCancel(); }
  bool read(v1::ClassifyResponse& response) { return stream_->Read(&response); }
  // Reads until `n` labels are there.
  std::vector<v1::WindowLabel> labels(std::size_t n) {
    std::vector<v1::WindowLabel> labels;
    v1::ClassifyResponse response;
    while (labels.size() < n && read(response)) keep(response, labels);
    return labels;
  }
  // Everything that comes, and the status.
  grpc::Status finish() {
    v1::ClassifyResponse response;
    while (read(response)) keep(response, rest_);
    return stream_->Finish();
  }

  std::vector<v1::WindowLabel> rest_;
  std::vector<v1::ClassifyResponse> errors_;
  std::vector<std::string> models_;
  std::size_t responses_ = 0;

 private:
  void keep(const v1::ClassifyResponse& response, std::vector<v1::WindowLabel>& labels) {
    ++responses_;
    labels.insert(labels.end(), response.labels().begin(), response.labels().end());
    if (!response.error().empty()) errors_.push_back(response);
    if (!response.model().empty()) models_.push_back(response.model());
  }

  std::unique_ptr<v1::FlowClassifier::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::ClassifyRequest, v1::ClassifyResponse>> stream_;
};

TEST(ClassifyStream, HalfClose_AnswersEverythingThenOk) {
  TestServer server;
  Stream stream(server);
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(
        stream.write(window_request("f" + std::to_string(i % 7), i, 1000 + static_cast<std::uint64_t>(i))));
  }
  stream.half_close();
  EXPECT_TRUE(stream.finish().ok());
  ASSERT_EQ(stream.rest_.size(), 300U);
  std::map<std::string, std::int64_t> last;
  for (const v1::WindowLabel& label : stream.rest_) {
    EXPECT_EQ(label.error(), v1::WINDOW_ERROR_NONE);
    EXPECT_EQ(label.request_id(), 1000U + static_cast<std::uint64_t>(label.second()));
    EXPECT_EQ(label.flow(), "f" + std::to_string(label.second() % 7));
    const auto [place, fresh] = last.try_emplace(label.flow(), label.second());
    EXPECT_TRUE(fresh || place->second < label.second());
    place->second = label.second();
  }
  EXPECT_THAT(stream.models_, ElementsAre("reelsense-ue@1.0.0"));
}

TEST(ClassifyStream, ARequestThatIsDoneFirst_WaitsForTheOneBeforeIt) {
  TestServer server;
  Stream stream(server);
  // A long chain keeps the first request's window of "a" from being told at once.
  v1::ClassifyRequest first = window_request("a", 1, 1);
  for (int second = 0; second < 500; ++second) {
    *first.add_windows() = window_request("chain", second, 1).windows(0);
  }
  ASSERT_TRUE(stream.write(first));
  ASSERT_TRUE(stream.write(window_request("a", 2, 2)));
  stream.half_close();
  ASSERT_TRUE(stream.finish().ok());
  std::vector<std::int64_t> seconds;
  for (const v1::WindowLabel& label : stream.rest_) {
    if (label.flow() == "a") seconds.push_back(label.second());
  }
  EXPECT_THAT(seconds, ElementsAre(1, 2));
}

TEST(ClassifyStream, WindowsOfManyFlows_AreAnsweredAsEachFlowAlone) {
  TestServer server;
  const auto edge = test_model("reelsense-edge");
  constexpr std::size_t kFlows = 5;
  constexpr std::int64_t kSeconds = 12;
  Stream stream(server);
  for (std::int64_t second = 0; second < kSeconds; ++second) {
    v1::ClassifyRequest request;
    if (second == 0) request.set_model("reelsense-edge");
    for (std::size_t f = 0; f < kFlows; ++f) {
      add_window(request, *edge, "f" + std::to_string(f), second,
                 static_cast<std::uint32_t>(f * 100) + static_cast<std::uint32_t>(second));
    }
    ASSERT_TRUE(stream.write(request));
  }
  stream.half_close();
  ASSERT_TRUE(stream.finish().ok());
  ASSERT_EQ(stream.rest_.size(), kFlows * kSeconds);

  const auto scorer = edge->make_scorer(1);
  ASSERT_TRUE(scorer);
  for (std::size_t f = 0; f < kFlows; ++f) {
    std::vector<float> state(edge->state_width(), 0.0F);
    std::vector<float> next(edge->state_width());
    for (std::int64_t second = 0; second < kSeconds; ++second) {
      const auto row =
          test_row(*edge, static_cast<std::uint32_t>(f * 100) + static_cast<std::uint32_t>(second));
      float expected = 0;
      ASSERT_TRUE(scorer.value()->step(row.data(), state.data(), 1, &expected, next.data()));
      state.swap(next);
      const auto found =
          std::find_if(stream.rest_.begin(), stream.rest_.end(), [&](const v1::WindowLabel& label) {
            return label.flow() == "f" + std::to_string(f) && label.second() == second;
          });
      ASSERT_NE(found, stream.rest_.end());
      EXPECT_NEAR(found->probability(), expected, 1e-5);
    }
  }
}

TEST(ClassifyStream, BadRequests_AreAnsweredByErrorsAndTheStreamGoesOn) {
  TestServer server;
  Stream stream(server);
  ASSERT_TRUE(stream.write(window_request("a", 1, 1)));
  v1::ClassifyRequest bad = window_request("a", 2, 2);
  bad.mutable_windows(0)->add_features(1);
  ASSERT_TRUE(stream.write(bad));
  v1::ClassifyRequest unknown = window_request("a", 2, 3);
  unknown.set_model("nobody");
  ASSERT_TRUE(stream.write(unknown));
  v1::ClassifyRequest good = window_request("a", 2, 4);
  good.set_model("reelsense-ue");
  ASSERT_TRUE(stream.write(good));
  stream.half_close();
  EXPECT_TRUE(stream.finish().ok());
  EXPECT_EQ(stream.rest_.size(), 2U);
  ASSERT_EQ(stream.errors_.size(), 2U);
  EXPECT_EQ(stream.errors_[0].failed_request_id(), 2U);
  EXPECT_EQ(stream.errors_[0].error_code(), grpc::INVALID_ARGUMENT);
  EXPECT_THAT(stream.errors_[0].error(), HasSubstr("windows[0].features: 49 values, expected 48"));
  EXPECT_EQ(stream.errors_[1].failed_request_id(), 3U);
  EXPECT_EQ(stream.errors_[1].error_code(), grpc::NOT_FOUND);
}

TEST(ClassifyStream, BadWindows_AreAnsweredEachWithItsError) {
  TestServer server;
  Stream stream(server);
  ASSERT_TRUE(stream.write(window_request("a", 100)));
  ASSERT_EQ(stream.labels(1).size(), 1U);
  v1::ClassifyRequest mixed = window_request("a", 100);      // repeated
  *mixed.add_windows() = window_request("a", 3).windows(0);  // out of order
  *mixed.add_windows() = window_request("b", 1).windows(0);
  mixed.mutable_windows(2)->set_features(0, NAN);
  ASSERT_TRUE(stream.write(mixed));
  stream.half_close();
  EXPECT_TRUE(stream.finish().ok());
  std::map<std::string, v1::WindowLabel> labels;
  for (const auto& label : stream.rest_) labels[label.flow() + std::to_string(label.second())] = label;
  ASSERT_EQ(labels.size(), 3U);
  EXPECT_TRUE(labels["a100"].repeated_window());
  EXPECT_NE(labels["a100"].label(), v1::LABEL_UNSPECIFIED);
  EXPECT_EQ(labels["a3"].error(), v1::WINDOW_ERROR_OUT_OF_ORDER);
  EXPECT_EQ(labels["b1"].error(), v1::WINDOW_ERROR_INVALID);
}

TEST(ClassifyStream, EmptyRequests_AskNothing) {
  TestServer server;
  Stream stream(server);
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(stream.write({}));
  ASSERT_TRUE(stream.write(window_request("a", 1)));
  stream.half_close();
  EXPECT_TRUE(stream.finish().ok());
  EXPECT_EQ(stream.rest_.size(), 1U);
}

TEST(ClassifyStream, Packets_BecomeWindowsWithTheirFlowsName) {
  TestServer server;
  Stream stream(server);
  v1::ClassifyRequest request;
  for (const char* name : {"p", "q"}) {
    v1::FlowPackets& flow = *request.add_flows();
    flow.set_flow(name);
    flow.set_end(true);
    for (int i = 0; i < 40; ++i) {
      v1::Packet& packet = *flow.add_packets();
      packet.set_time_ns(1'000'000'000 + i * 50'000'000LL);
      packet.set_size(1200);
      packet.set_direction(i % 4 == 0 ? v1::DIRECTION_UP : v1::DIRECTION_DOWN);
    }
  }
  ASSERT_TRUE(stream.write(request));
  stream.half_close();
  EXPECT_TRUE(stream.finish().ok());
  std::vector<std::string> windows;
  for (const auto& label : stream.rest_) windows.push_back(label.flow() + std::to_string(label.second()));
  EXPECT_THAT(windows, testing::UnorderedElementsAre("p1", "p2", "q1", "q2"));
}

TEST(ClassifyStream, WindowsThatWait_AreBoundedByStreamWindows) {
  TestSetup setup;
  setup.hold_until(32);
  setup.config.grpc.stream_windows = 16;
  TestServer server(setup);
  Stream stream(server);
  std::thread writer([&] {
    for (int i = 0; i < 64; ++i) EXPECT_TRUE(stream.write(window_request("f" + std::to_string(i), 1)));
    stream.half_close();
  });
  const auto other = server.classifier();
  for (std::size_t answered = 0; answered < 64; answered += 16) {
    server.until_queued(16);
    EXPECT_EQ(server.engine().stats().queued_windows, 16U);
    // Another client fills the batch; only then the stream is read further.
    v1::ClassifyRequest request;
    for (int i = 0; i < 16; ++i)
      *request.add_windows() =
          window_request("o" + std::to_string(i), static_cast<std::int64_t>(answered)).windows(0);
    grpc::ClientContext context;
    v1::ClassifyResponse response;
    ASSERT_TRUE(other->Classify(&context, request, &response).ok());
    EXPECT_EQ(stream.labels(16).size(), 16U);
  }
  writer.join();
  EXPECT_TRUE(stream.finish().ok());
}

TEST(ClassifyStream, ClientThatDoesNotRead_IsReadNoFurtherAndLosesNothing) {
  TestSetup setup;
  setup.config.grpc.stream_windows = 64;
  TestServer server(setup);
  Stream stream(server);
  constexpr int kMessages = 6000;
  const std::string padding(200, '.');
  std::atomic<int> written{0};
  std::thread writer([&] {
    for (int i = 0; i < kMessages; ++i) {
      ASSERT_TRUE(stream.write(window_request("f" + std::to_string(i) + padding, 1)));
      ++written;
    }
    stream.half_close();
  });
  // Until nothing moves any more.
  int still = 0;
  for (std::pair<std::uint64_t, int> last; still < 100;) {
    const std::pair<std::uint64_t, int> now = {server.engine().stats().windows, written.load()};
    still = now == last ? still + 1 : 0;
    last = now;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_LT(server.engine().stats().windows, 2000U);
  EXPECT_LT(written.load(), kMessages);
  EXPECT_TRUE(stream.finish().ok());
  writer.join();
  EXPECT_EQ(stream.rest_.size(), static_cast<std::size_t>(kMessages));
}

TEST(ClassifyStream, QueueFull_HoldsTheStreamAndLosesNothing) {
  TestSetup setup;
  setup.engine.queue_windows = 8;
  setup.engine.max_wait_ns = 20'000'000;
  TestServer server(setup);
  Stream stream(server);
  for (int i = 0; i < 64; ++i) ASSERT_TRUE(stream.write(window_request("f", i)));
  stream.half_close();
  EXPECT_TRUE(stream.finish().ok());
  EXPECT_GT(server.engine().stats().rejected_jobs, 0U);
  ASSERT_EQ(stream.rest_.size(), 64U);
  for (int i = 0; i < 64; ++i) {
    EXPECT_EQ(stream.rest_[static_cast<std::size_t>(i)].second(), i);
    EXPECT_EQ(stream.rest_[static_cast<std::size_t>(i)].error(), v1::WINDOW_ERROR_NONE);
  }
}

TEST(ClassifyStream, Cancelled_ItsWaitingWindowsAreNotScored) {
  TestSetup setup;
  setup.engine.max_wait_ns = 100'000'000;
  TestServer server(setup);
  const auto other = server.classifier();
  bool unscored = false;
  // That the server knows of the cancellation before the window's time has come is likely, not certain.
  for (int attempt = 0; attempt < 20 && !unscored; ++attempt) {
    const std::string flow = "c" + std::to_string(attempt);
    Stream stream(server);
    ASSERT_TRUE(stream.write(window_request(flow, 1)));
    server.until([&] { return server.engine().find(server.engine().flow_id(0, flow)) != nullptr; });
    stream.cancel();
    EXPECT_EQ(stream.finish().error_code(), grpc::CANCELLED);
    server.until_queued(0);
    grpc::ClientContext context;
    v1::ClassifyResponse response;
    ASSERT_TRUE(other->Classify(&context, window_request(flow, 1), &response).ok());
    unscored = !response.labels(0).repeated_window();
  }
  EXPECT_TRUE(unscored);
}

TEST(ClassifyStream, ServerStops_StreamAnswersWhatItReadAndEndsUnavailable) {
  TestServer server;
  Stream stream(server);
  ASSERT_TRUE(stream.write(window_request("a", 1)));
  EXPECT_EQ(stream.labels(1).size(), 1U);
  server.server().stop_accepting();
  // An open stream goes on.
  ASSERT_TRUE(stream.write(window_request("a", 2)));
  EXPECT_EQ(stream.labels(1).size(), 1U);
  Stream late(server);
  EXPECT_EQ(late.finish().error_code(), grpc::UNAVAILABLE);
  std::thread stopper([&] { server.server().stop(std::chrono::seconds(60)); });
  const grpc::Status status = stream.finish();
  EXPECT_EQ(status.error_code(), grpc::UNAVAILABLE);
  EXPECT_THAT(status.error_message(), HasSubstr("draining"));
  stopper.join();
}

TEST(ClassifyStream, EngineDrains_StreamEndsUnavailable) {
  TestServer server;
  Stream stream(server);
  ASSERT_TRUE(stream.write(window_request("a", 1)));
  EXPECT_EQ(stream.labels(1).size(), 1U);
  server.engine().drain(1'000'000'000);
  ASSERT_TRUE(stream.write(window_request("a", 2)));
  EXPECT_EQ(stream.finish().error_code(), grpc::UNAVAILABLE);
  EXPECT_TRUE(stream.rest_.empty());
}

TEST(ClassifyStream, ManyStreamsThatComeAndGo_EachGetsItsOwnAnswers) {
  TestSetup setup;
  setup.engine.workers = 2;
  setup.config.grpc.stream_windows = 32;
  TestServer server(setup);
  std::vector<std::thread> clients;
  for (int c = 0; c < 6; ++c) {
    clients.emplace_back([&, c] {
      for (int round = 0; round < 8; ++round) {
        Stream stream(server);
        const std::string flow = "c" + std::to_string(c) + "r" + std::to_string(round);
        std::thread writer([&] {
          for (int i = 0; i < 100 && stream.write(window_request(flow, i)); ++i) {
          }
          stream.half_close();
        });
        const auto labels = stream.labels(round % 2 == 0 ? 100 : 10);
        if (round % 2 == 1) stream.cancel();
        const grpc::Status status = stream.finish();
        writer.join();
        for (std::size_t i = 0; i < labels.size(); ++i) {
          EXPECT_EQ(labels[i].flow(), flow);
          EXPECT_EQ(labels[i].second(), static_cast<std::int64_t>(i));
        }
        if (round % 2 == 0) {
          EXPECT_TRUE(status.ok());
          EXPECT_EQ(labels.size(), 100U);
        }
      }
    });
  }
  for (std::thread& client : clients) client.join();
}

}  // namespace
}  // namespace reelsense::server
