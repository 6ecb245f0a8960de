#include "server/grpc/outbox.h"

#include <grpcpp/support/status_code_enum.h>
#include <gtest/gtest.h>

#include "server/grpc/test_models.h"

namespace reelsense::server {
namespace {

class OutboxTest : public testing::Test {
 protected:
  // A job of one answered window.
  void answer(const std::string& flow, std::int64_t second, const char* model, bool restarted = false,
              std::size_t name_bytes = 0) {
    v1::ClassifyRequest request;
    request.add_windows()->set_flow(flow + std::string(name_bytes, '.'));
    Job job;
    job.flows.emplace_back();
    if (model != nullptr) job.flows[0].model = test_model(model);
    Answer& answer = job.answers.emplace_back();
    answer.second = second;
    answer.code = model != nullptr ? AnswerCode::kOk : AnswerCode::kOutOfOrder;
    answer.restarted = restarted;
    outbox_.add_labels(request, job);
  }
  // The next response: "model: flow/second …" or its error.
  std::string next() {
    const v1::ClassifyResponse& response = outbox_.begin_write();
    std::string text = response.model() + ":";
    for (const v1::WindowLabel& label : response.labels()) {
      text += " " + label.flow() + "/" + std::to_string(label.second());
    }
    if (!response.error().empty())
      text += " " + response.error() + "#" + std::to_string(response.failed_request_id());
    answers_ = outbox_.pop();
    return text;
  }

  Outbox outbox_;
  std::size_t answers_ = 0;
};

TEST_F(OutboxTest, AnswersOfManyJobs_FillOneResponseThatTellsTheModelOnce) {
  answer("a", 1, "reelsense-ue");
  answer("b", 1, "reelsense-ue");
  EXPECT_EQ(next(), "reelsense-ue@1.0.0: a/1 b/1");
  EXPECT_EQ(answers_, 2U);
  EXPECT_TRUE(outbox_.empty());
  answer("a", 2, "reelsense-ue");
  EXPECT_EQ(next(), ": a/2");
}

TEST_F(OutboxTest, AnswersWhileAResponseIsWritten_GatherInTheNext) {
  answer("a", 1, "reelsense-ue");
  const v1::ClassifyResponse& writing = outbox_.begin_write();
  answer("a", 2, "reelsense-ue");
  answer("a", 3, "reelsense-ue");
  EXPECT_EQ(writing.labels_size(), 1);
  EXPECT_EQ(outbox_.pop(), 1U);
  EXPECT_EQ(next(), ": a/2 a/3");
}

TEST_F(OutboxTest, TwoModels_EachGatherInTheirOwnResponse) {
  answer("a", 1, "reelsense-ue");
  answer("b", 1, "reelsense-ue-linear");
  answer("a", 2, "reelsense-ue");
  EXPECT_EQ(next(), "reelsense-ue@1.0.0: a/1 a/2");
  EXPECT_EQ(next(), "reelsense-ue-linear@1.0.0: b/1");
}

TEST_F(OutboxTest, FlowRestartedOnAnotherModel_StaysInOrder) {
  answer("b", 1, "reelsense-ue");
  answer("a", 1, "reelsense-ue-linear");
  answer("a", 2, "reelsense-ue", true);
  EXPECT_EQ(next(), "reelsense-ue@1.0.0: b/1");
  EXPECT_EQ(next(), "reelsense-ue-linear@1.0.0: a/1");
  EXPECT_EQ(next(), "reelsense-ue@1.0.0: a/2");
}

TEST_F(OutboxTest, LabelWithoutModel_IsPassedByNothing) {
  answer("a", 1, "reelsense-ue");
  answer("b", 1, "reelsense-ue-linear");
  answer("a", 0, nullptr);
  answer("a", 2, "reelsense-ue");
  EXPECT_EQ(next(), "reelsense-ue@1.0.0: a/1");
  EXPECT_EQ(next(), "reelsense-ue-linear@1.0.0: b/1 a/0");
  EXPECT_EQ(next(), "reelsense-ue@1.0.0: a/2");
}

TEST_F(OutboxTest, Errors_HaveAResponseEachAndKeepTheirPlace) {
  answer("a", 1, "reelsense-ue");
  outbox_.add_error(5, grpc::INVALID_ARGUMENT, "bad");
  outbox_.add_error(6, grpc::INVALID_ARGUMENT, "worse");
  EXPECT_EQ(next(), "reelsense-ue@1.0.0: a/1 bad#5");
  EXPECT_EQ(answers_, 2U);
  EXPECT_EQ(next(), ": worse#6");
  EXPECT_EQ(answers_, 1U);
}

TEST_F(OutboxTest, FullResponse_IsFollowedByAnother) {
  for (int i = 0; i < 5; ++i) answer("a", i, "reelsense-ue", false, Outbox::kFullBytes / 4);
  outbox_.begin_write();
  EXPECT_EQ(outbox_.pop(), 4U);
  outbox_.begin_write();
  EXPECT_EQ(outbox_.pop(), 1U);
}

TEST_F(OutboxTest, Drop_LeavesOnlyWhatIsBeingWritten) {
  answer("a", 1, "reelsense-ue");
  const v1::ClassifyResponse& writing = outbox_.begin_write();
  answer("a", 2, "reelsense-ue");
  outbox_.add_error(6, grpc::INVALID_ARGUMENT, "bad");
  EXPECT_EQ(outbox_.drop(), 2U);
  EXPECT_EQ(writing.labels(0).second(), 1);
  EXPECT_EQ(outbox_.pop(), 1U);
  EXPECT_TRUE(outbox_.empty());
}

}  // namespace
}  // namespace reelsense::server
