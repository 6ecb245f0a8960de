#include "server/config/config.h"

#include <gmock/gmock.h>

#include <fstream>
#include <set>
#include <sstream>

#include "server/config/config_fixture.h"
#include "server/config/config_keys.h"
#include "server/config/loaded_config.h"

namespace reelsense::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;

std::string read_text(const std::filesystem::path& file) {
  std::ostringstream text;
  text << std::ifstream(file, std::ios::binary).rdbuf();
  return text.str();
}

// The printed configuration without where its values came from.
std::string values(const ConfigSources& sources) {
  const auto printed = print_config(sources);
  if (!printed) return printed.error().message;
  std::istringstream lines(printed.value());
  std::string out;
  for (std::string line; std::getline(lines, line);) out += line.substr(0, line.rfind("  # ")) + "\n";
  return out;
}

const std::filesystem::path kExample = REELSENSE_SOURCE_DIR "/server/reelsense-server.example.toml";

class ConfigSetting : public ConfigFiles {};
class ConfigError : public ConfigFiles {};

TEST_F(ConfigSetting, NoSource_GivesTheDefaults) {
  const auto config = load_config({});
  ASSERT_TRUE(config.ok()) << config.error().message;
  EXPECT_EQ(config.value().http.listen, "127.0.0.1:8080");
  EXPECT_EQ(config.value().scheduler.max_batch, 128);
  EXPECT_TRUE(config.value().models.path.empty());
}

TEST_F(ConfigSetting, Defaults_AreInTheirOwnRanges) {
  // A flag for every default: each must be accepted as if it had been said.
  ConfigSources sources;
  for (const ConfigKey& key : config_keys()) {
    Config defaults;
    const Field field = key.field(defaults);
    std::string text;
    if (const auto* flag = std::get_if<bool*>(&field)) text = **flag ? "true" : "false";
    if (const auto* integer = std::get_if<std::int64_t*>(&field)) text = std::to_string(**integer);
    if (const auto* number = std::get_if<double*>(&field)) text = std::to_string(**number);
    if (const auto* string = std::get_if<std::string*>(&field)) text = **string;
    sources.flags.emplace_back(flag_name(key), text);
  }
  EXPECT_EQ(values(sources), values({}));
}

TEST_F(ConfigSetting, File_EveryTypeIsRead) {
  const auto config = load(R"(
[http]
idle_timeout_s = 30          # an integer will do for a number
read_timeout_s = 2.5
[grpc]
reflection = false
[scheduler]
max_batch = 1_024
[models]
path = ["/srv/models", "/opt/models"]
aliases = { stable = "reelsense-edge@0.1.0", canary = "reelsense-edge" }
[flows]
hash_key = "000102030405060708090a0b0c0d0e0F"
)");
  ASSERT_TRUE(config.ok()) << config.error().message;
  EXPECT_EQ(config.value().http.idle_timeout_s, 30);
  EXPECT_EQ(config.value().http.read_timeout_s, 2.5);
  EXPECT_FALSE(config.value().grpc.reflection);
  EXPECT_EQ(config.value().scheduler.max_batch, 1024);
  EXPECT_THAT(config.value().models.path, ElementsAre("/srv/models", "/opt/models"));
  EXPECT_THAT(config.value().models.aliases,
              ElementsAre(Pair("canary", "reelsense-edge"), Pair("stable", "reelsense-edge@0.1.0")));
  EXPECT_EQ(config.value().flows.hash_key, "000102030405060708090a0b0c0d0e0F");
}

TEST_F(ConfigSetting, AliasesAsASection_AreTheSame) {
  const auto config = load("[models.aliases]\nstable = \"reelsense-edge@0.1.0\"\n");
  ASSERT_TRUE(config.ok()) << config.error().message;
  EXPECT_THAT(config.value().models.aliases, ElementsAre(Pair("stable", "reelsense-edge@0.1.0")));
}

TEST_F(ConfigSetting, Text_EveryTypeIsRead) {
  const std::map<std::string, std::string> environment = {
      {"REELSENSE_GRPC_REFLECTION", "false"},
      {"REELSENSE_HTTP_READ_TIMEOUT_S", "2.5"},
      {"REELSENSE_MODELS_PATH", "/srv/models:/opt/models"},
      {"REELSENSE_MODELS_ALIASES", "stable=reelsense-edge@0.1.0,canary=reelsense-edge"},
      {"REELSENSE_SERVER_DRAIN_TIMEOUT_S", "3"},
      {"REELSENSE_LOG_FILE", ""}};
  const auto config = load_config({{}, environment, {}});
  ASSERT_TRUE(config.ok()) << config.error().message;
  EXPECT_FALSE(config.value().grpc.reflection);
  EXPECT_EQ(config.value().http.read_timeout_s, 2.5);
  EXPECT_THAT(config.value().models.path, ElementsAre("/srv/models", "/opt/models"));
  EXPECT_THAT(config.value().models.aliases,
              ElementsAre(Pair("canary", "reelsense-edge"), Pair("stable", "reelsense-edge@0.1.0")));
  EXPECT_EQ(config.value().drain_timeout_s, 3);
  EXPECT_EQ(config.value().log.file, "");
}

TEST_F(ConfigSetting, Sources_LaterWins) {
  ConfigSources sources;
  const auto batch = [&] {
    const auto config = load_config(sources);
    return config ? config.value().scheduler.max_batch : -1;
  };
  EXPECT_EQ(batch(), 128);
  sources.file = put("[scheduler]\nmax_batch = 1\nworkers = 3\n");
  EXPECT_EQ(batch(), 1);
  sources.environment["REELSENSE_SCHEDULER_MAX_BATCH"] = "2";
  EXPECT_EQ(batch(), 2);
  sources.flags = {{"scheduler.max-batch", "3"}};
  EXPECT_EQ(batch(), 3);
  sources.flags.emplace_back("scheduler.max-batch", "4");
  EXPECT_EQ(batch(), 4);
  EXPECT_EQ(load_config(sources).value().scheduler.workers, 3);
}

TEST_F(ConfigSetting, ListOrTable_ReplacesTheFormerWhole) {
  const auto file = put("[models]\npath = [\"/a\", \"/b\"]\naliases = { old = \"x\" }\n");
  const auto config = load_config({file, {{"REELSENSE_MODELS_PATH", "/c"}}, {{"models.aliases", "new=y"}}});
  ASSERT_TRUE(config.ok()) << config.error().message;
  EXPECT_THAT(config.value().models.path, ElementsAre("/c"));
  EXPECT_THAT(config.value().models.aliases, ElementsAre(Pair("new", "y")));
}

TEST_F(ConfigSetting, ModelsVariableOfTheCommand_IsTheModelsPath) {
  std::map<std::string, std::string> environment = {{"REELSENSE_MODELS", "/a:/b"}};
  EXPECT_THAT(load_config({{}, environment, {}}).value().models.path, ElementsAre("/a", "/b"));
  environment["REELSENSE_MODELS_PATH"] = "/c";
  EXPECT_THAT(load_config({{}, environment, {}}).value().models.path, ElementsAre("/c"));
}

TEST_F(ConfigSetting, VariablesOfOthers_AreLeftAlone) {
  const auto config = load_config({{},
                                   {{"REELSENSE_API_KEY", "rs_secret"},
                                    {"REELSENSE_SERVER_SERVICE_HOST", "10.0.0.1"},
                                    {"REELSENSE_SERVER_SERVICE_PORT_HTTP", "80"},
                                    {"REELSENSE_SERVER_PORT", "tcp://10.0.0.1:80"},
                                    {"REELSENSE_SERVER_PORT_80_TCP_ADDR", "10.0.0.1"},
                                    {"REELSENSE_ELSEWHERE", "1"}},
                                   {}});
  EXPECT_TRUE(config.ok()) << config.error().message;
}

TEST_F(ConfigSetting, TwoServersAddresses_EmptyTurnsOneOff) {
  EXPECT_TRUE(load("[grpc]\nlisten = \"\"\n").ok());
  EXPECT_TRUE(load("[http]\nlisten = \"\"\n").ok());
  EXPECT_TRUE(load("[http]\nlisten = \"127.0.0.1:0\"\n[grpc]\nlisten = \"127.0.0.1:0\"\n").ok());
}

TEST_F(ConfigError, NoSuchFile_NamesIt) {
  const auto config = load_config({folder_ / "absent.toml", {}, {}});
  ASSERT_FALSE(config.ok());
  EXPECT_EQ(config.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(config.error().message, HasSubstr("absent.toml"));
}

TEST_F(ConfigError, NotToml_NamesTheLine) {
  const auto config = load("[http]\nlisten = \n");
  ASSERT_FALSE(config.ok());
  EXPECT_EQ(config.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(message_of(config), ::testing::StartsWith("server.toml:2: not TOML: "));
  EXPECT_THAT(message_of(load("[http]\nthreads = 1\nthreads = 2\n")), HasSubstr("server.toml:3: not TOML: "));
  EXPECT_THAT(message_of(load("[http]\nlisten = \"\xff\"\n")), HasSubstr("not TOML: "));
}

TEST_F(ConfigError, TooLargeOrTooDeep_IsRefused) {
  EXPECT_EQ(load("# " + std::string(70'000, 'x')).error().code, ErrorCode::kLimit);
  std::string dots = "a";
  for (int i = 0; i < 20'000; ++i) dots += ".a";
  EXPECT_EQ(message_of(load("\n" + dots + " = 1\n")), "server.toml:2: at most 64 dots on a line are read");
  EXPECT_THAT(message_of(load("a = " + std::string(30'000, '['))), HasSubstr("not TOML"));
}

TEST_F(ConfigError, WrongType_SaysFoundAndExpected) {
  const std::pair<const char*, const char*> bad[] = {
      {"[http]\nthreads = \"4\"",
       "server.toml:2: http.threads: found \"4\", expected an integer from 1 to 256"},
      {"[http]\nthreads = 1.5", "server.toml:2: http.threads: found 1.5, expected an integer from 1 to 256"},
      {"[http]\nidle_timeout_s = true",
       "server.toml:2: http.idle_timeout_s: found true, expected a number from 0.1 to 86400"},
      {"[grpc]\nreflection = 1", "server.toml:2: grpc.reflection: found 1, expected true or false"},
      {"[log]\nfile = 1979-05-27", "server.toml:2: log.file: found a date or time, expected a file, or \"\""},
      {"[log]\nfile = [\"a\"]", "server.toml:2: log.file: found a list, expected a file, or \"\""},
      {"[models]\npath = \"/srv\"", "server.toml:2: models.path: found \"/srv\", expected a list of folders"},
      {"[models]\npath = [\n\"/srv\",\n4]",
       "server.toml:4: models.path: found 4, expected a list of folders"},
      {"http = 3", "server.toml:1: http: found 3, expected a section [http]"},
      {"[[http]]\nthreads = 1", "server.toml:1: http: found a list, expected a section [http]"},
  };
  for (const auto& [text, message] : bad) EXPECT_EQ(message_of(load(text)), message) << text;
}

TEST_F(ConfigError, OutOfRange_SaysTheRange) {
  EXPECT_EQ(message_of(load("[scheduler]\nmax_batch = 1025")),
            "server.toml:2: scheduler.max_batch: found 1025, expected an integer from 1 to 1024");
  for (const char* text : {"[scheduler]\nmax_batch = 0", "[scheduler]\nmax_batch = -9223372036854775808",
                           "[http]\nthreads = 257", "[scheduler]\nmax_wait_ms = nan",
                           "[scheduler]\nmax_wait_ms = inf", "[scheduler]\nmax_wait_ms = -0.001",
                           "[limits]\nwindows_per_s = -1", "[flows]\nmax = 9223372036854775807"}) {
    EXPECT_THAT(message_of(load(text)), HasSubstr("expected a")) << text;
  }
}

TEST_F(ConfigError, Text_MustBeOneOfWhatIsAllowed) {
  EXPECT_EQ(message_of(load("[logging]\nlevel = \"verbose\"")),
            "server.toml:2: logging.level: found \"verbose\", expected \"debug\", \"info\", \"warning\" or "
            "\"error\"");
  EXPECT_THAT(message_of(load("[logging]\nformat = \"xml\"")), HasSubstr("expected \"text\" or \"json\""));
  EXPECT_THAT(message_of(load("[http]\nlisten = \"8080\"")), HasSubstr("expected \"host:port\""));
  EXPECT_THAT(message_of(load("[models]\ndefault_model = \"\"")), HasSubstr("expected a name"));
  EXPECT_THAT(message_of(load("[models]\npath = [\"\"]")), HasSubstr("expected a list of folders"));
  EXPECT_THAT(message_of(load("[log]\nfile = \"a\\u0000b\"")), HasSubstr("found \"a\\u0000b\""));
  EXPECT_THAT(message_of(load("[log]\nfile = \"" + std::string(5000, 'x') + "\"")),
              HasSubstr("found \"" + std::string(80, 'x') + "…\""));
}

TEST_F(ConfigError, Aliases_NameTheEntry) {
  EXPECT_EQ(
      message_of(load("[models.aliases]\nok = \"m\"\n\"a b\" = \"m\"")),
      "server.toml:3: models.aliases: found \"a b\" = \"m\", expected a table of alias = \"model\" (alias: 1 "
      "to 64 characters, no '@', '/', ',', '=', ':' or space)");
  EXPECT_THAT(message_of(load("[models.aliases]\nx = 3")), HasSubstr("found \"x\" = 3"));
  EXPECT_THAT(message_of(load("[models.aliases]\nx = \"\"")), HasSubstr("found \"x\" = \"\""));
  std::string many = "[models.aliases]\n";
  for (int i = 0; i < 257; ++i) many += "a" + std::to_string(i) + " = \"m\"\n";
  EXPECT_THAT(message_of(load(many)), HasSubstr("found 257 entries (at most 256)"));
}

TEST_F(ConfigError, UnknownKey_SuggestsTheNearest) {
  EXPECT_EQ(message_of(load("[scheduler]\n\nmax_bach = 3")),
            "server.toml:3: scheduler.max_bach: no such key; did you mean scheduler.max_batch?");
  EXPECT_EQ(message_of(load("[schedular]\nmax_batch = 3")),
            "server.toml:1: there is no section [schedular]; did you mean scheduler?");
  EXPECT_EQ(message_of(load("max_batch = 3")),
            "server.toml:1: max_batch: no such key outside a section; did you mean scheduler.max_batch?");
  EXPECT_EQ(message_of(load("[http]\nqqqqqqqqqqqqqqqqqqqq = 3")),
            "server.toml:2: http.qqqqqqqqqqqqqqqqqqqq: no such key");
}

TEST_F(ConfigError, UnknownFlagOrVariable_SuggestsTheNearest) {
  EXPECT_EQ(message_of(load_config({{}, {}, {{"scheduler.max_batch", "3"}}})),
            "--scheduler.max_batch: no such key; did you mean scheduler.max-batch?");
  EXPECT_EQ(message_of(load_config({{}, {{"REELSENSE_SCHEDULER_MAX_BACH", "3"}}, {}})),
            "REELSENSE_SCHEDULER_MAX_BACH: no such key; did you mean REELSENSE_SCHEDULER_MAX_BATCH?");
  EXPECT_EQ(message_of(load_config({{}, {{"REELSENSE_SCHEDULR_MAX_BATCH", "3"}}, {}})),
            "REELSENSE_SCHEDULR_MAX_BATCH: no such key; did you mean REELSENSE_SCHEDULER_MAX_BATCH?");
  EXPECT_THAT(message_of(load_config({{}, {{"REELSENSE_HTTP_PORT", "80"}}, {}})),
              HasSubstr("REELSENSE_HTTP_PORT: no such key"));
}

TEST_F(ConfigError, FlagOrVariable_NamesItFoundAndExpected) {
  const auto flag = [&](const char* name, const std::string& text) {
    return message_of(load_config({{}, {}, {{name, text}}}));
  };
  EXPECT_EQ(flag("scheduler.max-batch", "many"),
            "--scheduler.max-batch: found \"many\", expected an integer from 1 to 1024");
  for (const char* text : {"", " 3", "3 ", "3.0", "0x3", "+3", "99999999999999999999"})
    EXPECT_THAT(flag("scheduler.max-batch", text), HasSubstr("expected an integer")) << text;
  for (const char* text : {"", "nan", "inf", "1s", "1,5"})
    EXPECT_THAT(flag("scheduler.max-wait-ms", text), HasSubstr("expected a number")) << text;
  for (const char* text : {"", "1", "True", "yes"})
    EXPECT_THAT(flag("grpc.reflection", text), HasSubstr("expected true or false")) << text;
  for (const char* text : {":", "/a::/b", "/a:"})
    EXPECT_THAT(flag("models.path", text), HasSubstr("expected a list")) << text;
  for (const char* text : {"x", "x=", "=m", "x=m,", "x=m,x=n", "a b=m"})
    EXPECT_THAT(flag("models.aliases", text), HasSubstr("expected a table")) << text;
  EXPECT_THAT(flag("log.file", "caf\xe9"), HasSubstr("expected a file"));
  EXPECT_THAT(message_of(load_config({{}, {{"REELSENSE_HTTP_THREADS", "0"}}, {}})),
              HasSubstr("REELSENSE_HTTP_THREADS: found \"0\", expected an integer from 1 to 256"));
}

TEST_F(ConfigError, BadSecret_IsNotRepeated) {
  EXPECT_THAT(message_of(load("[flows]\nhash_key = \"0badc0de\"")),
              AllOf(HasSubstr("server.toml:2: flows.hash_key: "), Not(HasSubstr("0badc0de"))));
  EXPECT_THAT(message_of(load_config({{}, {{"REELSENSE_FLOWS_HASH_KEY", "0badc0de"}}, {}})),
              AllOf(HasSubstr("REELSENSE_FLOWS_HASH_KEY: "), Not(HasSubstr("0badc0de"))));
}

TEST_F(ConfigError, Several_AllAreTold) {
  const auto file = put("[scheduler]\nworkers = -1\nmax_batch = 0\n[http]\nthreads = 0\n");
  const auto config = load_config({file, {{"REELSENSE_FLOWS_MAX", "x"}}, {{"log.flush-ms", "x"}}});
  EXPECT_EQ(message_of(config),
            "server.toml:2: scheduler.workers: found -1, expected an integer from 0 to 256\n"
            "server.toml:3: scheduler.max_batch: found 0, expected an integer from 1 to 1024\n"
            "server.toml:5: http.threads: found 0, expected an integer from 1 to 256\n"
            "REELSENSE_FLOWS_MAX: found \"x\", expected an integer from 1 to 10000000\n"
            "--log.flush-ms: found \"x\", expected a number from 1 to 60000");
  std::string many = "[http]\n";
  for (int i = 0; i < 30; ++i) many += "zzzzzzzzzzzz" + std::to_string(i) + " = 1\n";
  EXPECT_THAT(message_of(load(many)), HasSubstr("\nand 10 more"));
}

TEST_F(ConfigError, TlsHalfSet_NamesWhatIsMissing) {
  EXPECT_EQ(message_of(load("[tls]\ncertificate = \"c.pem\"")),
            "server.toml:2: tls.certificate: needs tls.key, the certificate's private key");
  EXPECT_THAT(message_of(load("[tls]\nkey = \"k.pem\"")), HasSubstr("tls.key: needs tls.certificate"));
  EXPECT_THAT(message_of(load("[tls]\nclient_ca = \"ca.pem\"")),
              HasSubstr("tls.client_ca: needs tls.certificate"));
  EXPECT_THAT(message_of(load("[auth]\ntrust_client_certificates = true")),
              HasSubstr("auth.trust_client_certificates: needs tls.client_ca"));
  EXPECT_TRUE(load("[auth]\ntrust_client_certificates = true\n"
                   "[tls]\ncertificate = \"c.pem\"\nkey = \"k.pem\"\nclient_ca = \"ca.pem\"\n")
                  .ok());
}

TEST_F(ConfigError, BeyondLoopbackForAnybody_NamesWhatToSet) {
  EXPECT_EQ(
      message_of(load("[http]\nlisten = \"0.0.0.0:8080\"")),
      "server.toml:2: http.listen: \"0.0.0.0:8080\" is beyond loopback and nobody is asked who they are: set "
      "auth.keys_file (API keys) or tls.client_ca (client certificates), or say auth.insecure_public = true");
  EXPECT_THAT(message_of(load_config({{}, {}, {{"grpc.listen", "[::]:8081"}}})),
              HasSubstr("--grpc.listen: \"[::]:8081\" is beyond loopback"));
  EXPECT_THAT(message_of(load_config({{}, {{"REELSENSE_HTTP_LISTEN", "edge.example.org:80"}}, {}})),
              HasSubstr("REELSENSE_HTTP_LISTEN: "));
  const std::string open = "[http]\nlisten = \"0.0.0.0:8080\"\n";
  EXPECT_TRUE(load(open + "[auth]\nkeys_file = \"keys.toml\"\n").ok());
  EXPECT_TRUE(load(open + "[auth]\ninsecure_public = true\n").ok());
  EXPECT_TRUE(load(open + "[tls]\ncertificate = \"c\"\nkey = \"k\"\nclient_ca = \"ca\"\n").ok());
  EXPECT_FALSE(load(open + "[tls]\ncertificate = \"c\"\nkey = \"k\"\n").ok());
}

TEST_F(ConfigError, Addresses_MustDifferAndOneIsNeeded) {
  EXPECT_THAT(message_of(load("[grpc]\nlisten = \"127.0.0.1:8080\"")), HasSubstr("is http.listen as well"));
  EXPECT_THAT(message_of(load("[http]\nlisten = \"\"\n[grpc]\nlisten = \"\"")),
              HasSubstr("both http.listen and"));
}

TEST_F(ConfigSetting, Print_SaysWhereFrom) {
  const auto printed = print_config(
      {put("[http]\nthreads = 2\n"), {{"REELSENSE_SCHEDULER_MAX_BATCH", "3"}}, {{"log.file", "x.sqlite"}}});
  ASSERT_TRUE(printed.ok());
  EXPECT_THAT(printed.value(), HasSubstr("\n[http]\nlisten = \"127.0.0.1:8080\"  # default\n"
                                         "threads = 2  # file\n"));
  EXPECT_THAT(printed.value(), HasSubstr("max_batch = 3  # environment\n"));
  EXPECT_THAT(printed.value(), HasSubstr("file = \"x.sqlite\"  # flag\n"));
  EXPECT_FALSE(print_config({{}, {}, {{"log.fil", "x"}}}).ok());
}

TEST_F(ConfigSetting, Print_IsReadBackToTheSame) {
  const ConfigSources sources = {put(R"([models]
path = ["/a", "C:\\b \"c\"", "/é"]
aliases = { "x.y" = "m@1.0.0", "ü" = "n" }
[scheduler]
max_wait_ms = 0.1
[limits]
windows_per_s = 1e9
requests_per_s = 0.3333333333333333
)"),
                                 {},
                                 {{"http.listen", "[::1]:0"}}};
  const std::string first = values(sources);
  EXPECT_THAT(first, HasSubstr("max_wait_ms = 0.1\n"));
  EXPECT_THAT(first, HasSubstr("windows_per_s = 1000000000\n"));
  EXPECT_EQ(values({put(print_config(sources).value(), "printed.toml"), {}, {}}), first);
}

TEST_F(ConfigSetting, Print_SecretIsNotShown) {
  const auto file = put("[flows]\nhash_key = \"000102030405060708090a0b0c0d0e0f\"\n");
  const auto printed = print_config({file, {}, {}});
  ASSERT_TRUE(printed.ok());
  EXPECT_THAT(printed.value(), Not(HasSubstr("000102")));
  EXPECT_THAT(printed.value(), HasSubstr("\n# hash_key = \"…\"  # file, secret: not shown\n"));
  EXPECT_TRUE(load_config({put(printed.value(), "printed.toml"), {}, {}}).ok());
}

TEST_F(ConfigSetting, Keys_AreUniqueUnderEachOfTheirNames) {
  std::set<std::string> flags;
  std::set<std::string> variables;
  std::set<const void*> fields;
  Config config;
  for (const ConfigKey& key : config_keys()) {
    EXPECT_TRUE(flags.insert(flag_name(key)).second) << flag_name(key);
    EXPECT_TRUE(variables.insert(variable_name(key)).second) << variable_name(key);
    const void* field = std::visit([](auto* at) { return static_cast<const void*>(at); }, key.field(config));
    EXPECT_TRUE(fields.insert(field).second) << flag_name(key) << " is another key's field";
    EXPECT_FALSE(key.meaning.empty() || key.meaning.ends_with('.')) << flag_name(key);
  }
  EXPECT_EQ(config_flags().size(), flags.size());
  EXPECT_THAT(config_flags(), ::testing::Contains(Pair("scheduler.max-batch", HasSubstr("together"))));
}

TEST_F(ConfigSetting, Example_IsEveryKeyAtItsDefault) {
  const ConfigSources sources = {kExample, {}, {}};
  EXPECT_EQ(values(sources), values({}));
  const auto printed = print_config(sources);
  ASSERT_TRUE(printed.ok()) << printed.error().message;
  EXPECT_THAT(printed.value(), Not(HasSubstr("# default"))) << "a key is missing in " << kExample;
}

TEST_F(ConfigError, ExampleCutAnywhere_IsReadOrRefused) {
  const std::string whole = read_text(kExample);
  ASSERT_FALSE(whole.empty());
  std::size_t read = 0;
  for (std::size_t bytes = 0; bytes <= whole.size(); ++bytes) {
    const auto config = load(std::string_view(whole).substr(0, bytes));
    read += config.ok() ? 1 : 0;
    EXPECT_TRUE(config.ok() || message_of(config).starts_with("server.toml")) << bytes << message_of(config);
  }
  EXPECT_GT(read, 0U);
  EXPECT_LT(read, whole.size());
}

TEST_F(ConfigError, ExampleWithAByteChanged_IsReadOrRefused) {
  const std::string whole = read_text(kExample);
  constexpr std::string_view kBytes("\0\"\n.[{=\xff", 8);
  for (std::size_t at = 0; at < whole.size(); at += 3) {
    std::string changed = whole;
    changed[at] = kBytes[at / 3 % kBytes.size()];
    const auto config = load(changed);
    EXPECT_TRUE(config.ok() || message_of(config).starts_with("server.toml")) << at << message_of(config);
  }
}

TEST(ConfigReference, Page_IsMadeFromTheTable) {
  const std::string page = read_text(REELSENSE_SOURCE_DIR "/docs/reference/server-configuration.md");
  EXPECT_TRUE(page == config_reference())
      << "docs/reference/server-configuration.md differs from server/config/config_keys.cc; run: make docs";
}

}  // namespace
}  // namespace reelsense::server
