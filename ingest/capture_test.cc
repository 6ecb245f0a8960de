// Opening by path, standard input, compressed streams.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "capture_builder.h"

namespace reelsense::ingest {
namespace {

using namespace testing;  // NOLINT: the builder is made for these tests
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Bytes gzip(const Bytes& bytes) {
  z_stream z{};
  EXPECT_EQ(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  Bytes out(deflateBound(&z, bytes.size()) + 64);
  z.next_in = const_cast<Bytef*>(bytes.data());
  z.avail_in = static_cast<uInt>(bytes.size());
  z.next_out = out.data();
  z.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&z, Z_FINISH), Z_STREAM_END);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

Bytes zstd(const Bytes& bytes) {
  Bytes out(ZSTD_compressBound(bytes.size()));
  out.resize(ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), 3));
  return out;
}

Bytes many_records(int n) {
  ClassicFile file;
  for (int i = 0; i < n; ++i) file.record(static_cast<std::uint8_t>(i % 200), 1000);
  return file.bytes;
}

Bytes part(const Bytes& bytes, std::size_t from, std::size_t to) {
  return {bytes.begin() + static_cast<std::ptrdiff_t>(from), bytes.begin() + static_cast<std::ptrdiff_t>(to)};
}

TEST(OpenCapture, PlainFile_IsMappedAndRead) {
  const TemporaryFile file(many_records(20000));  // more than is kept of the mapping at once
  auto reader = open_capture(file.path());
  ASSERT_TRUE(reader.ok()) << reader.error().message;
  const Seen seen = read_all(*reader.value(), 256);
  EXPECT_EQ(seen.fills.size(), 20000U);
  EXPECT_EQ(seen.status.bytes_read, seen.status.bytes_total);
}

TEST(OpenCapture, MissingFileAndDirectory_GiveTheSystemsReason) {
  auto missing = open_capture("/nonexistent/a.pcap");
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(missing.error().message, "/nonexistent/a.pcap: No such file or directory");
  auto directory = open_capture("/");
  ASSERT_FALSE(directory.ok());
  EXPECT_EQ(directory.error().code, ErrorCode::kIo);
  EXPECT_EQ(directory.error().message, "/: Is a directory");
}

TEST(OpenCapture, NoPermission_GivesTheSystemsReason) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may read everything";
  const TemporaryFile file(many_records(1));
  std::filesystem::permissions(file.path(), std::filesystem::perms::none);
  auto reader = open_capture(file.path());
  ASSERT_FALSE(reader.ok());
  EXPECT_EQ(reader.error().code, ErrorCode::kIo);
  EXPECT_THAT(reader.error().message, HasSubstr("Permission denied"));
}

TEST(OpenCapture, NotACapture_NamesFileMagicAndSupported) {
  const TemporaryFile file({'P', 'K', 3, 4, 5, 6, 7, 8});
  auto reader = open_capture(file.path());
  ASSERT_FALSE(reader.ok());
  EXPECT_EQ(reader.error().code, ErrorCode::kUnsupported);
  for (const char* words :
       {file.path().c_str(), "not a capture", "50 4b 03 04", "classic pcap", "pcapng", "gzip"}) {
    EXPECT_THAT(reader.error().message, HasSubstr(words));
  }
}

TEST(OpenCapture, EmptyAndTinyFiles_AreCorrupt) {
  const TemporaryFile empty(Bytes{});
  auto reader = open_capture(empty.path());
  ASSERT_FALSE(reader.ok());
  EXPECT_EQ(reader.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(reader.error().message, HasSubstr(empty.path() + ": empty"));
  const TemporaryFile tiny({0xd4, 0xc3});
  reader = open_capture(tiny.path());
  ASSERT_FALSE(reader.ok());
  EXPECT_EQ(reader.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(reader.error().message, HasSubstr("cut short"));
  EXPECT_EQ(open_error(gzip({})).code, ErrorCode::kCorrupt);
}

TEST(OpenCapture, CompressedFiles_GiveTheSameRecords) {
  const Bytes plain = many_records(3000);  // several fillings of the buffer
  for (const Bytes& packed : {gzip(plain), zstd(plain)}) {
    const TemporaryFile file(packed);
    auto reader = open_capture(file.path());
    ASSERT_TRUE(reader.ok()) << reader.error().message;
    const Seen seen = read_all(*reader.value());
    EXPECT_EQ(seen.fills, read_bytes(plain).fills);
    EXPECT_EQ(seen.status.bytes_read, packed.size());
    EXPECT_EQ(seen.status.bytes_total, packed.size());
    EXPECT_FALSE(seen.status.truncated_at);
    EXPECT_FALSE(seen.status.damage);
  }
}

TEST(OpenCapture, MembersAndFramesInARow_AreOneStream) {
  const Bytes plain = many_records(10);
  const std::size_t middle = plain.size() / 2 + 3;
  const Bytes a = part(plain, 0, middle);
  const Bytes b = part(plain, middle, plain.size());
  const Bytes skippable = Writer().u32(0x184d2a53).u32(5).raw(Bytes(5, 1)).bytes;
  for (const Bytes& packed : {Writer().raw(gzip(a)).raw(gzip({})).raw(gzip(b)).bytes,
                              Writer().raw(gzip(plain)).raw(Bytes(512, 0)).bytes,
                              Writer().raw(skippable).raw(zstd(a)).raw(skippable).raw(zstd(b)).bytes}) {
    const Seen seen = read_bytes(packed);
    EXPECT_EQ(seen.fills.size(), 10U);
    EXPECT_FALSE(seen.status.truncated_at);
    EXPECT_FALSE(seen.status.damage);
  }
}

TEST(OpenCapture, CompressedPcapng_IsRead) {
  EXPECT_THAT(read_bytes(gzip(PcapngFile().interface(1).enhanced(0, 1).bytes)).fills, ElementsAre(1));
}

TEST(OpenCapture, CompressedFileCutShort_IsTruncatedAtARecord) {
  const Bytes plain = many_records(50);
  for (const Bytes& packed : {gzip(plain), zstd(plain)}) {
    for (std::size_t n = packed.size() / 2; n < packed.size(); ++n) {
      auto reader = open_memory(part(packed, 0, n));
      if (!reader.ok()) {  // one block: nothing comes out before its end
        EXPECT_EQ(reader.error().code, ErrorCode::kCorrupt);
        continue;
      }
      const Seen seen = read_all(*reader.value());
      ASSERT_TRUE(seen.status.truncated_at) << n;
      EXPECT_EQ((*seen.status.truncated_at - 24) % 1016, 0U);
      EXPECT_FALSE(seen.status.damage);
    }
  }
}

TEST(OpenCapture, CompressedDataDamaged_SaysWhere) {
  Bytes packed = gzip(many_records(3000));
  packed[packed.size() - 8] ^= 1;  // of the checksum
  const Seen seen = read_bytes(packed);
  EXPECT_EQ(seen.fills.size(), 3000U);
  ASSERT_TRUE(seen.status.damage);
  EXPECT_THAT(*seen.status.damage, HasSubstr("gzip: incorrect data check near compressed byte"));
  const Seen frame = read_bytes(Writer().raw(zstd(many_records(5))).raw(Bytes(9, 7)).bytes);
  EXPECT_EQ(frame.fills.size(), 5U);
  ASSERT_TRUE(frame.status.damage);
  EXPECT_THAT(*frame.status.damage, HasSubstr("zstd: "));
  const Seen trailing = read_bytes(Writer().raw(gzip(many_records(5))).raw(Bytes(9, 7)).bytes);
  EXPECT_EQ(trailing.fills.size(), 5U);
  ASSERT_TRUE(trailing.status.damage);
  EXPECT_THAT(*trailing.status.damage, HasSubstr("behind the last member"));
}

// Standard input for the length of a test.
class StandardInput {
 public:
  explicit StandardInput(int fd) : saved_(::dup(STDIN_FILENO)) { ::dup2(fd, STDIN_FILENO); }
  StandardInput(const StandardInput&) = delete;
  StandardInput& operator=(const StandardInput&) = delete;
  ~StandardInput() {
    ::dup2(saved_, STDIN_FILENO);
    ::close(saved_);
  }

 private:
  int saved_;
};

TEST(OpenCapture, StandardInputFromAPipe_IsRead) {
  for (const Bytes& bytes : {many_records(20), gzip(many_records(20)), zstd(many_records(20))}) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    ASSERT_EQ(::write(ends[1], bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    ::close(ends[1]);
    const StandardInput input(ends[0]);
    ::close(ends[0]);
    auto reader = open_capture("-");
    ASSERT_TRUE(reader.ok()) << reader.error().message;
    const Seen seen = read_all(*reader.value());
    EXPECT_EQ(seen.fills.size(), 20U);
    EXPECT_EQ(seen.status.bytes_total, 0U);
    EXPECT_EQ(seen.status.bytes_read, bytes.size());
  }
}

TEST(OpenCapture, StandardInputFromAFile_IsReadFromWhereItStands) {
  const TemporaryFile file(many_records(20));
  const int fd = ::open(file.path().c_str(), O_RDONLY);
  {
    const StandardInput input(fd);
    auto reader = open_capture("-");
    ASSERT_TRUE(reader.ok()) << reader.error().message;
    EXPECT_EQ(read_all(*reader.value()).fills.size(), 20U);
  }
  ::lseek(fd, 4, SEEK_SET);
  const StandardInput input(fd);
  auto reader = open_capture("-");
  ASSERT_FALSE(reader.ok());
  EXPECT_THAT(reader.error().message, HasSubstr("standard input: not a capture"));
  ::close(fd);
}

TEST(OpenCapture, NotACaptureOnStandardInput_NamesIt) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ::close(ends[1]);
  const StandardInput input(ends[0]);
  ::close(ends[0]);
  auto reader = open_capture("-");
  ASSERT_FALSE(reader.ok());
  EXPECT_THAT(reader.error().message, HasSubstr("standard input: empty"));
}

// Memory is bounded by the window and not by the file.
TEST(OpenCapture, LargeFile_KeepsAFewMegabytesResident) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer's own memory hides it";
#endif
  constexpr int kTimes = 40;
  Bytes bytes = many_records(2000);
  const Bytes records = part(bytes, 24, bytes.size());
  for (int i = 1; i < kTimes; ++i) bytes.insert(bytes.end(), records.begin(), records.end());
  const std::size_t size = bytes.size();
  const TemporaryFile file(bytes);
  Bytes().swap(bytes);
  const auto mapped_kb = [] {
    std::ifstream status("/proc/self/status");
    std::string word;
    std::size_t kb = 0;
    while (status >> word) {
      if (word == "RssFile:" || word == "RssShmem:") {
        std::size_t value = 0;
        status >> value;
        kb += value;
      }
    }
    return kb;
  };
  const std::size_t before = mapped_kb();
  std::size_t most = before;
  auto reader = open_capture(file.path());
  ASSERT_TRUE(reader.ok());
  std::vector<CaptureRecord> batch(256);
  while (reader.value()->read(batch) != 0) most = std::max(most, mapped_kb());
  ASSERT_GT(size, std::size_t{64} << 20);
  EXPECT_LT(most - before, 16U << 10);
}

}  // namespace
}  // namespace reelsense::ingest
