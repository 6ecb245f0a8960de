// Opening: the path, the compression, the format.
#include "reelsense/ingest/capture.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "capture_window.h"
#include "reelsense/base/byte_reader.h"

namespace reelsense::ingest {
namespace {

using OpenResult = Result<std::unique_ptr<CaptureReader>>;

constexpr const char* kSupportedFormats =
    "classic pcap (µs or ns, both byte orders) and pcapng, either of them gzip- or zstd-compressed";
constexpr std::size_t kMagicBytes = 4;

std::string hex(std::span<const std::uint8_t> bytes) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : bytes) {
    if (!text.empty()) text += ' ';
    text += kDigits[byte >> 4];
    text += kDigits[byte & 0x0f];
  }
  return text;
}

Error system_error(const std::string& path, int code) {
  return {code == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo, path + ": " + std::strerror(code)};
}

// A capture that needs a descriptor keeps it; standard input stays open.
class FileDescriptor {
 public:
  FileDescriptor(int fd, bool owned) : fd_(fd), owned_(owned) {}
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor() {
    if (owned_) ::close(fd_);
  }
  [[nodiscard]] int get() const noexcept { return fd_; }
  void disown() noexcept { owned_ = false; }

 private:
  int fd_;
  bool owned_;
};

// A stream of a file that it keeps open.
class FileStream final : public ByteStream {
 public:
  explicit FileStream(std::shared_ptr<FileDescriptor> file) : file_(std::move(file)), stream_(file_->get()) {}
  std::span<const std::uint8_t> peek(std::size_t n) { return stream_.peek(n); }
  std::size_t read(std::uint8_t* out, std::size_t n) override {
    const std::size_t got = stream_.read(out, n);
    failure_ = stream_.failure();
    return got;
  }
  [[nodiscard]] std::uint64_t bytes_read() const noexcept override { return stream_.bytes_read(); }

 private:
  std::shared_ptr<FileDescriptor> file_;
  FdStream stream_;
};

OpenResult open_stream(Compression compression, std::unique_ptr<ByteStream> stream, std::uint64_t total,
                       const CaptureOptions& options) {
  if (compression != Compression::kNone) {
    stream = decompress(compression, std::move(stream));
    if (stream == nullptr) return Error{ErrorCode::kLimit, "no memory for the decompressor"};
  }
  return open_window(std::make_unique<BufferedWindow>(std::move(stream), total), options);
}

OpenResult open_descriptor(std::shared_ptr<FileDescriptor> file, bool standard_input,
                           const CaptureOptions& options) {
  struct stat info {};
  if (::fstat(file->get(), &info) != 0) return Error{ErrorCode::kIo, std::strerror(errno)};
  if (S_ISDIR(info.st_mode)) return Error{ErrorCode::kIo, std::strerror(EISDIR)};
  const std::uint64_t size =
      S_ISREG(info.st_mode) && info.st_size > 0 ? static_cast<std::uint64_t>(info.st_size) : 0;
  std::array<std::uint8_t, kMagicBytes> magic{};
  const bool at_start = ::lseek(file->get(), 0, SEEK_CUR) == 0;
  const bool mappable =
      size >= magic.size() && at_start &&
      ::pread(file->get(), magic.data(), magic.size(), 0) == static_cast<ssize_t>(magic.size());
  if (mappable && compression_of(magic) == Compression::kNone) {
    // The mapping closes its descriptor, so standard input lends a copy.
    const int fd = standard_input ? ::dup(file->get()) : file->get();
    if (auto window = MappedWindow::open(fd, size)) {
      if (!standard_input) file->disown();
      return open_window(std::move(window), options);
    }
    if (standard_input && fd >= 0) ::close(fd);
  }
  auto stream = std::make_unique<FileStream>(std::move(file));
  const auto first = stream->peek(kMagicBytes);
  const Compression compression = compression_of(first);
  return open_stream(compression, std::move(stream), size, options);
}

}  // namespace

const char* name_of(SkipReason reason) noexcept {
  switch (reason) {
    case SkipReason::kBadLength:
      return "bad_length";
    case SkipReason::kBadTimestamp:
      return "bad_timestamp";
    case SkipReason::kLinkType:
      return "link_type";
    case SkipReason::kFiltered:
      return "filtered";
    case SkipReason::kCount:
      break;
  }
  return "unknown";
}

std::string supported_link_types() {
  constexpr std::uint16_t kLast = 300;
  std::string text;
  for (std::uint16_t number = 0; number < kLast; ++number) {
    const auto type = static_cast<LinkType>(number);
    if (!is_supported(type)) continue;
    if (!text.empty()) text += ", ";
    text += std::string(name_of(type)) + " (" + std::to_string(number) + ")";
  }
  return text;
}

OpenResult open_window(std::unique_ptr<ByteWindow> window, const CaptureOptions& options) {
  if (!window->fill(kMagicBytes)) {
    if (auto failure = window->failure()) return Error{ErrorCode::kCorrupt, *failure};
    if (window->cut())
      return Error{ErrorCode::kCorrupt, "compressed data cut short before the capture's header"};
    if (window->bytes().empty())
      return Error{ErrorCode::kCorrupt, "empty, expected " + std::string(kSupportedFormats)};
    return Error{ErrorCode::kCorrupt, "header cut short: only the bytes " + hex(window->bytes()) +
                                          ", expected " + kSupportedFormats};
  }
  const auto magic = load_le<std::uint32_t>(window->bytes().data());
  if (is_classic_magic(magic)) return open_classic(std::move(window), options);
  if (magic == kPcapngMagic) return open_pcapng(std::move(window), options);
  return Error{ErrorCode::kUnsupported, "not a capture: starts with the bytes " +
                                            hex(window->bytes().first(kMagicBytes)) +
                                            "; supported: " + kSupportedFormats};
}

OpenResult open_memory(std::span<const std::uint8_t> bytes, const CaptureOptions& options) {
  const Compression compression = compression_of(bytes);
  if (compression == Compression::kNone) return open_window(std::make_unique<MemoryWindow>(bytes), options);
  return open_stream(compression, std::make_unique<MemoryStream>(bytes), bytes.size(), options);
}

OpenResult open_capture(const std::string& path, const CaptureOptions& options) {
  const bool standard_input = path == "-";
  const std::string name = standard_input ? "standard input" : path;
  const int fd = standard_input ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return system_error(name, errno);
  auto file = std::make_shared<FileDescriptor>(fd, !standard_input);
  auto opened = open_descriptor(std::move(file), standard_input, options);
  if (!opened) return opened.error().in(name);
  return opened;
}

}  // namespace reelsense::ingest
