// The command line against a server in this process: what it writes, says and returns.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "cli/commands/commands.h"
#include "cli/remote/fake_server.h"

namespace reelsense::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

constexpr const char* kCaptures[] = {"overlap-h2-ipv6.pcap.zst", "slow-h2.pcap.gz", "feed-h2.pcap"};

std::string capture(const char* name) {
  return std::string(REELSENSE_SOURCE_DIR "/tests/captures/") + name;
}

struct Done {
  int code = 0;
  std::string out;
  std::string error;
};

class Classify : public ::testing::Test {
 protected:
  Classify()
      : folder_(std::filesystem::path(::testing::TempDir()) / ("remote." + std::to_string(::getpid()))) {
    std::filesystem::create_directories(folder_);
    ::setenv("REELSENSE_MODELS", REELSENSE_SOURCE_DIR "/models", 1);
    ::unsetenv("REELSENSE_API_KEY");
  }
  ~Classify() override { std::filesystem::remove_all(folder_); }

  std::string file(const std::string& name, const std::string& content) const {
    std::ofstream(folder_ / name, std::ios::binary) << content;
    return (folder_ / name).string();
  }

  static std::string read(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  // Runs `reelsense arguments…` with its rows in a file.
  Done run(std::vector<std::string> arguments) const {
    const std::string rows = (folder_ / "rows").string();
    arguments.insert(arguments.begin(), "reelsense");
    arguments.insert(arguments.end(), {"-o", rows});
    std::vector<const char*> argv;
    for (const std::string& argument : arguments) argv.push_back(argument.c_str());
    ::testing::internal::CaptureStderr();
    Done done;
    done.code = run_app(static_cast<int>(argv.size()), argv.data());
    done.error = ::testing::internal::GetCapturedStderr();
    done.out = read(rows);
    return done;
  }

  Done on(const FakeServer& server, std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), "classify");
    arguments.insert(arguments.end(), {"--server", server.url()});
    return run(std::move(arguments));
  }

  // One line that names the server, and nothing more.
  static void expect_one_line(const Done& done, const std::string& url, const std::string& what) {
    EXPECT_THAT(done.error, StartsWith("reelsense: " + url + ": "));
    EXPECT_THAT(done.error, HasSubstr(what));
    EXPECT_EQ(std::count(done.error.begin(), done.error.end(), '\n'), 1) << done.error;
  }

  std::filesystem::path folder_;
};

TEST_F(Classify, OnServer_WritesTheSameBytesAsHere) {
  FakeServer server;
  for (const char* name : kCaptures) {
    for (const char* format : {"csv", "jsonl", "table"}) {
      const Done here = run({"classify", capture(name), "--format", format});
      const Done there = on(server, {capture(name), "--format", format});
      EXPECT_EQ(here.code, 0) << here.error;
      EXPECT_EQ(there.code, 0) << there.error;
      EXPECT_THAT(there.error, IsEmpty());
      EXPECT_GT(here.out.size(), 1000U);
      EXPECT_EQ(here.out, there.out) << name << " as " << format;
    }
  }
}

TEST_F(Classify, AnswersOutOfOrder_AreWrittenInTheOrderOfSeconds) {
  FakeServer server({.gather = 500, .backwards = true});
  const Done here = run({"classify", capture(kCaptures[0])});
  const Done there = on(server, {capture(kCaptures[0])});
  EXPECT_EQ(there.code, 0) << there.error;
  EXPECT_EQ(here.out, there.out);
}

TEST_F(Classify, SeveralFilesSessionsAndConfidence_AreTheSameAsHere) {
  FakeServer server;
  const std::vector<std::vector<std::string>> ways = {
      {"--scope", "session"}, {"--min-confidence", "0.9"}, {"--join"}, {"--max-flows", "3"}};
  for (const auto& way : ways) {
    std::vector<std::string> arguments = {capture(kCaptures[0]), capture(kCaptures[1])};
    arguments.insert(arguments.end(), way.begin(), way.end());
    const Done there = on(server, arguments);
    arguments.insert(arguments.begin(), "classify");
    const Done here = run(arguments);
    EXPECT_EQ(there.code, 0) << there.error;
    EXPECT_EQ(here.out, there.out) << way.front();
  }
}

TEST_F(Classify, SummaryAndTruth_CountTheServersLabels) {
  FakeServer server;
  const std::string truth = capture("feed-h2.truth.csv");
  const Done here = run({"classify", capture("feed-h2.pcap"), "--truth", truth, "--summary"});
  const Done there = on(server, {capture("feed-h2.pcap"), "--truth", truth, "--summary"});
  const auto line = [](const std::string& text, const std::string& start) {
    const std::size_t at = text.find(start);
    return at == std::string::npos ? "no line " + start : text.substr(at, text.find('\n', at) - at);
  };
  for (const char* start : {"windows ", "video ", "rows ", "truth ", "  active", "  all"}) {
    EXPECT_EQ(line(here.error, start), line(there.error, start));
  }
  EXPECT_THAT(there.error, HasSubstr("model       " + server.model_id() + " at " + server.url()));
}

TEST_F(Classify, EndedFlows_AreToldAfterTheirLastWindow) {
  FakeServer server;
  const Done there = on(server, {capture("feed-h2.pcap"), "--summary=json"});
  const std::size_t at = there.error.find("\"flows\":");
  ASSERT_NE(at, std::string::npos) << there.error;
  EXPECT_EQ(server.flows_ended(), std::stoul(there.error.substr(at + 8)));
  EXPECT_EQ(server.windows_after_end(), 0U);
}

TEST_F(Classify, SwappedModel_IsNamedInItsRows) {
  FakeServer server({.swap_after = 70});
  const Done there = on(server, {capture(kCaptures[0])});
  EXPECT_EQ(there.code, 0) << there.error;
  EXPECT_THAT(there.out, HasSubstr("," + server.model_id() + "\n"));
  EXPECT_THAT(there.out, HasSubstr(",reelsense-ue@9.9.9\n"));
}

TEST_F(Classify, Model_IsNamedOnceAndMustBeThere) {
  FakeServer server;
  EXPECT_EQ(on(server, {capture(kCaptures[1]), "--model", "reelsense-ue"}).code, 0);
  EXPECT_EQ(server.models_named, 1U);
  const Done unknown = on(server, {capture(kCaptures[1]), "--model", "other"});
  EXPECT_EQ(unknown.code, kExitServer);
  expect_one_line(unknown, server.url(), "no model 'other'");
}

TEST_F(Classify, ApiKey_ComesFromFileOrEnvironment) {
  FakeServer server({.api_key = "rs_secret"});
  const Done none = on(server, {capture(kCaptures[1])});
  EXPECT_EQ(none.code, kExitServer);
  expect_one_line(none, server.url(), "--api-key-file");
  EXPECT_EQ(on(server, {capture(kCaptures[1]), "--api-key-file", file("key", "rs_secret\n")}).code, 0);
  EXPECT_EQ(on(server, {capture(kCaptures[1]), "--api-key-file", file("wrong", "rs_other")}).code,
            kExitServer);
  ::setenv("REELSENSE_API_KEY", "rs_secret", 1);
  EXPECT_EQ(on(server, {capture(kCaptures[1])}).code, 0);
}

TEST_F(Classify, KeyFileThatIsNone_IsAUsageError) {
  FakeServer server;
  for (const std::string& path : {file("empty", ""), file("two", "a b"), (folder_ / "missing").string()}) {
    const Done done = on(server, {capture(kCaptures[1]), "--api-key-file", path});
    EXPECT_EQ(done.code, kExitUsage);
    EXPECT_THAT(done.error, HasSubstr(path));
  }
}

TEST_F(Classify, Unreachable_IsOneLine) {
  const Done done = run({"classify", capture(kCaptures[1]), "--server", "127.0.0.1:1"});
  EXPECT_EQ(done.code, kExitServer);
  expect_one_line(done, "127.0.0.1:1", "cannot be reached");
}

TEST_F(Classify, NotAUrl_IsAUsageError) {
  for (const char* url : {"localhost", "ftp://a:1", "grpc://:1", "grpc://a:0", "a b:1", "http://a:99999"}) {
    const Done done = run({"classify", capture(kCaptures[1]), "--server", url});
    EXPECT_EQ(done.code, kExitUsage) << url;
    EXPECT_THAT(done.error, HasSubstr(std::string("'") + url + "'"));
  }
}

TEST_F(Classify, ServerGoingAwayMidStream_IsOneLineAndLeavesWholeRows) {
  FakeServer server({.break_after = 70});
  const Done whole = run({"classify", capture(kCaptures[0])});
  const Done done = on(server, {capture(kCaptures[0])});
  EXPECT_EQ(done.code, kExitServer);
  expect_one_line(done, server.url(), "going down");
  EXPECT_TRUE(whole.out.starts_with(done.out));
  EXPECT_THAT(done.out, ::testing::EndsWith("\n"));
  EXPECT_LT(done.out.size(), whole.out.size());
}

TEST_F(Classify, RefusedRequest_IsOneLine) {
  FakeServer server({.refuse_after = 70});
  const Done done = on(server, {capture(kCaptures[0])});
  EXPECT_EQ(done.code, kExitServer);
  expect_one_line(done, server.url(), "windows: at most 3 are taken (INVALID_ARGUMENT)");
}

TEST_F(Classify, WindowWithoutLabel_IsOneLine) {
  FakeServer server({.no_label_after = 70});
  const Done done = on(server, {capture(kCaptures[0])});
  EXPECT_EQ(done.code, kExitServer);
  expect_one_line(done, server.url(), "the model failed");
}

TEST_F(Classify, LabelGivenTwice_IsOneLine) {
  FakeServer server({.label_twice = true});
  const Done done = on(server, {capture(kCaptures[0])});
  EXPECT_EQ(done.code, kExitServer);
  expect_one_line(done, server.url(), "labelled before");
}

TEST_F(Classify, SessionsWithoutTheServersThreshold_AreRefused) {
  FakeServer server({.tells_decision = false});
  const Done done = on(server, {capture(kCaptures[0]), "--scope", "session"});
  EXPECT_EQ(done.code, kExitServer);
  expect_one_line(done, server.url(), "threshold and uncertain");
}

TEST_F(Classify, TlsOptionsWithoutTls_AreAUsageError) {
  FakeServer server;
  const Done done = on(server, {capture(kCaptures[1]), "--ca", file("ca.pem", "x")});
  EXPECT_EQ(done.code, kExitUsage);
  EXPECT_THAT(done.error, HasSubstr("grpcs://"));
}

class Tail : public Classify {
 protected:
  static FakeBehaviour two_labels() {
    v1::WatchResponse response;
    v1::WatchedLabel& label = *response.add_labels();
    label.set_flow_hash(0x0123456789abcdefULL);
    label.set_second(1'700'000'000);
    label.set_label(v1::LABEL_VIDEO);
    label.set_confidence(0.75F);
    label.set_model("reelsense-edge@1.0.0");
    v1::WatchedLabel& other = *response.add_labels();
    other = label;
    other.set_label(v1::LABEL_NON_VIDEO);
    other.set_uncertain(true);
    response.set_missed(7);
    return {.watched = {response}, .watch_end = {grpc::StatusCode::UNAVAILABLE, "going down"}};
  }
  Done tail(const FakeServer& server, const char* format) const {
    return run({"tail", "--server", server.url(), "--format", format});
  }
};

TEST_F(Tail, Labels_AreRows) {
  FakeServer server(two_labels());
  EXPECT_EQ(tail(server, "csv").out,
            "time,flow,label,confidence,uncertain,model\n"
            "1700000000,0123456789abcdef,video,0.7500,0,reelsense-edge@1.0.0\n"
            "1700000000,0123456789abcdef,non-video,0.7500,1,reelsense-edge@1.0.0\n");
  EXPECT_THAT(
      tail(server, "jsonl").out,
      StartsWith(
          "{\"time\":1700000000,\"flow\":\"0123456789abcdef\",\"label\":\"video\",\"confidence\":0.7500,"
          "\"uncertain\":false,\"model\":\"reelsense-edge@1.0.0\"}\n"));
  EXPECT_THAT(tail(server, "table").out, HasSubstr("2023-11-14 22:13:20  0123456789abcdef  video"));
}

TEST_F(Tail, MissedLabelsAndTheServersEnd_AreTold) {
  FakeServer server(two_labels());
  const Done done = tail(server, "csv");
  EXPECT_EQ(done.code, kExitServer);
  EXPECT_THAT(done.error, HasSubstr("warning: 7 labels"));
  EXPECT_THAT(done.error,
              HasSubstr(server.url() + ": the server cannot be reached or is going down: going down\n"));
}

}  // namespace
}  // namespace reelsense::cli
