// Who may call what: keys, scopes, rate limits, TLS and client certificates.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include "server/grpc/credentials.h"
#include "server/grpc/test_certificates.h"
#include "server/grpc/test_server.h"

namespace reelsense::server {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr auto kInfer = static_cast<std::uint8_t>(Scope::kInfer);
constexpr auto kFeedback = static_cast<std::uint8_t>(Scope::kFeedback);
constexpr auto kAdmin = static_cast<std::uint8_t>(Scope::kAdmin);

class Secured : public testing::Test {
 protected:
  Secured() : folder_(fs::path(testing::TempDir()) / ("grpc_security_" + std::to_string(::getpid()))) {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  ~Secured() override { fs::remove_all(folder_); }

  std::string write(const char* name, const std::string& text) {
    const fs::path file = folder_ / name;
    std::ofstream(file) << text;
    fs::permissions(file, fs::perms::owner_read | fs::perms::owner_write);
    return file.string();
  }
  // A server whose clients need keys; `entry` is added to each of them.
  void start_with_keys(const std::vector<std::pair<std::string, std::uint8_t>>& names,
                       const std::string& entry = "") {
    std::string text;
    for (const auto& [name, scopes] : names) {
      const NewKey key = make_key(name, scopes);
      text += key.entry + "\n" + entry + "\n";
      keys_[name] = key.key;
    }
    TestSetup setup;
    setup.config.auth.keys_file = write("keys.toml", text);
    server_ = std::make_unique<TestServer>(setup);
  }
  grpc::Status classify(const std::string& header, const std::string& value, int windows = 1) {
    grpc::ClientContext context;
    if (!header.empty()) context.AddMetadata(header, value);
    v1::ClassifyRequest request;
    for (int i = 0; i < windows; ++i)
      *request.add_windows() = window_request("f" + std::to_string(i), ++second_).windows(0);
    v1::ClassifyResponse response;
    const grpc::Status status = server_->classifier()->Classify(&context, request, &response);
    const auto retry = context.GetServerTrailingMetadata().find("retry-after-ms");
    retry_after_ms_ = retry == context.GetServerTrailingMetadata().end()
                          ? 0
                          : std::stoi(std::string(retry->second.data(), retry->second.size()));
    return status;
  }

  fs::path folder_;
  std::map<std::string, std::string> keys_;
  std::unique_ptr<TestServer> server_;
  std::int64_t second_ = 0;
  int retry_after_ms_ = 0;
};

TEST_F(Secured, KeyNeeded_OnlyAKnownOneIsTaken) {
  start_with_keys({{"device", kInfer}});
  EXPECT_EQ(classify("", "").error_code(), grpc::UNAUTHENTICATED);
  EXPECT_EQ(classify("x-api-key", make_key("x", kInfer).key).error_code(), grpc::UNAUTHENTICATED);
  EXPECT_EQ(classify("authorization", "Basic " + keys_["device"]).error_code(), grpc::UNAUTHENTICATED);
  EXPECT_TRUE(classify("x-api-key", keys_["device"]).ok());
  EXPECT_TRUE(classify("authorization", "Bearer " + keys_["device"]).ok());
  EXPECT_TRUE(classify("authorization", "bearer " + keys_["device"]).ok());
}

TEST_F(Secured, LiveAndReady_NeedNoKeyMetadataDo) {
  start_with_keys({{"device", kInfer}});
  const auto stub = server_->inference();
  grpc::ClientContext live_context;
  inference::ServerLiveResponse live;
  EXPECT_TRUE(stub->ServerLive(&live_context, {}, &live).ok());
  grpc::ClientContext metadata_context;
  inference::ServerMetadataResponse metadata;
  EXPECT_EQ(stub->ServerMetadata(&metadata_context, {}, &metadata).error_code(), grpc::UNAUTHENTICATED);
}

TEST_F(Secured, Scopes_AreHeldApart) {
  start_with_keys({{"device", kInfer}, {"labeller", kFeedback}});
  EXPECT_EQ(classify("x-api-key", keys_["labeller"]).error_code(), grpc::PERMISSION_DENIED);
  grpc::ClientContext context;
  context.AddMetadata("x-api-key", keys_["device"]);
  v1::FeedbackResponse response;
  const grpc::Status status = server_->classifier()->Feedback(&context, {}, &response);
  EXPECT_EQ(status.error_code(), grpc::PERMISSION_DENIED);
  EXPECT_THAT(status.error_message(), HasSubstr("no scope \"feedback\""));
}

TEST_F(Secured, StreamAndWatchWithoutKey_AreUnauthenticated) {
  start_with_keys({{"device", kInfer}});
  const auto stub = server_->classifier();
  grpc::ClientContext stream_context;
  const auto stream = stub->ClassifyStream(&stream_context);
  v1::ClassifyResponse response;
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_EQ(stream->Finish().error_code(), grpc::UNAUTHENTICATED);
  grpc::ClientContext watch_context;
  const auto watch = stub->Watch(&watch_context, {});
  v1::WatchResponse label;
  EXPECT_FALSE(watch->Read(&label));
  EXPECT_EQ(watch->Finish().error_code(), grpc::UNAUTHENTICATED);
}

TEST_F(Secured, Watch_ShowsOnlyOnesOwnFlowsButAllToAdmin) {
  start_with_keys({{"one", kInfer}, {"two", kInfer}, {"boss", kInfer | kAdmin}});
  const auto stub = server_->classifier();
  grpc::ClientContext one;
  one.AddMetadata("x-api-key", keys_["one"]);
  const auto own = stub->Watch(&one, {});
  own->WaitForInitialMetadata();
  grpc::ClientContext boss;
  boss.AddMetadata("x-api-key", keys_["boss"]);
  const auto all = stub->Watch(&boss, {});
  all->WaitForInitialMetadata();
  ASSERT_TRUE(classify("x-api-key", keys_["two"]).ok());
  ASSERT_TRUE(classify("x-api-key", keys_["one"]).ok());
  v1::WatchResponse response;
  ASSERT_TRUE(own->Read(&response));
  EXPECT_EQ(response.labels(0).second(), 2);
  std::vector<std::int64_t> seen;
  while (seen.size() < 2 && all->Read(&response)) {
    for (const auto& label : response.labels()) seen.push_back(label.second());
  }
  EXPECT_THAT(seen, testing::ElementsAre(1, 2));
  one.TryCancel();
  boss.TryCancel();
}

TEST_F(Secured, RateLimit_IsResourceExhaustedWithRetryAfter) {
  start_with_keys({{"device", kInfer}}, "windows_per_s = 1\n");
  EXPECT_TRUE(classify("x-api-key", keys_["device"]).ok());
  EXPECT_EQ(classify("x-api-key", keys_["device"]).error_code(), grpc::RESOURCE_EXHAUSTED);
  EXPECT_GT(retry_after_ms_, 0);
}

TEST_F(Secured, StreamOverTheRateLimit_IsSlowedDownNotRefused) {
  start_with_keys({{"device", kInfer}}, "windows_per_s = 50\n");
  const auto stub = server_->classifier();
  grpc::ClientContext context;
  context.AddMetadata("x-api-key", keys_["device"]);
  const auto stream = stub->ClassifyStream(&context);
  for (int i = 0; i < 60; ++i) ASSERT_TRUE(stream->Write(window_request("f", i)));
  stream->WritesDone();
  int labels = 0;
  v1::ClassifyResponse response;
  while (stream->Read(&response)) {
    EXPECT_EQ(response.error(), "");
    labels += response.labels_size();
  }
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(labels, 60);
}

class WithTls : public Secured {
 protected:
  void start(bool client_certificates) {
    TestSetup setup;
    setup.config.tls.certificate = write("server.pem", server_certificate_.pem);
    setup.config.tls.key = write("server.key", server_certificate_.key_pem);
    if (client_certificates) {
      setup.config.tls.client_ca = write("ca.pem", ca_.pem);
      setup.config.auth.trust_client_certificates = true;
    }
    server_ = std::make_unique<TestServer>(setup);
  }
  grpc::Status classify_with(const TestCertificate* client, const std::string& ca) {
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = ca;
    if (client != nullptr) {
      options.pem_cert_chain = client->pem;
      options.pem_private_key = client->key_pem;
    }
    grpc::ChannelArguments arguments;
    arguments.SetSslTargetNameOverride("localhost");
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    const auto stub = v1::FlowClassifier::NewStub(
        grpc::CreateCustomChannel(server_->address(), grpc::SslCredentials(options), arguments));
    grpc::ClientContext context;
    v1::ClassifyResponse response;
    return stub->Classify(&context, window_request("a", ++second_), &response);
  }

  TestCertificate ca_ = make_certificate("test CA");
  TestCertificate server_certificate_ = make_certificate("server", &ca_);
};

TEST_F(WithTls, Server_IsTrustedByItsCaAndNotInTheClear) {
  start(false);
  EXPECT_TRUE(classify_with(nullptr, ca_.pem).ok());
  EXPECT_EQ(classify_with(nullptr, make_certificate("other CA").pem).error_code(), grpc::UNAVAILABLE);
  EXPECT_EQ(classify("", "").error_code(), grpc::UNAVAILABLE);
}

TEST_F(WithTls, ClientCertificate_IsThePrincipal) {
  start(true);
  const TestCertificate client = make_certificate("device-7", &ca_);
  EXPECT_TRUE(classify_with(&client, ca_.pem).ok());
  const AuthResult known = server_->services().auth.authenticate("", "device-7");
  ASSERT_EQ(known.code, AuthCode::kOk);
  const Engine& engine = server_->engine();
  EXPECT_NE(engine.find(engine.flow_id(known.principal->id, "a")), nullptr);
  EXPECT_EQ(classify_with(nullptr, ca_.pem).error_code(), grpc::UNAVAILABLE);
  const TestCertificate stranger_ca = make_certificate("other CA");
  const TestCertificate stranger = make_certificate("device-7", &stranger_ca);
  EXPECT_EQ(classify_with(&stranger, ca_.pem).error_code(), grpc::UNAVAILABLE);
}

TEST_F(WithTls, WrongFiles_AreNamedWithTheirKey) {
  const std::string certificate = write("server.pem", server_certificate_.pem);
  const std::string key = write("server.key", server_certificate_.key_pem);
  const auto refusal = [](const std::string& chain, const std::string& private_key, const std::string& ca) {
    const auto made = make_credentials({chain, private_key, ca});
    return made ? std::string("taken") : made.error().message;
  };
  EXPECT_EQ(refusal(certificate, key, ""), "taken");
  EXPECT_THAT(refusal(certificate, "", ""), HasSubstr("tls.certificate and tls.key: both"));
  EXPECT_THAT(refusal(folder_ / "none.pem", key, ""), HasSubstr("tls.certificate: "));
  EXPECT_THAT(refusal(key, key, ""), HasSubstr("holds no PEM certificate"));
  EXPECT_THAT(refusal(certificate, certificate, ""), HasSubstr("holds no PEM private key"));
  EXPECT_THAT(refusal(certificate, write("other.key", make_certificate("x").key_pem), ""),
              HasSubstr("is not the key of the certificate"));
  EXPECT_THAT(refusal(certificate, key, write("ca.pem", "nothing")), HasSubstr("tls.client_ca: "));
}

}  // namespace
}  // namespace reelsense::server
