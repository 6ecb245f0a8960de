// The Open Inference Protocol against the whole server.
#include "server/grpc/inference_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/grpc/test_server.h"

namespace reelsense::server {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Stub = inference::GRPCInferenceService::Stub;

class InferenceCalls : public testing::Test {
 protected:
  // A request of one row, as raw contents.
  static inference::ModelInferRequest row(const std::string& model, const char* input,
                                          const std::vector<float>& values) {
    inference::ModelInferRequest request;
    request.set_model_name(model);
    add(request, input, values);
    return request;
  }
  static void add(inference::ModelInferRequest& request, const char* input,
                  const std::vector<float>& values) {
    auto& tensor = *request.add_inputs();
    tensor.set_name(input);
    tensor.set_datatype("FP32");
    tensor.add_shape(1);
    tensor.add_shape(static_cast<std::int64_t>(values.size()));
    request.add_raw_input_contents(values.data(), values.size() * sizeof(float));
  }
  grpc::Status infer(const inference::ModelInferRequest& request) {
    grpc::ClientContext context;
    response_.Clear();
    return stub_->ModelInfer(&context, request, &response_);
  }
  static std::vector<float> floats(const std::string& bytes) {
    std::vector<float> values(bytes.size() / sizeof(float));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }
  static void sequence(inference::ModelInferRequest& request, std::int64_t id, bool start, bool end) {
    auto& parameters = *request.mutable_parameters();
    parameters["sequence_id"].set_int64_param(id);
    parameters["sequence_start"].set_bool_param(start);
    parameters["sequence_end"].set_bool_param(end);
  }
  // The edge model's probabilities of rows 0, 1, 2 … of one flow.
  static std::vector<float> expected(int n) {
    const auto edge = test_model("reelsense-edge");
    const auto scorer = edge->make_scorer(1);
    std::vector<float> state(edge->state_width(), 0.0F);
    std::vector<float> next(edge->state_width());
    std::vector<float> out;
    for (int i = 0; i < n; ++i) {
      float p = 0;
      EXPECT_TRUE(scorer.value()->step(test_row(*edge, static_cast<std::uint32_t>(i)).data(), state.data(), 1,
                                       &p, next.data()));
      state.swap(next);
      out.push_back(p);
    }
    return out;
  }

  TestServer server_;
  std::unique_ptr<Stub> stub_ = server_.inference();
  inference::ModelInferResponse response_;
};

TEST_F(InferenceCalls, StateInStateOut_IsTheSameAsAFlow) {
  const auto edge = test_model("reelsense-edge");
  const std::vector<float> want = expected(4);
  std::vector<float> state(edge->state_width(), 0.0F);
  for (std::uint32_t i = 0; i < 4; ++i) {
    inference::ModelInferRequest request = row("reelsense-edge", "window", test_row(*edge, i));
    if (i > 0) add(request, "state", state);
    ASSERT_TRUE(infer(request).ok());
    ASSERT_EQ(response_.outputs_size(), 2);
    EXPECT_EQ(response_.outputs(0).name(), "probability");
    EXPECT_EQ(response_.outputs(1).name(), "next_state");
    EXPECT_NEAR(floats(response_.raw_output_contents(0))[0], want[i], 1e-5);
    state = floats(response_.raw_output_contents(1));
    ASSERT_EQ(state.size(), edge->state_width());
  }
  EXPECT_EQ(server_.engine().stats().live_flows, 0U);
}

TEST_F(InferenceCalls, Sequence_KeepsItsStateOnTheServerUntilItEnds) {
  const auto edge = test_model("reelsense-edge");
  const std::vector<float> want = expected(3);
  for (int round = 0; round < 2; ++round) {
    for (std::uint32_t i = 0; i < 3; ++i) {
      inference::ModelInferRequest request = row("reelsense-edge", "window", test_row(*edge, i));
      sequence(request, 42, i == 0, round == 1 && i == 2);
      ASSERT_TRUE(infer(request).ok());
      ASSERT_EQ(response_.outputs_size(), 1);
      EXPECT_NEAR(floats(response_.raw_output_contents(0))[0], want[i], 1e-5);
    }
  }
  EXPECT_EQ(server_.engine().stats().live_flows, 0U);
  inference::ModelInferRequest late = row("reelsense-edge", "window", test_row(*edge, 3));
  sequence(late, 42, false, false);
  const grpc::Status status = infer(late);
  EXPECT_EQ(status.error_code(), grpc::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("parameter sequence_id: not known"));
}

TEST_F(InferenceCalls, DeviceModel_AnswersLabelsByName) {
  const auto ue = test_model("reelsense-ue");
  inference::ModelInferRequest request = row("reelsense-ue", "features", test_row(*ue, 5));
  request.set_model_version("1.0.0");
  request.add_outputs()->set_name("label");
  ASSERT_TRUE(infer(request).ok());
  EXPECT_EQ(response_.model_version(), "1.0.0");
  EXPECT_THAT(response_.raw_output_contents(0).substr(4), testing::AnyOf("video", "non-video"));
}

TEST_F(InferenceCalls, NotANumber_IsInvalidArgument) {
  inference::ModelInferRequest request = row("reelsense-ue", "features", std::vector<float>(48, NAN));
  const grpc::Status status = infer(request);
  EXPECT_EQ(status.error_code(), grpc::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(), "row 0: NaN or infinite values");
}

TEST_F(InferenceCalls, TimeoutParameter_IsADeadline) {
  inference::ModelInferRequest request = row("reelsense-ue", "features", std::vector<float>(48, 1.0F));
  (*request.mutable_parameters())["timeout"].set_int64_param(1);
  EXPECT_EQ(infer(request).error_code(), grpc::DEADLINE_EXCEEDED);
}

TEST_F(InferenceCalls, UnknownModel_IsNotFound) {
  EXPECT_EQ(infer(row("nobody", "features", {1})).error_code(), grpc::NOT_FOUND);
  inference::ModelInferRequest version = row("reelsense-ue", "features", std::vector<float>(48, 1.0F));
  version.set_model_version("7");
  EXPECT_EQ(infer(version).error_code(), grpc::NOT_FOUND);
}

TEST_F(InferenceCalls, LiveReadyAndMetadata_SayWhatIsServed) {
  inference::ServerLiveResponse live;
  inference::ServerReadyResponse ready;
  inference::ModelReadyResponse model_ready;
  inference::ServerMetadataResponse server;
  inference::ModelMetadataResponse model;
  inference::RepositoryIndexResponse index;
  inference::ModelConfigResponse config;
  const auto call = [&](auto method, const auto& request, auto& response) {
    grpc::ClientContext context;
    return ((*stub_).*method)(&context, request, &response);
  };
  ASSERT_TRUE(call(&Stub::ServerLive, inference::ServerLiveRequest(), live).ok());
  EXPECT_TRUE(live.live());
  ASSERT_TRUE(call(&Stub::ServerReady, inference::ServerReadyRequest(), ready).ok());
  EXPECT_TRUE(ready.ready());
  server_.services().ready = false;
  ASSERT_TRUE(call(&Stub::ServerReady, inference::ServerReadyRequest(), ready).ok());
  EXPECT_FALSE(ready.ready());
  ASSERT_TRUE(call(&Stub::ServerMetadata, inference::ServerMetadataRequest(), server).ok());
  EXPECT_EQ(server.name(), "reelsense-server");
  EXPECT_EQ(server.version(), "1.2.3");

  inference::ModelReadyRequest which;
  which.set_name("reelsense-edge");
  ASSERT_TRUE(call(&Stub::ModelReady, which, model_ready).ok());
  EXPECT_TRUE(model_ready.ready());
  which.set_version("9");
  ASSERT_TRUE(call(&Stub::ModelReady, which, model_ready).ok());
  EXPECT_FALSE(model_ready.ready());

  inference::ModelMetadataRequest describe_edge;
  describe_edge.set_name("reelsense-edge");
  ASSERT_TRUE(call(&Stub::ModelMetadata, describe_edge, model).ok());
  EXPECT_THAT(model.versions(), ElementsAre("1.0.0"));
  EXPECT_EQ(model.inputs(0).name(), "window");
  inference::ModelConfigRequest config_request;
  config_request.set_name("reelsense-edge");
  ASSERT_TRUE(call(&Stub::ModelConfig, config_request, config).ok());
  EXPECT_EQ(config.config().name(), "reelsense-edge");
  ASSERT_TRUE(call(&Stub::RepositoryIndex, inference::RepositoryIndexRequest(), index).ok());
  EXPECT_EQ(static_cast<std::size_t>(index.models_size()), test_models().list().size());
}

}  // namespace
}  // namespace reelsense::server
