#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/grpc/test_server.h"

namespace reelsense::server {
namespace {

using testing::HasSubstr;

void classify(TestServer& server, const std::string& flow, std::int64_t second) {
  grpc::ClientContext context;
  v1::ClassifyResponse response;
  ASSERT_TRUE(server.classifier()->Classify(&context, window_request(flow, second), &response).ok());
}

TEST(Watch, EveryLabel_IsShownWithItsFlowsHash) {
  TestServer server;
  const auto stub = server.classifier();
  grpc::ClientContext context;
  const auto stream = stub->Watch(&context, {});
  stream->WaitForInitialMetadata();
  for (std::int64_t second = 1; second <= 3; ++second) classify(server, "a", second);
  std::vector<v1::WatchedLabel> labels;
  v1::WatchResponse response;
  while (labels.size() < 3 && stream->Read(&response)) {
    labels.insert(labels.end(), response.labels().begin(), response.labels().end());
    EXPECT_EQ(response.missed(), 0U);
  }
  ASSERT_EQ(labels.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(labels[i].flow_hash(), server.engine().flow_id(0, "a").high);
    EXPECT_EQ(labels[i].second(), static_cast<std::int64_t>(i + 1));
    EXPECT_EQ(labels[i].model(), "reelsense-ue@1.0.0");
    EXPECT_NE(labels[i].label(), v1::LABEL_UNSPECIFIED);
  }
  context.TryCancel();
  EXPECT_EQ(stream->Finish().error_code(), grpc::CANCELLED);
}

TEST(Watch, FilterOfAnotherModel_LetsNothingPass) {
  TestServer server;
  const auto stub = server.classifier();
  grpc::ClientContext context;
  v1::WatchRequest request;
  request.set_model("reelsense-edge");
  const auto stream = stub->Watch(&context, request);
  stream->WaitForInitialMetadata();
  classify(server, "a", 1);
  v1::ClassifyRequest edge;
  edge.set_model("reelsense-edge");
  add_window(edge, *test_model("reelsense-edge"), "b", 7, 1);
  grpc::ClientContext other;
  v1::ClassifyResponse ignored;
  ASSERT_TRUE(stub->Classify(&other, edge, &ignored).ok());
  v1::WatchResponse response;
  ASSERT_TRUE(stream->Read(&response));
  ASSERT_EQ(response.labels_size(), 1);
  EXPECT_EQ(response.labels(0).second(), 7);
  context.TryCancel();
}

TEST(Watch, WrongRequest_IsRefused) {
  TestServer server;
  const auto stub = server.classifier();
  const auto status_of = [&](const v1::WatchRequest& request) {
    grpc::ClientContext context;
    v1::WatchResponse response;
    const auto stream = stub->Watch(&context, request);
    EXPECT_FALSE(stream->Read(&response));
    return stream->Finish();
  };
  v1::WatchRequest request;
  request.set_model("nobody");
  EXPECT_EQ(status_of(request).error_code(), grpc::NOT_FOUND);
  request.Clear();
  request.set_max_confidence(NAN);
  EXPECT_THAT(status_of(request).error_message(), HasSubstr("max_confidence"));
  request.Clear();
  request.set_only(static_cast<v1::Label>(9));
  EXPECT_EQ(status_of(request).error_message(), "only: 9 is no label");
}

TEST(Watch, ServerStops_EndsUnavailable) {
  TestServer server;
  const auto stub = server.classifier();
  grpc::ClientContext context;
  const auto stream = stub->Watch(&context, {});
  stream->WaitForInitialMetadata();
  std::thread stopper([&] { server.server().stop(std::chrono::seconds(60)); });
  v1::WatchResponse response;
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_EQ(stream->Finish().error_code(), grpc::UNAVAILABLE);
  stopper.join();
}

v1::FeedbackRequest truth(const std::string& flow, std::int64_t second, v1::Label label) {
  v1::FeedbackRequest request;
  v1::Truth& one = *request.add_truths();
  one.set_flow(flow);
  one.set_second(second);
  one.set_truth(label);
  return request;
}

grpc::Status give(TestServer& server, const v1::FeedbackRequest& request, v1::FeedbackResponse& response) {
  grpc::ClientContext context;
  return server.classifier()->Feedback(&context, request, &response);
}

TEST(Feedback, Truths_AreStoredWithWhatTheServerRemembers) {
  TestSetup setup;
  setup.log = true;
  TestServer server(setup);
  classify(server, "a", 5);
  v1::FeedbackRequest request = truth("a", 5, v1::LABEL_VIDEO);
  *request.add_truths() = truth("a", 6, v1::LABEL_NON_VIDEO).truths(0);
  v1::FeedbackResponse response;
  ASSERT_TRUE(give(server, request, response).ok());
  EXPECT_EQ(response.stored(), 2U);
  EXPECT_EQ(response.matched(), 1U);
  ASSERT_TRUE(server.services().log->flush());
  EXPECT_EQ(server.services().log->stats().feedback, 2U);
}

TEST(Feedback, WrongTruths_AreNamedAndNoneIsStored) {
  TestSetup setup;
  setup.log = true;
  setup.config.limits.windows_per_request = 2;
  TestServer server(setup);
  v1::FeedbackResponse response;
  const auto refusal = [&](const v1::FeedbackRequest& request) {
    const grpc::Status status = give(server, request, response);
    EXPECT_EQ(status.error_code(), grpc::INVALID_ARGUMENT);
    return status.error_message();
  };
  EXPECT_THAT(refusal(truth("", 5, v1::LABEL_VIDEO)), HasSubstr("truths[0].flow: empty"));
  EXPECT_THAT(refusal(truth("a", -5, v1::LABEL_VIDEO)), HasSubstr("truths[0].second: -5"));
  EXPECT_THAT(refusal(truth("a", 5, v1::LABEL_UNSPECIFIED)), HasSubstr("truths[0].truth: 0"));
  v1::FeedbackRequest many;
  for (int i = 0; i < 3; ++i) *many.add_truths() = truth("a", i, v1::LABEL_VIDEO).truths(0);
  EXPECT_THAT(refusal(many), HasSubstr("truths: 3 in one request, at most 2"));
  ASSERT_TRUE(server.services().log->flush());
  EXPECT_EQ(server.services().log->stats().feedback, 0U);
}

TEST(Feedback, ServerWithoutLog_IsUnimplemented) {
  TestServer server;
  v1::FeedbackResponse response;
  EXPECT_EQ(give(server, truth("a", 5, v1::LABEL_VIDEO), response).error_code(), grpc::UNIMPLEMENTED);
}

}  // namespace
}  // namespace reelsense::server
