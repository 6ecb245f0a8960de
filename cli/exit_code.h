// What the command's exit status says. One list: --help, the man page and docs/reference/cli.md print it.
#pragma once

#include <array>
#include <string_view>

namespace reelsense::cli {

enum ExitCode : int {
  kExitOk = 0,
  kExitUsage = 1,
  kExitInput = 2,
  kExitDamaged = 3,
  kExitOutput = 4,
  kExitServer = 5,
};

struct ExitCodeText {
  int code;
  std::string_view meaning;
};

inline constexpr std::array kExitCodes = {
    ExitCodeText{kExitOk, "Everything asked for was done."},
    ExitCodeText{kExitUsage, "The command line is wrong, or an internal error."},
    ExitCodeText{kExitInput,
                 "An input or a model cannot be used: not there, not a capture, unknown link type, wrong "
                 "schema, failed "
                 "check. Of several input files the others were still processed."},
    ExitCodeText{kExitDamaged,
                 "All whole packets were processed, but an input was cut or damaged; a warning says where."},
    ExitCodeText{kExitOutput, "The output could not be written (disk full, closed pipe); it is incomplete."},
    ExitCodeText{
        kExitServer,
        "The server cannot be reached, refused what was asked, or went away; the output is incomplete."},
    ExitCodeText{141, "A reader closed the pipe and SIGPIPE ended the command, as it does other Unix tools."},
};

// Of two files' outcomes the worse one counts for the whole run: output or server, input, damaged.
inline int worse(int a, int b) noexcept {
  const auto rank = [](int code) {
    return code == kExitOk ? 0 : code == kExitDamaged ? 1 : code == kExitInput ? 2 : 3;
  };
  return rank(a) >= rank(b) ? a : b;
}

}  // namespace reelsense::cli
