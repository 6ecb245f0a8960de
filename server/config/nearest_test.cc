#include "server/config/nearest.h"

#include <gtest/gtest.h>

#include <array>

namespace reelsense::server {
namespace {

TEST(EditDistance, Names_CountsEdits) {
  EXPECT_EQ(edit_distance("", ""), 0U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  EXPECT_EQ(edit_distance("abc", ""), 3U);
  EXPECT_EQ(edit_distance("listen", "listen"), 0U);
  EXPECT_EQ(edit_distance("lisen", "listen"), 1U);
  EXPECT_EQ(edit_distance("lisetn", "listen"), 1U);  // neighbours swapped
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
}

TEST(Nearest, SeveralNear_GivesTheNearest) {
  const std::array<std::string, 3> names = {"http.listen", "grpc.listen", "tls.key"};
  EXPECT_EQ(nearest("htp.listen", names, 2), "http.listen");
  EXPECT_EQ(nearest("grpc.listne", names, 2), "grpc.listen");
  EXPECT_EQ(nearest("models", names, 2), "");
  EXPECT_EQ(nearest("tls.key", names, 0), "tls.key");
}

TEST(Suggestion, NothingNear_IsEmpty) {
  const std::array<std::string, 2> names = {"http.listen", "grpc.listen"};
  EXPECT_EQ(suggestion("http.lisen", names), "; did you mean http.listen?");
  EXPECT_EQ(suggestion("zzz", names), "");
}

}  // namespace
}  // namespace reelsense::server
