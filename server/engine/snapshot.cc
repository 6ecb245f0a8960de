// The state of every live flow in a file, so that a restart or another instance goes on as if nothing had
// happened.
//
// Little-endian, written beside and renamed. Head: magic, layout version, hash key, schema hash of view
// packet, size of PacketFlow, wall time, number of flows. Then each flow: id, model id, seconds, count of
// windows, idle time, remembered labels, state, packets. At the end SHA-256 of all before it.
// docs/how-to/edge-server.md says when it is written and read.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <type_traits>

#include "reelsense/base/sha256.h"
#include "reelsense/features/schema.h"
#include "server/engine/engine_impl.h"

namespace reelsense::server {

namespace fs = std::filesystem;

namespace {

static_assert(std::endian::native == std::endian::little);
static_assert(std::is_trivially_copyable_v<PacketFlow>);

constexpr std::string_view kMagic = "RSFLOWS\n";
constexpr std::uint32_t kLayout = 1;
constexpr std::size_t kLimit = 4ULL << 30;
constexpr std::size_t kMaxState = 1 << 16;

class Writer {
 public:
  template <class T>
  void value(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    bytes(&value, sizeof value);
  }
  void text(std::string_view text) {
    value(static_cast<std::uint32_t>(text.size()));
    bytes(text.data(), text.size());
  }
  void bytes(const void* from, std::size_t n) {
    const auto* const first = static_cast<const std::uint8_t*>(from);
    out_.insert(out_.end(), first, first + n);
  }
  [[nodiscard]] std::vector<std::uint8_t>& out() { return out_; }

 private:
  std::vector<std::uint8_t> out_;
};

// Fails for good at the first read over the end.
class Reader {
 public:
  explicit Reader(std::span<const std::uint8_t> in) : in_(in) {}

  template <class T>
  T value() {
    T value{};
    bytes(&value, sizeof value);
    return value;
  }
  std::string text() {
    const auto n = value<std::uint32_t>();
    if (n > in_.size()) {
      ok_ = false;
      return {};
    }
    std::string text(reinterpret_cast<const char*>(in_.data()), n);
    in_ = in_.subspan(n);
    return text;
  }
  void bytes(void* to, std::size_t n) {
    if (n > in_.size()) {
      ok_ = false;
      in_ = {};
      return;
    }
    std::memcpy(to, in_.data(), n);
    in_ = in_.subspan(n);
  }
  [[nodiscard]] bool ok() const noexcept { return ok_; }
  [[nodiscard]] bool at_end() const noexcept { return in_.empty(); }

 private:
  std::span<const std::uint8_t> in_;
  bool ok_ = true;
};

void write_flow(Writer& out, const FlowSlot& flow, std::int64_t now_ns) {
  FlowId id = flow.id;
  out.value(id);
  out.text(flow.lane->model->id());
  out.value(flow.first_second);
  out.value(flow.last_second);
  out.value(flow.windows);
  out.value(now_ns - flow.used_steady_ns);
  out.value(flow.past_second);
  out.value(flow.past_probability);
  const auto width = static_cast<std::uint32_t>(flow.lane->model->state_width());
  out.value(width);
  out.bytes(flow.state.get(), width * sizeof(float));
  out.value(static_cast<std::uint8_t>(flow.packets ? 1 : 0));
  if (flow.packets) out.value(*flow.packets);
}

Status write_file(const fs::path& file, const std::vector<std::uint8_t>& bytes) {
  const fs::path beside = file.string() + ".part";
  const auto failed = [&](const char* what) {
    return Error{ErrorCode::kIo, beside.string() + ": " + what + ": " + std::strerror(errno)};
  };
  const int handle = ::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (handle < 0) return failed("open");
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t n = ::write(handle, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      const Error error = failed("write");
      ::close(handle);
      return error;
    }
    done += static_cast<std::size_t>(n);
  }
  if (::fsync(handle) != 0 || ::close(handle) != 0) return failed("sync");
  if (std::rename(beside.c_str(), file.c_str()) != 0) return failed("rename");
  return ok_status();
}

}  // namespace

Status Engine::Impl::save(const fs::path& file) {
  Writer out;
  {
    const std::lock_guard lock(mutex_);
    const std::int64_t now = clock_.steady_ns();
    out.bytes(kMagic.data(), kMagic.size());
    out.value(kLayout);
    out.value(hash_key_);
    out.text(packet_schema_hash());
    out.value(static_cast<std::uint32_t>(sizeof(PacketFlow)));
    out.value(clock_.wall_ns());
    out.value(static_cast<std::uint64_t>(slots_.live()));
    slots_.each([&](const FlowSlot& flow) { write_flow(out, flow, now); });
  }
  const Sha256Digest digest = sha256(out.out());
  out.value(digest);
  return write_file(file, out.out());
}

Result<std::size_t> Engine::Impl::restore(const fs::path& file, const ModelRepository& models) {
  const auto read = bundle::read_file(file, kLimit);
  if (!read) return read.error();
  std::span<const std::uint8_t> bytes = read.value();
  const auto refuse = [&](ErrorCode code, const std::string& why) {
    return Error{code, file.string() + ": " + why};
  };
  if (bytes.size() < kMagic.size() + sizeof(Sha256Digest) ||
      std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) != 0) {
    return refuse(ErrorCode::kCorrupt, "not a snapshot of flows");
  }
  Sha256Digest digest;
  std::memcpy(digest.data(), bytes.data() + bytes.size() - digest.size(), digest.size());
  bytes = bytes.first(bytes.size() - digest.size());
  if (sha256(bytes) != digest) return refuse(ErrorCode::kCorrupt, "its SHA-256 is another: cut or changed");

  Reader in(bytes.subspan(kMagic.size()));
  const auto layout = in.value<std::uint32_t>();
  if (layout != kLayout) {
    return refuse(ErrorCode::kUnsupported,
                  "layout " + std::to_string(layout) + ", this server reads " + std::to_string(kLayout));
  }
  const auto key = in.value<std::array<std::uint8_t, 16>>();
  if (in.text() != packet_schema_hash() || in.value<std::uint32_t>() != sizeof(PacketFlow)) {
    return refuse(ErrorCode::kMismatch, "made by a build with other features");
  }
  const auto saved_wall = in.value<std::int64_t>();
  const auto count = in.value<std::uint64_t>();
  const std::lock_guard lock(mutex_);
  if (options_.hash_key_fixed && key != hash_key_) {
    return refuse(ErrorCode::kMismatch, "made under another flows.hash_key");
  }
  if (slots_.live() > 0) return refuse(ErrorCode::kInvalidArgument, "there are flows already");
  hash_key_ = key;
  const std::int64_t away = std::max<std::int64_t>(0, clock_.wall_ns() - saved_wall);
  const std::int64_t now = clock_.steady_ns();
  std::size_t taken = 0;
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    const auto id = in.value<FlowId>();
    const auto model = models.find(in.text());
    FlowSlot read_flow;
    read_flow.first_second = in.value<std::int64_t>();
    read_flow.last_second = in.value<std::int64_t>();
    read_flow.windows = in.value<std::uint64_t>();
    const std::int64_t idle = in.value<std::int64_t>() + away;
    read_flow.past_second = in.value<decltype(read_flow.past_second)>();
    read_flow.past_probability = in.value<decltype(read_flow.past_probability)>();
    const auto width = in.value<std::uint32_t>();
    std::vector<float> state(std::min<std::size_t>(width, kMaxState));
    in.bytes(state.data(),
             width * sizeof(float) > state.size() * sizeof(float) ? SIZE_MAX : state.size() * sizeof(float));
    PacketFlow packets;
    const bool has_packets = in.value<std::uint8_t>() != 0;
    if (has_packets) packets = in.value<PacketFlow>();
    if (!in.ok()) break;
    if (!model || model->state_width() != width || idle > options_.idle_timeout_ns) continue;
    FlowSlot& slot = slots_.insert(id);
    slots_.restart(slot, lane_of(model));
    slot.first_second = read_flow.first_second;
    slot.last_second = read_flow.last_second;
    slot.windows = read_flow.windows;
    slot.past_second = read_flow.past_second;
    slot.past_probability = read_flow.past_probability;
    slot.used_steady_ns = now - idle;
    if (width > 0) std::copy(state.begin(), state.end(), slot.state.get());
    if (has_packets) {
      slots_.add_packets(slot);
      *slot.packets = packets;
    }
    ++taken;
  }
  if (!in.ok() || !in.at_end()) return refuse(ErrorCode::kCorrupt, "ends inside a flow");
  return taken;
}

}  // namespace reelsense::server
