#include "server/grpc/infer_convert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "server/grpc/inference_service.h"
#include "server/grpc/test_models.h"

namespace reelsense::server {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Request = inference::ModelInferRequest;
using Response = inference::ModelInferResponse;

class InferConvert : public testing::Test {
 protected:
  // One input of `rows` rows, its values as typed contents.
  void give(const char* name, std::size_t rows, std::size_t width, float value = 0.5F) {
    auto& input = *request_.add_inputs();
    input.set_name(name);
    input.set_datatype("FP32");
    input.add_shape(static_cast<std::int64_t>(rows));
    input.add_shape(static_cast<std::int64_t>(width));
    for (std::size_t i = 0; i < rows * width; ++i) input.mutable_contents()->add_fp32_contents(value);
  }
  // Moves typed contents to raw ones.
  void make_raw() {
    for (auto& input : *request_.mutable_inputs()) {
      const auto& values = input.contents().fp32_contents();
      request_.add_raw_input_contents(values.data(), static_cast<std::size_t>(values.size()) * sizeof(float));
      input.clear_contents();
    }
  }
  grpc::Status read() {
    ask_ = {};
    return read_infer(request_, *edge_, limits_, ask_);
  }
  std::string refusal() {
    const grpc::Status status = read();
    EXPECT_EQ(status.error_code(), grpc::INVALID_ARGUMENT);
    return status.error_message();
  }
  // Answers every window and writes the response.
  Response respond(std::size_t rows) {
    Job job;
    fill_infer_job(request_, ask_, edge_, {}, 0, job);
    EXPECT_EQ(job.answers.size(), rows);
    for (std::size_t i = 0; i < rows; ++i) {
      const float p = 0.25F + 0.5F * static_cast<float>(i);
      job.answers[i].code = AnswerCode::kOk;
      job.answers[i].decision = {p, std::max(p, 1 - p), p > 0.5F ? Label::kVideo : Label::kNonVideo, false};
    }
    for (std::size_t i = 0; i < job.next_states.size(); ++i) job.next_states[i] = static_cast<float>(i);
    Response response;
    EXPECT_TRUE(write_infer(request_, ask_, job, response).ok());
    return response;
  }

  std::shared_ptr<const ServedModel> edge_ = test_model("reelsense-edge");
  Config::Limits limits_;
  Request request_;
  InferAsk ask_;
};

TEST_F(InferConvert, TypedContents_AreAnsweredTyped) {
  request_.set_id("r1");
  give("window", 2, 88);
  for (const char* name : {"label", "probability", "confidence"}) request_.add_outputs()->set_name(name);
  ASSERT_TRUE(read().ok());
  const Response response = respond(2);
  EXPECT_EQ(response.id(), "r1");
  EXPECT_EQ(response.model_name(), "reelsense-edge");
  EXPECT_EQ(response.model_version(), "1.0.0");
  ASSERT_EQ(response.outputs_size(), 3);
  EXPECT_EQ(response.raw_output_contents_size(), 0);
  EXPECT_EQ(response.outputs(0).datatype(), "BYTES");
  EXPECT_THAT(response.outputs(0).shape(), ElementsAre(2, 1));
  EXPECT_THAT(response.outputs(0).contents().bytes_contents(), ElementsAre("non-video", "video"));
  EXPECT_THAT(response.outputs(1).contents().fp32_contents(), ElementsAre(0.25F, 0.75F));
  EXPECT_THAT(response.outputs(2).contents().fp32_contents(), ElementsAre(0.75F, 0.75F));
}

TEST_F(InferConvert, RawContents_AreAnsweredRaw) {
  give("window", 1, 88);
  make_raw();
  request_.add_outputs()->set_name("label");
  request_.add_outputs()->set_name("next_state");
  ASSERT_TRUE(read().ok());
  const Response response = respond(1);
  ASSERT_EQ(response.raw_output_contents_size(), 2);
  EXPECT_EQ(response.raw_output_contents(0), std::string("\x09\0\0\0non-video", 13));
  ASSERT_EQ(response.raw_output_contents(1).size(), 65 * sizeof(float));
  float last = 0;
  std::memcpy(&last, response.raw_output_contents(1).data() + 64 * sizeof(float), sizeof last);
  EXPECT_EQ(last, 64.0F);
  EXPECT_THAT(response.outputs(1).shape(), ElementsAre(1, 65));
  EXPECT_FALSE(response.outputs(0).has_contents());
}

TEST_F(InferConvert, State_GoesIntoTheJobAndIsZeroIfNotGiven) {
  give("state", 1, 65, 2.0F);
  give("window", 1, 88, 3.0F);
  ASSERT_TRUE(read().ok());
  Job given;
  fill_infer_job(request_, ask_, edge_, {}, 0, given);
  EXPECT_EQ(given.rows, std::vector<float>(88, 3.0F));
  EXPECT_EQ(given.states, std::vector<float>(65, 2.0F));
  request_.mutable_inputs()->erase(request_.inputs().begin());
  ASSERT_TRUE(read().ok());
  Job none;
  fill_infer_job(request_, ask_, edge_, {}, 0, none);
  EXPECT_EQ(none.states, std::vector<float>(65, 0.0F));
}

TEST_F(InferConvert, Sequence_IsAFlowOfOneRowWithoutStates) {
  give("window", 1, 88);
  auto& parameters = *request_.mutable_parameters();
  parameters["sequence_id"].set_int64_param(42);
  parameters["sequence_start"].set_bool_param(true);
  parameters["sequence_end"].set_bool_param(true);
  ASSERT_TRUE(read().ok());
  EXPECT_EQ(ask_.sequence_flow, "oip/42");
  EXPECT_TRUE(ask_.sequence_start);
  Job job;
  fill_infer_job(request_, ask_, edge_, {1, 2}, 5, job);
  EXPECT_EQ(job.flows[0].id, (FlowId{1, 2}));
  EXPECT_TRUE(job.flows[0].end);
  EXPECT_EQ(job.answers[0].second, 5);
  EXPECT_TRUE(job.states.empty());
  parameters["sequence_id"].set_int64_param(0);
  ASSERT_TRUE(read().ok());
  EXPECT_EQ(ask_.sequence_flow, "");
}

TEST_F(InferConvert, Timeout_IsInMicroseconds) {
  give("window", 1, 88);
  (*request_.mutable_parameters())["timeout"].set_int64_param(1500);
  ASSERT_TRUE(read().ok());
  EXPECT_EQ(ask_.timeout_ns, 1'500'000);
  (*request_.mutable_parameters())["timeout"].set_int64_param(-1);
  EXPECT_THAT(refusal(), HasSubstr("parameter timeout: expected microseconds"));
}

TEST_F(InferConvert, WrongParameters_AreNamed) {
  give("window", 1, 88);
  auto& parameters = *request_.mutable_parameters();
  parameters["sequence_id"].set_bool_param(true);
  EXPECT_THAT(refusal(), HasSubstr("parameter sequence_id: expected an integer or a string"));
  parameters["sequence_id"].set_string_param(std::string(300, 'x'));
  EXPECT_THAT(refusal(), HasSubstr("parameter sequence_id: 300 bytes, expected at most 252"));
  parameters["sequence_id"].set_string_param("x");
  parameters["sequence_start"].set_int64_param(1);
  EXPECT_THAT(refusal(), HasSubstr("parameter sequence_start: expected a bool"));
  request_.clear_parameters();
  (*request_.mutable_inputs(0)->mutable_parameters())["shared_memory_region"].set_string_param("x");
  EXPECT_THAT(refusal(), HasSubstr("input \"window\": shared_memory_region is not supported"));
}

TEST_F(InferConvert, WrongValues_AreNamed) {
  give("window", 1, 88);
  request_.mutable_inputs(0)->mutable_contents()->add_fp32_contents(1);
  EXPECT_THAT(refusal(), HasSubstr("input \"window\": 89 values in contents.fp32_contents, expected 88"));
  make_raw();
  EXPECT_THAT(refusal(), HasSubstr("input \"window\": 356 bytes of raw contents, expected 352"));
  request_.mutable_inputs(0)->mutable_contents();
  EXPECT_THAT(refusal(), HasSubstr("has contents beside raw_input_contents"));
  request_.add_raw_input_contents("x");
  EXPECT_THAT(refusal(), HasSubstr("raw_input_contents: 2, expected one for each of 1 inputs"));
  request_.clear_raw_input_contents();
  request_.mutable_inputs(0)->set_datatype("INT8");
  EXPECT_THAT(refusal(), HasSubstr("datatype is \"INT8\", expected FP32"));
}

TEST_F(InferConvert, FailedAnswer_IsAStatus) {
  give("window", 2, 88);
  ASSERT_TRUE(read().ok());
  Job job;
  fill_infer_job(request_, ask_, edge_, {}, 0, job);
  job.answers[0].code = AnswerCode::kOk;
  const std::pair<AnswerCode, grpc::StatusCode> cases[] = {
      {AnswerCode::kInvalid, grpc::INVALID_ARGUMENT}, {AnswerCode::kRepeated, grpc::ABORTED},
      {AnswerCode::kOutOfOrder, grpc::ABORTED},       {AnswerCode::kDeadline, grpc::DEADLINE_EXCEEDED},
      {AnswerCode::kCancelled, grpc::CANCELLED},      {AnswerCode::kInternal, grpc::INTERNAL},
  };
  for (const auto& [code, status] : cases) {
    job.answers[1].code = code;
    Response response;
    EXPECT_EQ(write_infer(request_, ask_, job, response).error_code(), status);
  }
}

TEST_F(InferConvert, MetadataAndConfig_DescribeTheTensors) {
  inference::ModelMetadataResponse metadata;
  describe(*edge_, metadata);
  EXPECT_EQ(metadata.name(), "reelsense-edge");
  ASSERT_EQ(metadata.inputs_size(), 2);
  EXPECT_THAT(metadata.inputs(0).shape(), ElementsAre(-1, 88));
  ASSERT_EQ(metadata.outputs_size(), 4);
  EXPECT_EQ(metadata.properties().at("view"), "packet");
  inference::ModelConfig config;
  describe(*edge_, 4096, config);
  EXPECT_EQ(config.max_batch_size(), 4096);
  EXPECT_THAT(config.input(0).dims(), ElementsAre(88));
  EXPECT_TRUE(config.input(1).optional());
  EXPECT_EQ(config.output(2).data_type(), inference::TYPE_STRING);
}

TEST_F(InferConvert, Index_SaysWhatCanBeAskedAndWhyNot) {
  const std::vector<ModelStatus> models = {{"a", "2.0.0", ModelState::kFailed, "golden.json: row 3", nullptr},
                                           {"a", "1.0.0", ModelState::kReady, "", edge_},
                                           {"b", "1.0.0", ModelState::kVanished, "", edge_}};
  inference::RepositoryIndexResponse all;
  describe(models, false, all);
  ASSERT_EQ(all.models_size(), 3);
  EXPECT_EQ(all.models(0).state(), "UNAVAILABLE");
  EXPECT_EQ(all.models(0).reason(), "golden.json: row 3");
  EXPECT_EQ(all.models(1).state(), "READY");
  EXPECT_EQ(all.models(1).reason(), "");
  EXPECT_EQ(all.models(2).state(), "READY");
  EXPECT_EQ(all.models(2).reason(), "vanished");
  inference::RepositoryIndexResponse ready;
  describe(models, true, ready);
  EXPECT_EQ(ready.models_size(), 2);
}

}  // namespace
}  // namespace reelsense::server
