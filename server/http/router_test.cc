#include "server/http/router.h"

#include <gtest/gtest.h>

#include <array>

namespace reelsense::server {
namespace {

constexpr auto kTable = std::to_array<Route>({
    {Method::kGet, "/a", Access::kOpen, BodyKind::kNone, nullptr},
    {Method::kPost, "/a", Access::kOpen, BodyKind::kNone, nullptr},
    {Method::kGet, "/a/{x}", Access::kOpen, BodyKind::kNone, nullptr},
    {Method::kGet, "/a/{x}/b/{y}/c", Access::kOpen, BodyKind::kNone, nullptr},
    {Method::kGet, "/", Access::kOpen, BodyKind::kNone, nullptr},
});

TEST(Router, Path_WithParameters_GivesThem) {
  const RouteMatch one = find_route(kTable, Method::kGet, "/a/x%2Fy");
  ASSERT_EQ(one.route, &kTable[2]);
  EXPECT_EQ(one.parameters[0], "x%2Fy");
  const RouteMatch two = find_route(kTable, Method::kGet, "/a/1/b/2/c");
  ASSERT_EQ(two.route, &kTable[3]);
  EXPECT_EQ(two.parameters[0], "1");
  EXPECT_EQ(two.parameters[1], "2");
}

TEST(Router, Head_IsAnsweredAsGet) {
  EXPECT_EQ(find_route(kTable, Method::kHead, "/a").route, &kTable[0]);
}

TEST(Router, UnknownPath_HasNoMethods) {
  for (const char* path : {"", "/b", "/a/", "/a/x/", "/a//b/2/c", "/a/1/b/2/c/d", "//", "a"}) {
    const RouteMatch match = find_route(kTable, Method::kGet, path);
    EXPECT_EQ(match.route, nullptr) << path;
    EXPECT_EQ(match.allowed, "") << path;
  }
}

TEST(Router, OtherMethod_ListsThoseThePathHas) {
  const RouteMatch match = find_route(kTable, Method::kDelete, "/a");
  EXPECT_EQ(match.route, nullptr);
  EXPECT_EQ(match.allowed, "GET, HEAD, POST");
}

}  // namespace
}  // namespace reelsense::server
