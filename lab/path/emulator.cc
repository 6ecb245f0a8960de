#include "emulator.h"

#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <nlohmann/json.hpp>
#include <span>
#include <utility>

#include "frame.h"
#include "report.h"

namespace reelsense::path {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr int kNicest = -10;
constexpr int kMostBatches = 8;  // of one direction before the other has its turn

std::int64_t clock_ns(clockid_t clock) noexcept {
  timespec time{};
  ::clock_gettime(clock, &time);
  return time.tv_sec * kNsPerSecond + time.tv_nsec;
}

std::int64_t monotonic_ns() noexcept {
  return clock_ns(CLOCK_MONOTONIC);
}

void sleep_until(std::int64_t time_ns) noexcept {
  const timespec until{time_ns / kNsPerSecond, time_ns % kNsPerSecond};
  (void)::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
}

// A late wake-up is a delay that no profile asked for. The lowest real-time priority goes before all usual
// work, whatever the load; where that is not allowed, niceness must do.
void go_first() noexcept {
  ::prctl(PR_SET_TIMERSLACK, 1UL);  // ns; the default lets a wake-up be 50 µs late
  const sched_param lowest{.sched_priority = 1};
  if (::sched_setscheduler(0, SCHED_RR, &lowest) != 0) (void)::setpriority(PRIO_PROCESS, 0, kNicest);
}

}  // namespace

Result<std::unique_ptr<Emulator>> Emulator::open(const EmulatorOptions& options, const Profile& profile) {
  auto client = PacketPort::open(options.client_device);
  if (!client) return client.error();
  auto server = PacketPort::open(options.server_device);
  if (!server) return server.error();
  std::optional<ControlSocket> control;
  if (!options.control.empty()) {
    auto opened = ControlSocket::open(options.control);
    if (!opened) return opened.error();
    control.emplace(std::move(opened).value());
  }
  sigset_t ending;
  ::sigemptyset(&ending);
  ::sigaddset(&ending, SIGTERM);
  ::sigaddset(&ending, SIGINT);
  ::sigprocmask(SIG_BLOCK, &ending, nullptr);
  FileDescriptor signals(::signalfd(-1, &ending, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals.open()) return Error{ErrorCode::kIo, std::string("signalfd: ") + std::strerror(errno)};
  go_first();
  return std::unique_ptr<Emulator>(new Emulator(options, profile, std::move(client).value(),
                                                std::move(server).value(), std::move(control),
                                                std::move(signals)));
}

Emulator::Emulator(const EmulatorOptions& options, const Profile& profile, PacketPort client,
                   PacketPort server, std::optional<ControlSocket> control, FileDescriptor signals)
    : profile_name_(profile.name),
      seed_(options.seed),
      tick_ns_(options.tick_ns),
      client_(std::move(client)),
      server_(std::move(server)),
      control_(std::move(control)),
      signals_(std::move(signals)),
      start_ns_(monotonic_ns() - options.offset_ns) {
  const Timeline timeline(profile.outages, profile.handovers);
  directions_[0] = {Way::kDown, &server_, &client_,
                    std::make_unique<Shaper>(profile.down, timeline, Random(seed_, 1).next(), start_ns_)};
  directions_[1] = {Way::kUp, &client_, &server_,
                    std::make_unique<Shaper>(profile.up, timeline, Random(seed_, 2).next(), start_ns_)};
}

Frame Emulator::frame_of(const ReceivedFrame& received, Way way) {
  const std::span<const std::uint8_t> bytes(pool_.at(received.slot), received.length);
  Frame frame;
  frame.slot = received.slot;
  frame.bytes = received.length - static_cast<std::uint32_t>(kEthernetHeader);
  lengths_[received.slot] = received.length;
  if (is_exempt(bytes)) {
    frame.treatment = Treatment::kExempt;
  } else if (!priority_.empty()) {
    ParsedPacket packet;
    if (parse_packet(LinkType::kEthernet, bytes, received.length, packet) == DropReason::kNone) {
      for (const PriorityRule& rule : priority_) {
        if (rule.matches(packet, way)) frame.treatment = Treatment::kPriority;
      }
    }
  }
  return frame;
}

bool Emulator::take_in(Direction& direction) {
  std::array<ReceivedFrame, PacketPort::kBatch> frames;
  Counters& counters = direction.shaper->counters();
  const std::int64_t real_to_monotonic_ns = monotonic_ns() - clock_ns(CLOCK_REALTIME);
  bool any = false;
  bool more = true;
  for (int batch = 0; batch < kMostBatches && more; ++batch) {
    std::uint64_t no_memory = 0;
    const auto received = direction.in->receive(pool_, frames, no_memory);
    counters.dropped_by(Dropped::kMemory).packets += no_memory;
    counters.dropped_by(Dropped::kOversize).packets += received.oversize;
    counters.dropped_by(Dropped::kOversize).bytes += received.oversize_bytes;
    const std::int64_t now_ns = monotonic_ns();
    for (std::size_t i = 0; i < received.frames; ++i) {
      // Between the last frame and now, whatever a step of the real clock says.
      const std::int64_t told_ns = frames[i].arrived_ns + real_to_monotonic_ns;
      direction.seen_ns = std::clamp(told_ns, direction.seen_ns, std::max(now_ns, direction.seen_ns));
      direction.shaper->arrive(direction.seen_ns, frame_of(frames[i], direction.way), outcome_);
    }
    any |= received.frames > 0;
    more = received.more;
  }
  return any;
}

bool Emulator::send_out(Direction& direction, std::int64_t now_ns) {
  direction.seen_ns = std::max(direction.seen_ns, now_ns);
  direction.shaper->advance(direction.seen_ns, tick_ns_ / 2, outcome_);
  for (const Frame& frame : outcome_.dropped) pool_.give_back(frame.slot);
  batch_.clear();
  for (const Frame& frame : outcome_.released) batch_.push_back({frame.slot, lengths_[frame.slot], 0});
  Counters& counters = direction.shaper->counters();
  direction.out->send(pool_, batch_, [&](std::size_t index) {
    counters.dropped_by(Dropped::kSend).add(outcome_.released[index].bytes);
    outcome_.released[index].bytes = 0;
    --counters.out.packets;
  });
  for (const Frame& frame : outcome_.released) {
    counters.out.add(frame.bytes);
    pool_.give_back(frame.slot);
  }
  const bool any = !outcome_.released.empty();
  outcome_.released.clear();
  outcome_.dropped.clear();
  return any;
}

void Emulator::run() {
  std::vector<pollfd> polled;
  const auto handler = [this](const std::string& line) { return answer(line); };
  while (true) {
    polled.assign({{signals_.get(), POLLIN, 0}, {server_.fd(), POLLIN, 0}, {client_.fd(), POLLIN, 0}});
    if (control_) control_->add_to(polled);
    const std::int64_t next_ns =
        std::min(directions_[0].shaper->next_event_ns(), directions_[1].shaper->next_event_ns());
    const std::int64_t wait_ns = std::clamp<std::int64_t>(
        next_ns == kNever ? kNsPerSecond : next_ns - monotonic_ns(), 0, kNsPerSecond);
    const timespec timeout{wait_ns / kNsPerSecond, wait_ns % kNsPerSecond};
    if (::ppoll(polled.data(), polled.size(), &timeout, nullptr) < 0 && errno != EINTR) return;
    if (polled[0].revents != 0) return;
    const std::int64_t woken_ns = monotonic_ns();
    bool any = false;
    for (std::size_t i = 0; i < directions_.size(); ++i) {
      if (polled[i + 1].revents != 0) any |= take_in(directions_[i]);
      any |= send_out(directions_[i], woken_ns);
    }
    if (control_) control_->serve(polled.data() + 3, handler);
    if (any) sleep_until(woken_ns + tick_ns_);
  }
}

void Emulator::change(const Profile& profile) {
  const std::int64_t now_ns = monotonic_ns();
  const Timeline timeline(profile.outages, profile.handovers);
  for (Direction& direction : directions_) {
    direction.shaper->change(direction.way == Way::kDown ? profile.down : profile.up, timeline, now_ns,
                             now_ns, outcome_);
    send_out(direction, now_ns);
  }
  profile_name_ = profile.name;
  start_ns_ = now_ns;
}

std::string Emulator::answer(const std::string& line) {
  const auto refusal = [](const std::string& why) { return ordered_json{{"error", why}}.dump(); };
  const json request = json::parse(line, nullptr, false);
  if (!request.is_object() || request.size() != 1) {
    return refusal(
        R"(control: expected a line of JSON: {"priority": […]}, {"profile": {…}} or {"stats": true})");
  }
  if (request.contains("stats")) return report();
  if (request.contains("priority")) {
    auto rules = parse_priority(request["priority"], "control");
    if (!rules) return refusal(rules.error().message);
    priority_ = std::move(rules).value();
  } else if (request.contains("profile")) {
    const auto profile = parse_profile(request["profile"].dump(), "control");
    if (!profile) return refusal(profile.error().message);
    change(profile.value());
  } else {
    return refusal("control: " + request.begin().key() +
                   ": unknown key; expected one of priority, profile, stats");
  }
  return R"({"ok":true})";
}

std::string Emulator::report() {
  const std::int64_t now_ns = monotonic_ns();
  for (Direction& direction : directions_) {
    direction.shaper->counters().dropped_by(Dropped::kKernel).packets += direction.in->kernel_drops();
    send_out(direction, now_ns);  // what the link has done up to now counts
  }
  return ordered_json{{"profile", profile_name_},
                      {"seed", seed_},
                      {"seconds", static_cast<double>(now_ns - start_ns_) / kNsPerSecond},
                      {"down", counters_json(*directions_[0].shaper)},
                      {"up", counters_json(*directions_[1].shaper)}}
      .dump();
}

}  // namespace reelsense::path
