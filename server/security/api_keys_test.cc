#include "server/security/api_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace reelsense::server {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr auto kInferOnly = static_cast<std::uint8_t>(Scope::kInfer);

class ApiKeys : public testing::Test {
 protected:
  ApiKeys() : file_(fs::path(testing::TempDir()) / ("keys_" + std::to_string(::getpid()) + ".toml")) {
    config_.auth.keys_file = file_.string();
  }
  ~ApiKeys() override { fs::remove(file_); }

  void write(const std::string& text) const { std::ofstream(file_) << text; }
  Result<std::unique_ptr<Authenticator>> open() const { return Authenticator::open(config_); }
  std::string problem(const std::string& text) const {
    write(text);
    const auto opened = open();
    return opened ? "accepted" : opened.error().message;
  }

  fs::path file_;
  Config config_;
};

TEST_F(ApiKeys, MadeKey_IsKnownAndOthersAreNot) {
  const NewKey made = make_key("collector \"7\"", kInferOnly);
  EXPECT_EQ(made.key.size(), 3U + 43U);
  write(made.entry);
  const auto auth = open();
  ASSERT_TRUE(auth) << auth.error().message;
  EXPECT_TRUE(auth.value()->required());
  const AuthResult known = auth.value()->authenticate(made.key);
  ASSERT_EQ(known.code, AuthCode::kOk);
  EXPECT_EQ(known.principal->name, "collector \"7\"");
  EXPECT_TRUE(known.principal->may(Scope::kInfer));
  EXPECT_FALSE(known.principal->may(Scope::kAdmin));
  EXPECT_EQ(auth.value()->authenticate("").code, AuthCode::kMissing);
  EXPECT_EQ(auth.value()->authenticate("rs_x").code, AuthCode::kUnknown);
  EXPECT_EQ(auth.value()->authenticate(std::string(1 << 20, 'k')).code, AuthCode::kUnknown);
}

TEST_F(ApiKeys, FileHoldsNoKey) {
  const NewKey made = make_key("a", kInferOnly);
  EXPECT_EQ(made.entry.find(made.key), std::string::npos);
  EXPECT_NE(made.key, make_key("a", kInferOnly).key);
}

TEST_F(ApiKeys, Reload_KeepsIdsAndOnAnErrorTheKeys) {
  const NewKey first = make_key("a", kInferOnly);
  const NewKey second = make_key("b", kInferOnly);
  write(first.entry + second.entry);
  const auto auth = std::move(open()).value();
  const std::uint32_t id = auth->authenticate(second.key).principal->id;
  const NewKey rotated = make_key("b", kInferOnly);
  write(rotated.entry + second.entry);
  ASSERT_TRUE(auth->reload());
  EXPECT_EQ(auth->authenticate(rotated.key).principal->id, id);
  EXPECT_EQ(auth->authenticate(second.key).principal->id, id);
  EXPECT_EQ(auth->authenticate(first.key).code, AuthCode::kUnknown);
  write("nonsense");
  EXPECT_FALSE(auth->reload());
  EXPECT_EQ(auth->authenticate(second.key).code, AuthCode::kOk);
}

TEST_F(ApiKeys, Limits_AreTheKeysOrTheDefaults) {
  const NewKey made = make_key("a", kInferOnly);
  config_.limits.requests_per_s = 5;
  write(made.entry + "windows_per_s = 100\n");
  const auto known = std::move(open()).value()->authenticate(made.key);
  EXPECT_EQ(known.principal->windows_per_s, 100);
  EXPECT_EQ(known.principal->requests_per_s, 5);
}

TEST_F(ApiKeys, BadFile_NamesLineAndWhatWasExpected) {
  const std::string sha = "sha256 = \"" + std::string(64, 'a') + "\"\n";
  const std::string scopes = "scopes = [\"infer\"]\n";
  EXPECT_THAT(problem("[[key]\n"), HasSubstr(file_.string() + ":1"));
  EXPECT_THAT(problem(""), HasSubstr("no [[key]]"));
  EXPECT_THAT(problem("[keys]\n"), HasSubstr("[[key]]"));
  EXPECT_THAT(problem("[[key]]\nname = \"a\"\n" + scopes), HasSubstr("without sha256"));
  EXPECT_THAT(problem("[[key]]\n" + sha + scopes), HasSubstr("without a name"));
  EXPECT_THAT(problem("[[key]]\nname = \"a\"\n" + sha), HasSubstr("without scopes"));
  EXPECT_THAT(problem("[[key]]\nname = \"a\"\nsha256 = \"AB\"\n"), HasSubstr(":3: sha256: 64"));
  EXPECT_THAT(problem("[[key]]\nname = \"a\"\nscopes = [\"all\"]\n"), HasSubstr("\"feedback\""));
  EXPECT_THAT(problem("[[key]]\nnam = \"a\"\n"), HasSubstr("unknown key \"nam\""));
  EXPECT_THAT(problem("[[key]]\nname = \"a\"\nwindows_per_s = -1\n"), HasSubstr("windows_per_s"));
  EXPECT_THAT(problem("[[key]]\nname = \"a\"\n" + sha + scopes + "[[key]]\nname = \"b\"\n" + sha + scopes),
              HasSubstr("the same sha256 twice"));
  fs::remove(file_);
  EXPECT_THAT(open().error().message, HasSubstr(file_.string()));
}

TEST(Authenticator, WithoutKeys_EverybodyIsAnonymousWithTheDefaultLimits) {
  Config config;
  config.limits.windows_per_s = 9;
  const auto auth = std::move(Authenticator::open(config)).value();
  EXPECT_FALSE(auth->required());
  const AuthResult result = auth->authenticate("whatever");
  ASSERT_EQ(result.code, AuthCode::kOk);
  EXPECT_EQ(result.principal->id, 0U);
  EXPECT_EQ(result.principal->windows_per_s, 9);
  EXPECT_TRUE(result.principal->may(Scope::kAdmin));
}

TEST(Authenticator, CertificatesWithoutKeys_GiveNobodyAdmin) {
  Config config;
  config.tls.client_ca = "ca.pem";
  const auto auth = std::move(Authenticator::open(config)).value();
  const AuthResult result = auth->authenticate("", "probe-1");
  ASSERT_EQ(result.code, AuthCode::kOk);
  EXPECT_TRUE(result.principal->may(Scope::kFeedback));
  EXPECT_FALSE(result.principal->may(Scope::kAdmin));
}

TEST(Authenticator, TrustedCertificate_IsAPrincipalWithoutAdmin) {
  Config config;
  config.auth.trust_client_certificates = true;
  const auto auth = std::move(Authenticator::open(config)).value();
  EXPECT_EQ(auth->authenticate("", "").code, AuthCode::kMissing);
  const AuthResult result = auth->authenticate("", "probe-1");
  ASSERT_EQ(result.code, AuthCode::kOk);
  EXPECT_EQ(result.principal->id, auth->authenticate("", "probe-1").principal->id);
  EXPECT_NE(result.principal->id, auth->authenticate("", "probe-2").principal->id);
  EXPECT_FALSE(result.principal->may(Scope::kAdmin));
}

}  // namespace
}  // namespace reelsense::server
