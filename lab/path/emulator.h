// Emulator: two devices, a shaper in each direction, one thread that waits in ppoll.
//
// A wake-up costs several times what a packet does, so under load there is one a tick at most. The kernel's
// arrival times keep the shaping exact; a packet leaves up to half a tick early or late.
//
// Configuration, inert construction (open), run until SIGTERM or SIGINT. It blocks these two signals for its
// process. Thread safety: none.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control_socket.h"
#include "frame_pool.h"
#include "packet_port.h"
#include "priority.h"
#include "profile.h"
#include "shaper.h"

namespace reelsense::path {

struct EmulatorOptions {
  std::string client_device;
  std::string server_device;
  std::string control;  // path of the control socket; empty: none
  std::uint64_t seed = 1;
  std::int64_t offset_ns = 0;  // where in the profile to begin
  std::int64_t tick_ns = 2'000'000;
};

class Emulator {
 public:
  static Result<std::unique_ptr<Emulator>> open(const EmulatorOptions& options, const Profile& profile);

  // Forwards until a signal ends it.
  void run();
  // Counters of both directions as JSON.
  [[nodiscard]] std::string report();

 private:
  struct Direction {
    Way way;
    PacketPort* in;
    PacketPort* out;
    std::unique_ptr<Shaper> shaper;
    std::int64_t seen_ns = 0;  // the shaper's time, which never goes back
  };

  Emulator(const EmulatorOptions& options, const Profile& profile, PacketPort client, PacketPort server,
           std::optional<ControlSocket> control, FileDescriptor signals);

  // Both say whether there was anything to do.
  bool take_in(Direction& direction);
  bool send_out(Direction& direction, std::int64_t now_ns);
  [[nodiscard]] Frame frame_of(const ReceivedFrame& received, Way way);
  [[nodiscard]] std::string answer(const std::string& line);
  void change(const Profile& profile);

  std::string profile_name_;
  std::uint64_t seed_;
  std::int64_t tick_ns_;
  FramePool pool_;
  PacketPort client_;
  PacketPort server_;
  std::optional<ControlSocket> control_;
  FileDescriptor signals_;
  std::int64_t start_ns_;
  std::array<Direction, 2> directions_;
  std::vector<PriorityRule> priority_;
  std::array<std::uint32_t, FramePool::kSlots> lengths_{};  // whole frame, by slot
  Outcome outcome_;
  std::vector<ReceivedFrame> batch_;
};

}  // namespace reelsense::path
