#include "byte_stream.h"

#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "reelsense/base/byte_reader.h"

namespace reelsense::ingest {
namespace {

constexpr std::size_t kInputBytes = std::size_t{128} << 10;

class GzipStream final : public ByteStream {
 public:
  explicit GzipStream(std::unique_ptr<ByteStream> input) : input_(std::move(input)), buffer_(kInputBytes) {
    constexpr int kGzipWindow = 15 + 16;
    ready_ = inflateInit2(&z_, kGzipWindow) == Z_OK;
  }
  ~GzipStream() override {
    if (ready_) inflateEnd(&z_);
  }
  [[nodiscard]] bool ready() const noexcept { return ready_; }
  [[nodiscard]] std::uint64_t bytes_read() const noexcept override { return input_->bytes_read(); }

  std::size_t read(std::uint8_t* out, std::size_t n) override {
    n = std::min<std::size_t>(n, 1U << 30);
    z_.next_out = out;
    z_.avail_out = static_cast<uInt>(n);
    while (!ended_ && z_.avail_out == n) {
      if (z_.avail_in == 0 && !refill()) {
        end_of_input();
        break;
      }
      if (between_members_ && !next_member()) break;
      step();
    }
    return n - z_.avail_out;
  }

 private:
  bool refill() {
    z_.next_in = buffer_.data();
    z_.avail_in = static_cast<uInt>(input_->read(buffer_.data(), buffer_.size()));
    return z_.avail_in != 0;
  }

  void step() {
    const int code = inflate(&z_, Z_NO_FLUSH);
    if (code == Z_STREAM_END) {
      between_members_ = true;
    } else if (code != Z_OK && code != Z_BUF_ERROR) {
      ended_ = true;
      cut_ = true;
      failure_ = "gzip: " + std::string(z_.msg != nullptr ? z_.msg : "bad data") + " near compressed byte " +
                 std::to_string(bytes_read() - z_.avail_in);
    }
  }

  // Another member, or padding: zeros up to the end, as tapes and some writers leave.
  bool next_member() {
    between_members_ = false;
    constexpr std::uint8_t kMagic = 0x1f;
    if (*z_.next_in == kMagic && inflateReset(&z_) == Z_OK) return true;
    const std::uint64_t at = bytes_read() - z_.avail_in;
    bool zeros = true;
    do {
      zeros = std::all_of(z_.next_in, z_.next_in + z_.avail_in, [](Bytef b) { return b == 0; });
    } while (zeros && refill());
    if (!zeros)
      failure_ = "gzip: other data behind the last member, at compressed byte " + std::to_string(at);
    ended_ = true;
    return false;
  }

  void end_of_input() {
    ended_ = true;
    failure_ = input_->failure();
    cut_ = !between_members_;
  }

  std::unique_ptr<ByteStream> input_;
  std::vector<std::uint8_t> buffer_;
  z_stream z_{};
  bool ready_ = false;
  bool between_members_ = false;
  bool ended_ = false;
};

class ZstdStream final : public ByteStream {
 public:
  explicit ZstdStream(std::unique_ptr<ByteStream> input)
      : input_(std::move(input)), buffer_(kInputBytes), context_(ZSTD_createDStream()) {}
  ~ZstdStream() override { ZSTD_freeDStream(context_); }
  [[nodiscard]] bool ready() const noexcept { return context_ != nullptr; }
  [[nodiscard]] std::uint64_t bytes_read() const noexcept override { return input_->bytes_read(); }

  std::size_t read(std::uint8_t* out, std::size_t n) override {
    ZSTD_outBuffer to{out, n, 0};
    while (!ended_ && to.pos == 0) {
      if (from_.pos == from_.size && drained_) {
        from_ = {buffer_.data(), input_->read(buffer_.data(), buffer_.size()), 0};
        if (from_.size == 0) {
          ended_ = true;
          failure_ = input_->failure();
          cut_ = inside_frame_;
          break;
        }
      }
      const std::size_t hint = ZSTD_decompressStream(context_, &to, &from_);
      if (ZSTD_isError(hint) != 0) {
        ended_ = true;
        cut_ = true;
        failure_ = "zstd: " + std::string(ZSTD_getErrorName(hint)) + " near compressed byte " +
                   std::to_string(bytes_read() - (from_.size - from_.pos));
        break;
      }
      inside_frame_ = hint != 0;
      drained_ = to.pos < to.size;  // a full output may leave more inside the decoder
    }
    return to.pos;
  }

 private:
  std::unique_ptr<ByteStream> input_;
  std::vector<std::uint8_t> buffer_;
  ZSTD_DStream* context_;
  ZSTD_inBuffer from_{nullptr, 0, 0};
  bool drained_ = true;
  bool inside_frame_ = false;
  bool ended_ = false;
};

template <class Stream>
std::unique_ptr<ByteStream> ready_or_null(std::unique_ptr<Stream> stream) {
  if (!stream->ready()) return nullptr;
  return stream;
}

}  // namespace

std::span<const std::uint8_t> FdStream::peek(std::size_t n) {
  peeked_.resize(n);
  std::size_t have = 0;
  while (have < n) {
    const std::size_t got = read_fd(peeked_.data() + have, n - have);
    if (got == 0) break;
    have += got;
  }
  peeked_.resize(have);
  return peeked_;
}

std::size_t FdStream::read(std::uint8_t* out, std::size_t n) {
  std::size_t got = std::min(n, peeked_.size() - peeked_used_);
  if (got != 0) {
    std::memcpy(out, peeked_.data() + peeked_used_, got);
    peeked_used_ += got;
  } else {
    got = read_fd(out, n);
  }
  bytes_read_ += got;
  return got;
}

std::size_t FdStream::read_fd(std::uint8_t* out, std::size_t n) {
  while (!ended_) {
    const ssize_t got = ::read(fd_, out, n);
    if (got > 0) return static_cast<std::size_t>(got);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) failure_ = std::string("reading failed: ") + std::strerror(errno);
    ended_ = true;
  }
  return 0;
}

std::size_t MemoryStream::read(std::uint8_t* out, std::size_t n) {
  const std::size_t got = std::min(n, bytes_.size() - used_);
  if (got != 0) std::memcpy(out, bytes_.data() + used_, got);
  used_ += got;
  return got;
}

Compression compression_of(std::span<const std::uint8_t> first) noexcept {
  if (first.size() < 4) return Compression::kNone;
  constexpr std::uint32_t kZstdFrame = 0xfd2fb528U;
  constexpr std::uint32_t kZstdSkippable = 0x184d2a50U;  // 16 of them
  const auto magic = load_le<std::uint32_t>(first.data());
  if (magic == kZstdFrame || (magic & 0xfffffff0U) == kZstdSkippable) return Compression::kZstd;
  if ((magic & 0xffffU) == 0x8b1fU) return Compression::kGzip;
  return Compression::kNone;
}

std::unique_ptr<ByteStream> decompress(Compression compression, std::unique_ptr<ByteStream> input) {
  if (compression == Compression::kGzip) return ready_or_null(std::make_unique<GzipStream>(std::move(input)));
  return ready_or_null(std::make_unique<ZstdStream>(std::move(input)));
}

}  // namespace reelsense::ingest
