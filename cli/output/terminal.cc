#include "cli/output/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace reelsense::cli {
namespace {

bool is_set(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0';
}

// The first of LC_ALL, LC_CTYPE, LANG that is set names the encoding; the C locale has none.
bool locale_is_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    if (!is_set(name)) continue;
    std::string value = std::getenv(name);
    std::transform(value.begin(), value.end(), value.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return value.find("utf-8") != std::string::npos || value.find("utf8") != std::string::npos;
  }
  return false;
}

std::size_t columns_of(int fd) {
  std::size_t columns = 0;
  if (const char* text = std::getenv("COLUMNS")) std::from_chars(text, text + std::strlen(text), columns);
  winsize size{};
  if (columns == 0 && ::ioctl(fd, TIOCGWINSZ, &size) == 0) columns = size.ws_col;
  return columns == 0 ? 80 : std::clamp<std::size_t>(columns, 40, 1000);
}

Terminal describe(bool is_terminal, int fd) {
  const char* term = std::getenv("TERM");
  const bool dumb = term == nullptr || std::strcmp(term, "dumb") == 0;
  Terminal terminal;
  terminal.is_terminal = is_terminal && !dumb;
  terminal.colour = terminal.is_terminal && !is_set("NO_COLOR");
  terminal.utf8 = locale_is_utf8();
  terminal.width = columns_of(fd);
  return terminal;
}

void print_line(std::string_view level, std::string_view message) {
  // One write, so that lines of several processes do not mix.
  std::string line = "reelsense: ";
  line += level;
  line += message;
  line += '\n';
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace

Terminal Terminal::of(const Output& out) {
  return describe(out.is_terminal(), STDOUT_FILENO);
}

Terminal Terminal::of_stderr() {
  return describe(::isatty(STDERR_FILENO) == 1, STDERR_FILENO);
}

void print_error(std::string_view message) {
  print_line("", message);
}
void print_warning(std::string_view message) {
  print_line("warning: ", message);
}

}  // namespace reelsense::cli
