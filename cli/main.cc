#include "cli/commands/commands.h"

// SIGPIPE keeps its default action: `reelsense classify x.pcap | head` ends without a word, like other Unix
// tools. Where the parent had it ignored, the failed write is reported and the exit code is kExitOutput.
int main(int argc, char** argv) {
  return reelsense::cli::run_app(argc, argv);
}
