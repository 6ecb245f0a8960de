#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "reelsense/base/byte_reader.h"
#include "reelsense/base/math.h"
#include "reelsense/base/result.h"
#include "reelsense/base/sha256.h"
#include "reelsense/base/text.h"

namespace reelsense {
namespace {

std::string digest_of(const std::string& text) {
  return sha256_hex({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

TEST(Sha256, Fips180Vectors_GiveTheirDigests) {
  EXPECT_EQ(digest_of(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(digest_of("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(digest_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(digest_of(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Message, EveryKindOfValue_StandsInItsPlace) {
  const std::string name = "trees";
  EXPECT_EQ(to_text({"nothing to put in"}), "nothing to put in");
  EXPECT_EQ(to_text({"{}", std::numeric_limits<std::int64_t>::min()}), "-9223372036854775808");
  EXPECT_EQ(to_text({"{}", std::numeric_limits<std::uint64_t>::max()}), "18446744073709551615");
  EXPECT_EQ(to_text({"{} of {} have {}{} nodes, {", name, std::string_view("two"), std::uint8_t{0}, -7}),
            "trees of two have 0-7 nodes, {");
  const Message inner = {"{} is cut", name};
  EXPECT_EQ(to_text({"{}: {}", "model.onnx", inner}), "model.onnx: trees is cut");
}

TEST(Message, QuotedName_IsPrintableAndBounded) {
  EXPECT_EQ(to_text({"{}", in_quotes("a\"b\n\xc3")}), "\"a?b??\"");
  EXPECT_EQ(to_text({"{}", in_quotes(std::string(64, 'x'))}), '"' + std::string(64, 'x') + '"');
  EXPECT_EQ(to_text({"{}", in_quotes(std::string(65, 'x'))}), '"' + std::string(64, 'x') + "…\"");
}

TEST(ResultTest, Failure_GoesToAnotherResultAndCopies) {
  Result<int> inner = make_error(ErrorCode::kLimit, {"more than {} nodes", 7});
  ASSERT_FALSE(inner);
  const Result<int> copy = inner;
  const Result<std::string> outer = inner.failure();
  EXPECT_EQ(outer.error().code, ErrorCode::kLimit);
  EXPECT_EQ(outer.error().message, "more than 7 nodes");
  EXPECT_EQ(copy.error().in("model").message, "model: more than 7 nodes");
  inner = 5;
  EXPECT_EQ(inner.value(), 5);
}

TEST(Log2, WholeRange_AgreesWithLibmToElevenDigits) {
  for (double x = 1e-6; x < 1e18; x *= 1.0371) EXPECT_NEAR(log2_exact(x), std::log2(x), 2e-11) << x;
  EXPECT_EQ(log2_exact(1.0), 0.0);
  EXPECT_EQ(log2_exact(1024.0), 10.0);
}

TEST(ByteReader, ReadPastTheEnd_GivesZeroAndStaysFailed) {
  const std::uint8_t bytes[] = {1, 2, 3};
  ByteReader reader(bytes);
  EXPECT_EQ(reader.le<std::uint16_t>(), 0x0201);
  EXPECT_EQ(reader.be<std::uint16_t>(), 0);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.position(), 2U);
  EXPECT_EQ(reader.u8(), 3);
  EXPECT_FALSE(reader.ok());
}

TEST(ResultTest, ErrorInPlace_NamesThePlaceFirst) {
  const Result<int> result = Error{ErrorCode::kCorrupt, "node 3: cut"}.in("model.onnx");
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().message, "model.onnx: node 3: cut");
}

}  // namespace
}  // namespace reelsense
