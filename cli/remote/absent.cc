// In place of the rest of this folder in a build without gRPC.
#include "cli/exit_code.h"
#include "cli/output/terminal.h"
#include "cli/remote/remote.h"

namespace reelsense::cli {
namespace {

constexpr const char* kAbsent =
    "this build has no commands that talk to a server; build with -DREELSENSE_REMOTE=ON (needs gRPC)";

int refuse() {
  print_error(kAbsent);
  return kExitUsage;
}

}  // namespace

Result<OpenLabelStream> open_label_stream(const ServerOptions&, const std::string&, bool) {
  return Error{ErrorCode::kInvalidArgument, kAbsent};
}

int run_tail(const TailOptions&, Output&) {
  return refuse();
}

int run_bench(const BenchOptions&, const TrafficSample&, Output&) {
  return refuse();
}

}  // namespace reelsense::cli
