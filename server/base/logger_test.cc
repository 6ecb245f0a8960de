#include "server/base/logger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace reelsense::server {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

class Logger : public ::testing::Test {
 protected:
  void SetUp() override {
    set_log_sink([this](std::string_view line) { lines_.emplace_back(line); });
  }
  void TearDown() override {
    set_log_sink({});
    ASSERT_TRUE(configure_logging("info", "text").ok());
  }
  std::vector<std::string> lines_;
};

TEST_F(Logger, Text_Fields_OneLineWithUnitsOfItsOwn) {
  ASSERT_TRUE(configure_logging("info", "text").ok());
  log_info("listening", {{"port", 8080}, {"tls", false}, {"note", "two words"}, {"wait_s", 0.5}});
  ASSERT_EQ(lines_.size(), 1U);
  EXPECT_THAT(lines_[0], MatchesRegex("[0-9-]+T[0-9:]+\\.[0-9]+Z info listening .*\n"));
  EXPECT_THAT(lines_[0], HasSubstr(" port=8080 tls=false note=\"two words\" wait_s=0.5\n"));
}

TEST_F(Logger, Text_NewlineInAValue_CannotForgeALine) {
  log_warning("odd", {{"value", "a\nb"}});
  ASSERT_EQ(lines_.size(), 1U);
  EXPECT_THAT(lines_[0], EndsWith("value=\"a\\nb\"\n"));
}

TEST_F(Logger, Json_Fields_OneObjectALine) {
  ASSERT_TRUE(configure_logging("debug", "json").ok());
  log_debug("request",
            {{"path", "/v1/\"x\"\x01"}, {"status", 200U}, {"nan", std::numeric_limits<double>::quiet_NaN()}});
  ASSERT_EQ(lines_.size(), 1U);
  EXPECT_THAT(
      lines_[0],
      EndsWith(R"("level":"debug","event":"request","path":"/v1/\"x\"\u0001","status":200,"nan":null})"
               "\n"));
}

TEST_F(Logger, Level_BelowTheLeast_IsNotWritten) {
  ASSERT_TRUE(configure_logging("warning", "text").ok());
  log_info("quiet");
  log_error("loud");
  ASSERT_EQ(lines_.size(), 1U);
  EXPECT_THAT(lines_[0], HasSubstr("error loud"));
}

TEST_F(Logger, Configure_UnknownWord_NamesIt) {
  const Status level = configure_logging("loud", "text");
  ASSERT_FALSE(level.ok());
  EXPECT_THAT(level.error().message, HasSubstr("logging.level: \"loud\""));
  const Status format = configure_logging("info", "xml");
  ASSERT_FALSE(format.ok());
  EXPECT_THAT(format.error().message, HasSubstr("logging.format: \"xml\""));
}

}  // namespace
}  // namespace reelsense::server
