#include "server/http/request.h"

#include <gtest/gtest.h>

#include "server/http/decimal_time.h"

namespace reelsense::server {
namespace {

TEST(PercentDecode, Text_WithEscapes_IsDecoded) {
  EXPECT_EQ(percent_decode("a%2Fb%20c+d", false), "a/b c+d");
  EXPECT_EQ(percent_decode("a+b", true), "a b");
  EXPECT_EQ(percent_decode("", false), "");
}

TEST(PercentDecode, Broken_IsRefused) {
  for (const char* text : {"%", "%2", "%g0", "a%2"})
    EXPECT_EQ(percent_decode(text, false), std::nullopt) << text;
}

TEST(Request, Query_ByName_FirstDecodedValue) {
  Request request;
  request.query = "a=1&flow=x%2Fy+z&empty=&a=2&flag&bad=%zz";
  EXPECT_EQ(request.query_value("a"), "1");
  EXPECT_EQ(request.query_value("flow"), "x/y z");
  EXPECT_EQ(request.query_value("empty"), "");
  EXPECT_EQ(request.query_value("flag"), "");
  EXPECT_EQ(request.query_value("bad"), "%zz");
  EXPECT_EQ(request.query_value("b"), std::nullopt);
}

TEST(BearerToken, Schemes_OnlyBearer) {
  EXPECT_EQ(bearer_token("Bearer rs_abc"), "rs_abc");
  EXPECT_EQ(bearer_token("bearer  rs_abc "), "rs_abc");
  EXPECT_EQ(bearer_token("Basic abc"), "");
  EXPECT_EQ(bearer_token("Bearer"), "");
  EXPECT_EQ(bearer_token("Bearerx y"), "");
}

TEST(MediaType, Is_IgnoresCaseAndParameters) {
  EXPECT_TRUE(media_type_is("Application/JSON; charset=utf-8", "application/json"));
  EXPECT_FALSE(media_type_is("application/jsonl", "application/json"));
  EXPECT_TRUE(accepts("text/html, text/csv;q=0.9", "text/csv"));
  EXPECT_FALSE(accepts("*/*", "text/csv"));
}

TEST(RequestId, Sane_OnlyWhatCanBeEchoedAndLogged) {
  EXPECT_TRUE(is_sane_request_id("4bf92f35-77b3:a/b+c=@_."));
  EXPECT_FALSE(is_sane_request_id(""));
  EXPECT_FALSE(is_sane_request_id("a b"));
  EXPECT_FALSE(is_sane_request_id("a\"b"));
  EXPECT_FALSE(is_sane_request_id(std::string(129, 'a')));
}

TEST(ParseTimeNs, Decimals_AreExactToTheNanosecond) {
  EXPECT_EQ(parse_time_ns("1700000000.123456789"), 1'700'000'000'123'456'789);
  EXPECT_EQ(parse_time_ns("1700000000"), 1'700'000'000'000'000'000);
  EXPECT_EQ(parse_time_ns("1700000000.1234567899"), 1'700'000'000'123'456'789);
  EXPECT_EQ(parse_time_ns("0.000000001"), 1);
  EXPECT_EQ(parse_time_ns("0.0000000009"), 0);
  EXPECT_EQ(parse_time_ns("1.7e9"), 1'700'000'000'000'000'000);
  EXPECT_EQ(parse_time_ns("17E+8"), 1'700'000'000'000'000'000);
  EXPECT_EQ(parse_time_ns("1234567891e-9"), 1'234'567'891);
  EXPECT_EQ(parse_time_ns("7258118400"), 7'258'118'400'000'000'000);
  EXPECT_EQ(parse_time_ns("-0.0"), 0);
  EXPECT_EQ(parse_time_ns("0e99999999999999"), 0);
  EXPECT_EQ(parse_time_ns("1e-99999999999999"), 0);
}

TEST(ParseTimeNs, NotATime_IsRefused) {
  for (const char* text :
       {"", "-", "-1", "01", "1.", ".5", "1e", "1e+", "1x", "nan", "\"1\"", "7258118401", "1e400",
        "99999999999999999999999999", "7258118400.000000001", "999999999999999999.9", "--1", "1.5.5"}) {
    EXPECT_EQ(parse_time_ns(text), std::nullopt) << text;
  }
}

TEST(ParseTimeMs, Rfc3339_IsReadWithItsOffset) {
  EXPECT_EQ(parse_time_ms("1970-01-01T00:00:01Z"), 1000);
  EXPECT_EQ(parse_time_ms("2023-11-14T22:13:20.25Z"), 1'700'000'000'250);
  EXPECT_EQ(parse_time_ms("2023-11-14T23:13:20+01:00"), 1'700'000'000'000);
  EXPECT_EQ(parse_time_ms("2023-11-14 17:13:20-05:00"), 1'700'000'000'000);
  EXPECT_EQ(parse_time_ms("1700000000.5"), 1'700'000'000'500);
  for (const char* text :
       {"2023-02-30T00:00:00Z", "2023-11-14", "2023-11-14T22:13Z", "2023-11-14T25:13:20Z",
        "2023-11-14T22:13:20", "2023-11-14T22:13:20.Z", "2023-11-14T22:13:20+1:00", "yesterday"}) {
    EXPECT_EQ(parse_time_ms(text), std::nullopt) << text;
  }
}

TEST(TimeText, Milliseconds_ReadBack) {
  EXPECT_EQ(time_text(1'700'000'000'250), "2023-11-14T22:13:20.250Z");
  EXPECT_EQ(parse_time_ms(time_text(951'827'696'001)), 951'827'696'001);
}

}  // namespace
}  // namespace reelsense::server
