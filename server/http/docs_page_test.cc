#include "server/http/docs_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "server/http/observation_body.h"
#include "server/http/problem.h"
#include "server/http/router.h"

namespace reelsense::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

const Json& document() {
  static const Json parsed = Json::parse(openapi_source());
  return parsed;
}

std::string lower(std::string_view text) {
  std::string out;
  for (const char c : text) out += static_cast<char>(std::tolower(c));
  return out;
}

TEST(OpenApi, Paths_AreExactlyTheRoutes) {
  std::set<std::string> served;
  for (const Route& route : routes())
    served.insert(lower(name_of(route.method)) + " " + std::string(route.pattern));
  std::set<std::string> documented;
  for (const auto& [path, item] : document()["paths"].items()) {
    for (const auto& [method, operation] : item.items()) {
      if (method != "parameters") documented.insert(method + " " + path);
    }
  }
  EXPECT_EQ(documented, served);
}

TEST(OpenApi, Security_IsTheRoutesScope) {
  for (const Route& route : routes()) {
    const Json& operation = document()["paths"][std::string(route.pattern)][lower(name_of(route.method))];
    const Json& security = operation["security"];
    const std::string where = operation["operationId"];
    if (route.access == Access::kOpen) {
      EXPECT_TRUE(security.empty()) << where;
      continue;
    }
    ASSERT_FALSE(security.empty()) << where;
    const std::string scope = security[0]["bearer"][0];
    const char* expected = route.access == Access::kAdmin      ? "admin"
                           : route.access == Access::kFeedback ? "feedback"
                           : route.access == Access::kMetrics  ? "infer or admin"
                                                               : "infer";
    EXPECT_EQ(scope, expected) << where;
    EXPECT_TRUE(operation["responses"].contains("401") && operation["responses"].contains("403")) << where;
  }
}

TEST(OpenApi, Bodies_AreWhereRoutesTakeThem) {
  for (const Route& route : routes()) {
    const Json& operation = document()["paths"][std::string(route.pattern)][lower(name_of(route.method))];
    EXPECT_EQ(operation.contains("requestBody"), route.body != BodyKind::kNone) << operation["operationId"];
  }
}

TEST(OpenApi, ProblemTypes_AreThoseOfTheTable) {
  std::set<std::string> defined;
  for (const ProblemDefinition& problem : problem_definitions())
    defined.insert("/problems/" + std::string(problem.slug));
  EXPECT_EQ(document()["components"]["schemas"]["Problem"]["properties"]["type"]["enum"]
                .get<std::set<std::string>>(),
            defined);
}

// Every {"$ref": "#/…"} of the document.
void collect_references(const Json& node, std::set<std::string>& out) {
  if (node.is_object() && node.contains("$ref")) out.insert(node["$ref"].get<std::string>());
  if (node.is_structured()) {
    for (const Json& child : node) collect_references(child, out);
  }
}

TEST(OpenApi, References_AllLeadSomewhereAndEverythingIsUsed) {
  std::set<std::string> used;
  collect_references(document(), used);
  for (const std::string& reference : used) {
    EXPECT_TRUE(document().contains(Json::json_pointer(reference.substr(1)))) << reference;
  }
  for (const char* kind : {"schemas", "parameters", "responses", "headers"}) {
    for (const auto& [name, unused] : document()["components"][kind].items()) {
      EXPECT_TRUE(used.contains("#/components/" + std::string(kind) + "/" + name)) << kind << " " << name;
    }
  }
}

// What is shown as an example must be taken: it names this build's features.
TEST(OpenApi, ExampleOfObservations_IsTaken) {
  const std::string body =
      document()["paths"]["/v1/observations"]["post"]["requestBody"]["content"]["application/json"]["example"]
          .dump();
  const std::string padded = body + std::string(kJsonPadding, ' ');
  JsonParser parser;
  ObservationBatch batch;
  const auto problem =
      read_observation_batch(parser, std::string_view(padded).substr(0, body.size()), 1, batch);
  EXPECT_FALSE(problem) << problem->detail;
}

TEST(Docs, Page_HasEveryOperationAndFetchesNothing) {
  const Result<Docs> docs = make_docs("9.8.7");
  ASSERT_TRUE(docs.ok()) << docs.error().message;
  const std::string& page = docs.value().page;
  EXPECT_THAT(docs.value().openapi, HasSubstr(R"("version":"9.8.7")"));
  EXPECT_THAT(page, HasSubstr("Version 9.8.7"));
  for (const Route& route : routes())
    EXPECT_THAT(page, HasSubstr("<code>" + std::string(route.pattern) + "</code>"));
  for (const ProblemDefinition& problem : problem_definitions()) {
    EXPECT_THAT(page, HasSubstr("id=\"problem-" + std::string(problem.slug) + "\""));
  }
  for (const char* fetch : {"<script", "<link", "<img", "src=", "@import", "url("}) {
    EXPECT_THAT(page, Not(HasSubstr(fetch)));
  }
}

}  // namespace
}  // namespace reelsense::server
