// The server as a whole: unary calls, the Open Inference Protocol, health, reflection, limits and drain.
#include "server/grpc/grpc_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/grpc/generic_call.h"
#include "server/grpc/test_server.h"

namespace reelsense::server {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr char kHealthCheck[] = "/grpc.health.v1.Health/Check";
const std::string kServing = {0x08, 0x01};
const std::string kNotServing = {0x08, 0x02};

grpc::Status classify(TestServer& server, const v1::ClassifyRequest& request, v1::ClassifyResponse& response,
                      grpc::ClientContext* context = nullptr) {
  grpc::ClientContext own;
  return server.classifier()->Classify(context != nullptr ? context : &own, request, &response);
}

TEST(GrpcServer, Classify_AnswersInTheOrderAsked) {
  TestServer server;
  v1::ClassifyRequest request = window_request("a", 5, 77);
  *request.add_windows() = window_request("b", 4).windows(0);
  *request.add_windows() = window_request("a", 6).windows(0);
  v1::ClassifyResponse response;
  ASSERT_TRUE(classify(server, request, response).ok());
  EXPECT_EQ(response.model(), "reelsense-ue@1.0.0");
  ASSERT_EQ(response.labels_size(), 3);
  const auto model = test_model("reelsense-ue");
  const auto scorer = model->make_scorer(1);
  for (int i = 0; i < 3; ++i) {
    const v1::WindowLabel& label = response.labels(i);
    const auto row = test_row(*model, static_cast<std::uint32_t>(label.second()));
    float expected = 0;
    ASSERT_TRUE(scorer.value()->step(row.data(), nullptr, 1, &expected, nullptr));
    EXPECT_EQ(label.probability(), expected);
    EXPECT_EQ(label.label(), expected >= model->manifest().threshold ? v1::LABEL_VIDEO : v1::LABEL_NON_VIDEO);
    EXPECT_EQ(label.request_id(), 77U);
    EXPECT_EQ(label.flow(), request.windows(i).flow());
    EXPECT_EQ(label.second(), request.windows(i).second());
  }
}

TEST(GrpcServer, EmptyClassify_AnswersWithTheModelAlone) {
  TestServer server;
  v1::ClassifyRequest request;
  request.set_model("reelsense-edge");
  v1::ClassifyResponse response;
  ASSERT_TRUE(classify(server, request, response).ok());
  EXPECT_EQ(response.model(), "reelsense-edge@1.0.0");
  EXPECT_EQ(response.labels_size(), 0);
}

TEST(GrpcServer, UnknownModelOrVersion_IsNotFound) {
  TestServer server;
  v1::ClassifyResponse response;
  for (const char* model : {"nobody", "reelsense-ue@9.9.9"}) {
    v1::ClassifyRequest request = window_request("a", 1);
    request.set_model(model);
    const grpc::Status status = classify(server, request, response);
    EXPECT_EQ(status.error_code(), grpc::NOT_FOUND);
    EXPECT_THAT(status.error_message(), HasSubstr(model));
  }
}

TEST(GrpcServer, QueueFull_IsResourceExhaustedWithRetryAfter) {
  TestSetup setup;
  setup.hold_until(64);
  setup.engine.queue_windows = 4;
  TestServer server(setup);
  std::thread first([&] {
    v1::ClassifyRequest four;
    for (int i = 0; i < 4; ++i) *four.add_windows() = window_request("f" + std::to_string(i), 1).windows(0);
    v1::ClassifyResponse response;
    EXPECT_TRUE(classify(server, four, response).ok());
  });
  server.until_queued(4);
  grpc::ClientContext context;
  v1::ClassifyResponse response;
  EXPECT_EQ(classify(server, window_request("g", 1), response, &context).error_code(),
            grpc::RESOURCE_EXHAUSTED);
  const auto& trailing = context.GetServerTrailingMetadata();
  const auto retry = trailing.find("retry-after-ms");
  ASSERT_NE(retry, trailing.end());
  EXPECT_GE(std::stoi(std::string(retry->second.data(), retry->second.size())), 1);
  server.engine().drain(std::int64_t{3600} * 1'000'000'000);  // waits for no batch to fill
  first.join();
}

TEST(GrpcServer, DeadlineThatPasses_EndsTheCallAndLeavesTheServerServing) {
  TestSetup setup;
  setup.hold_until(2);
  TestServer server(setup);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(50));
  v1::ClassifyResponse response;
  EXPECT_EQ(classify(server, window_request("a", 1), response, &context).error_code(),
            grpc::DEADLINE_EXCEEDED);
  // Its window is answered without being scored, when the batch is full: the flow's second 1 is still to
  // come.
  v1::ClassifyRequest two = window_request("b", 1);
  *two.add_windows() = window_request("c", 1).windows(0);
  ASSERT_TRUE(classify(server, two, response).ok());
  EXPECT_EQ(server.engine().stats().windows, 2U);
}

TEST(GrpcServer, MessageOverTheLimit_IsResourceExhausted) {
  TestSetup setup;
  setup.config.grpc.max_message_bytes = 10'000;
  TestServer server(setup);
  v1::ClassifyRequest request = window_request("a", 1);
  request.mutable_windows(0)->set_flow(std::string(20'000, 'x'));
  v1::ClassifyResponse response;
  EXPECT_EQ(classify(server, request, response).error_code(), grpc::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(classify(server, window_request("a", 1), response).ok());
}

TEST(GrpcServer, BytesThatAreNoMessage_AreRefused) {
  TestServer server;
  std::string response;
  const grpc::Status status = generic_call(server.channel(), "/reelsense.v1.FlowClassifier/Classify",
                                           "\x12\xff\xff\xff\xff\x0f", response);
  EXPECT_FALSE(status.ok());
  v1::ClassifyResponse good;
  EXPECT_TRUE(classify(server, window_request("a", 1), good).ok());
}

TEST(GrpcServer, PortTaken_IsAnErrorThatNamesTheKey) {
  TestServer server;
  Config config;
  config.grpc.listen = server.address();
  Services& have = server.services();
  Services second{config,     have.clock, have.models,  have.engine,   have.log,     have.metrics,
                  have.watch, have.auth,  have.limiter, have.analyses, have.version, {true}};
  const auto started = GrpcServer::start(second);
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error().message, HasSubstr("grpc.listen: cannot listen on 127.0.0.1:"));
}

TEST(GrpcServer, Health_IsServingUntilTheServerDrains) {
  TestServer server;
  std::string response;
  ASSERT_TRUE(generic_call(server.channel(), kHealthCheck, "", response).ok());
  EXPECT_EQ(response, kServing);
  const std::string named = "\x0a\x1breelsense.v1.FlowClassifier";
  ASSERT_TRUE(generic_call(server.channel(), kHealthCheck, named, response).ok());
  EXPECT_EQ(response, kServing);
  server.server().stop_accepting();
  ASSERT_TRUE(generic_call(server.channel(), kHealthCheck, named, response).ok());
  EXPECT_EQ(response, kNotServing);
  ASSERT_TRUE(generic_call(server.channel(), kHealthCheck, "", response).ok());
  EXPECT_EQ(response, kNotServing);
  v1::ClassifyResponse labels;
  EXPECT_EQ(classify(server, window_request("a", 1), labels).error_code(), grpc::UNAVAILABLE);
}

TEST(GrpcServer, Reflection_ListsTheServicesIfItIsOn) {
  const std::string list = {0x3a, 0x00};  // list_services: ""
  constexpr char kMethod[] = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";
  TestServer on;
  std::string response;
  generic_call(on.channel(), kMethod, list, response);
  EXPECT_THAT(response, HasSubstr("reelsense.v1.FlowClassifier"));
  EXPECT_THAT(response, HasSubstr("inference.GRPCInferenceService"));
  TestSetup setup;
  setup.config.grpc.reflection = false;
  TestServer off(setup);
  EXPECT_EQ(generic_call(off.channel(), kMethod, list, response).error_code(), grpc::UNIMPLEMENTED);
}

TEST(GrpcServer, StopWithoutGrace_CancelsWhatIsOpen) {
  TestServer server;
  const auto stub = server.classifier();
  grpc::ClientContext context;
  const auto stream = stub->Watch(&context, {});
  stream->WaitForInitialMetadata();
  server.server().stop(std::chrono::milliseconds(0));
  v1::WatchResponse response;
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_FALSE(stream->Finish().ok());
}

}  // namespace
}  // namespace reelsense::server
