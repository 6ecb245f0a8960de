// The reelsense-lab-path command. lab/path/README.md describes it.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "emulator.h"
#include "profile.h"
#include "report.h"

namespace reelsense::path {
namespace {

enum ExitCode : int { kOk = 0, kUsage = 1, kInput = 2, kOutput = 4 };  // as the reelsense command's

struct Arguments {
  EmulatorOptions options;
  std::string profile;
  std::string report;
  std::string check;
  std::string describe;
  double start_s = 0;
  double tick_us = 2000;
  int ready_fd = -1;
};

int fail(int code, const std::string& message) {
  std::fprintf(stderr, "reelsense-lab-path: %s\n", message.c_str());
  return code;
}

bool write_line(int fd, std::string line) {
  line += '\n';
  return ::write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size());
}

int check(const std::string& file) {
  const auto profile = load_profile(file);
  return profile.ok() ? kOk : fail(kInput, profile.error().message);
}

int print_description(const std::string& file) {
  const auto profile = load_profile(file);
  if (!profile) return fail(kInput, profile.error().message);
  return write_line(STDOUT_FILENO, describe(profile.value()).dump(2)) ? kOk
                                                                      : fail(kOutput, "standard output");
}

int forward(const Arguments& arguments) {
  const auto profile = load_profile(arguments.profile);
  if (!profile) return fail(kInput, profile.error().message);
  auto emulator = Emulator::open(arguments.options, profile.value());
  if (!emulator) return fail(kInput, emulator.error().message);
  const bool told =
      arguments.ready_fd < 0 ? write_line(STDOUT_FILENO, "ready") : write_line(arguments.ready_fd, "ready");
  if (!told) return fail(kOutput, "could not say that it is ready");
  if (arguments.ready_fd >= 0) ::close(arguments.ready_fd);
  emulator.value()->run();
  if (arguments.report.empty()) return kOk;
  std::ofstream out(arguments.report, std::ios::trunc);
  out << emulator.value()->report() << '\n';
  out.close();
  return out ? kOk : fail(kOutput, arguments.report + ": could not be written");
}

void add_options(CLI::App& app, Arguments& arguments) {
  app.add_option("--client", arguments.options.client_device, "Device towards the client")->type_name("DEV");
  app.add_option("--server", arguments.options.server_device, "Device towards the server")->type_name("DEV");
  app.add_option("--profile", arguments.profile, "What the path does to packets (JSON)")->type_name("FILE");
  app.add_option("--seed", arguments.options.seed, "Seed of loss and jitter")
      ->type_name("N")
      ->capture_default_str();
  app.add_option("--start", arguments.start_s, "Begin at this second of the profile")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.0, 1e6));
  app.add_option("--tick-us", arguments.tick_us, "Wake up once in this time at most when there is traffic")
      ->type_name("N")
      ->check(CLI::Range(0.0, 1e5))
      ->capture_default_str();
  app.add_option("--control", arguments.options.control, "Unix socket for requests, a line of JSON each")
      ->type_name("SOCKET");
  app.add_option("--report", arguments.report, "Write the counters here at the end (JSON)")
      ->type_name("FILE");
  app.add_option("--ready-fd", arguments.ready_fd, "Say \"ready\" on this descriptor, not on standard output")
      ->type_name("N")
      ->check(CLI::Range(0, 1 << 20));
  app.add_option("--check", arguments.check, "Only check this profile")->type_name("FILE");
  app.add_option("--describe", arguments.describe, "Only print this profile's rate, RTT and loss (JSON)")
      ->type_name("FILE");
  app.footer(
      "Forwards until SIGTERM or SIGINT. Both devices belong to the current network namespace; offloads must "
      "be\n"
      "off at their ends. Exit codes: 0 done, 1 command line, 2 profile or device, 4 output.\n\n"
      "Examples:\n"
      "  reelsense-lab-path --check lab/profiles/lte.json\n"
      "  reelsense-lab-path --describe lab/profiles/lte.json\n"
      "  ip netns exec router reelsense-lab-path --client client --server server \\\n"
      "    --profile lab/profiles/lte.json --seed 7 --control /run/path.sock --report path.json\n"
      "  echo '{\"priority\": [{\"server\": \"10.77.0.10\", \"protocol\": \"udp\"}]}' | nc -U -N "
      "/run/path.sock");
}

int run(int argc, const char* const* argv) {
  Arguments arguments;
  CLI::App app(
      "Forwards Ethernet frames between two devices as a mobile network would: rate, delay, loss, queue.",
      "reelsense-lab-path");
  add_options(app, arguments);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kOk : kUsage;
  }
  if (!arguments.check.empty()) return check(arguments.check);
  if (!arguments.describe.empty()) return print_description(arguments.describe);
  if (arguments.options.client_device.empty() || arguments.options.server_device.empty() ||
      arguments.profile.empty()) {
    return fail(kUsage, "--client, --server and --profile are needed, or --check, or --describe; see --help");
  }
  arguments.options.offset_ns = std::llround(arguments.start_s * static_cast<double>(kNsPerSecond));
  arguments.options.tick_ns = std::llround(arguments.tick_us * 1e3);
  return forward(arguments);
}

}  // namespace
}  // namespace reelsense::path

int main(int argc, char** argv) {
  try {
    return reelsense::path::run(argc, argv);
  } catch (const std::exception& error) {
    return reelsense::path::fail(1, std::string("internal error: ") + error.what());
  }
}
