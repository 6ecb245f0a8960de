#include "server/http/json_writer.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <limits>

#include "server/http/problem.h"

namespace reelsense::server {
namespace {

TEST(JsonWriter, Nested_Values_CommasWhereTheyBelong) {
  std::string out;
  JsonWriter json(out);
  json.begin_object()
      .field("a", 1)
      .key("b")
      .begin_array()
      .value("x")
      .value(true)
      .null()
      .begin_object()
      .end_object();
  json.end_array().field("c", -2.5F).key("d").begin_object().field("e", std::uint64_t{18446744073709551615U});
  json.end_object().end_object();
  EXPECT_EQ(out, R"({"a":1,"b":["x",true,null,{}],"c":-2.5,"d":{"e":18446744073709551615}})");
}

TEST(JsonWriter, String_BytesThatNeedIt_AreEscaped) {
  std::string out;
  append_json_string("a\"b\\c\n\t\x01\x7f/\xc3\xa9\xf0\x9f\x8e\xac", out);
  EXPECT_EQ(out, "\"a\\\"b\\\\c\\n\\t\\u0001\\u007f/\xc3\xa9\xf0\x9f\x8e\xac\"");
}

TEST(JsonWriter, String_NotUtf8_BecomesReplacementCharacters) {
  std::string out;
  append_json_string("\xff|\xc3|\xed\xa0\x80|\xc0\xaf", out);
  const std::string bad = "\xef\xbf\xbd";
  EXPECT_EQ(out, "\"" + bad + "|" + bad + "|" + bad + bad + bad + "|" + bad + bad + "\"");
}

TEST(JsonWriter, Float_AnyValue_ReadsBackToTheSame) {
  for (const float value : {0.1F, 1e-45F, 3.4028235e38F, 0.97265625F, -0.0F}) {
    std::string out;
    append_decimal(value, out);
    EXPECT_EQ(std::strtof(out.c_str(), nullptr), value) << out;
  }
  std::string out;
  append_decimal(std::numeric_limits<float>::quiet_NaN(), out);
  EXPECT_EQ(out, "null");
}

TEST(Problem, Write_WithPlace_NamesTypeStatusAndPlace) {
  std::string out;
  write_problem(Problem::at("windows[3].features[7]", "a number is expected, not \"x\""), "id-1", false, out);
  EXPECT_EQ(out,
            R"({"type":"/problems/invalid-request","title":"The request is not valid","status":400,)"
            R"("detail":"windows[3].features[7]: a number is expected, not \"x\"",)"
            R"("errors":[{"where":"windows[3].features[7]","problem":"a number is expected, not \"x\""}],)"
            R"("request_id":"id-1"})");
}

TEST(Problem, Write_OpenInference_HasItsErrorMember) {
  std::string out;
  write_problem(Problem::of(ProblemType::kUnknownModel, "no x"), "1", true, out);
  EXPECT_NE(out.find(R"("error":"no x")"), std::string::npos) << out;
}

TEST(Problem, Definitions_EveryStatus_HasAReason) {
  for (const ProblemDefinition& definition : problem_definitions()) {
    EXPECT_NE(reason_phrase(definition.status), "Unknown") << definition.slug;
  }
}

}  // namespace
}  // namespace reelsense::server
