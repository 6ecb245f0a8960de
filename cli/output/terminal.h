// What the terminal can do, and messages for people on standard error. Thread safety: none.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "cli/output/output.h"

namespace reelsense::cli {

// Colour and cursor movement are for a terminal that is not "dumb"; NO_COLOR (https://no-color.org) turns
// colour off.
struct Terminal {
  bool is_terminal = false;
  bool colour = false;
  bool utf8 = false;       // the locale's encoding, for block characters
  std::size_t width = 80;  // columns

  static Terminal of(const Output& out);
  static Terminal of_stderr();
};

// "reelsense: …" on standard error.
void print_error(std::string_view message);
void print_warning(std::string_view message);

}  // namespace reelsense::cli
