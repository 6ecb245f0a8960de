// The man page and the Markdown reference.
#include <algorithm>
#include <string_view>

#include "cli/exit_code.h"
#include "cli/manual.h"

namespace reelsense::cli {
namespace {

struct EnvironmentText {
  std::string_view name;
  std::string_view meaning;
};
constexpr EnvironmentText kEnvironment[] = {
    {"REELSENSE_MODELS",
     "Folders with model bundles, separated by ':'. Instead of the built-in models path."},
    {"NO_COLOR", "When set and not empty, no colour is used. The ribbon is then drawn with letters."},
    {"TERM", "With dumb, neither colour nor a progress bar is used."},
    {"COLUMNS", "Width of the ribbon, instead of the terminal's own."},
};

// A line that begins with '.' or ''' is a request to troff, '\' escapes, and '-' alone may become a soft
// hyphen.
std::string roff(std::string_view text) {
  std::string escaped;
  bool line_start = true;
  for (const char c : text) {
    if (line_start && (c == '.' || c == '\'')) escaped += "\\&";
    if (c == '\\') {
      escaped += "\\e";
    } else if (c == '-') {
      escaped += "\\-";
    } else {
      escaped += c;
    }
    line_start = c == '\n';
  }
  return escaped;
}

void add_man_options(const std::vector<OptionPage>& options, std::string& text) {
  for (const OptionPage& option : options) {
    text += ".TP\n.B " + roff(option.left()) + "\n" + roff(option.meaning()) + "\n";
  }
}

// The exit status has a section of its own; the top command's footer repeats it for --help.
bool is_top(const CommandPage& page) {
  return page.name.find(' ') == std::string::npos;
}

void add_table_row(std::string& text, const std::string& left, std::string_view right) {
  std::string cell;
  for (const char c : right) cell += c == '|' ? std::string("\\|") : std::string(1, c);
  text += "| `" + left + "` | " + cell + " |\n";
}

}  // namespace

std::string man_page(const std::vector<CommandPage>& pages) {
  std::string text =
      ".\\\" Made by `reelsense generate man`. Do not edit.\n.TH REELSENSE 1 \"\" "
      "\"reelsense " REELSENSE_VERSION
      "\" \"User Commands\"\n.SH NAME\nreelsense \\- tell video from other encrypted traffic\n"
      ".SH SYNOPSIS\n";
  for (const CommandPage& page : pages) {
    if (page.subcommands.empty()) text += ".B " + roff(page.usage()) + "\n.br\n";
  }
  text += ".SH DESCRIPTION\n" + roff(pages.front().text) +
          "\nRows go to standard output, everything else to standard error.\n.SH COMMANDS\n";
  for (const CommandPage& page : pages) {
    if (is_top(page)) continue;
    text += ".SS " + roff(page.usage()) + "\n" + roff(page.text) + ".\n";
    add_man_options(page.positionals, text);
    add_man_options(page.options, text);
    if (!page.footer.empty()) text += ".PP\n.nf\n" + roff(page.footer) + "\n.fi\n";
  }
  text += ".SH EXIT STATUS\n";
  for (const ExitCodeText& code : kExitCodes) {
    text += ".TP\n.B " + std::to_string(code.code) + "\n" + roff(code.meaning) + "\n";
  }
  text += ".SH ENVIRONMENT\n";
  for (const EnvironmentText& variable : kEnvironment) {
    text += ".TP\n.B " + std::string(variable.name) + "\n" + roff(variable.meaning) + "\n";
  }
  return text;
}

std::string markdown_reference(const std::vector<CommandPage>& pages) {
  std::string text =
      "<!-- Made by `reelsense generate cli-md` from the definitions in cli/. Do not edit. -->\n"
      "# The `reelsense` command\n\n" +
      pages.front().text +
      "\n\nRows go to standard output, everything else to standard error.\n\n## Exit status\n\n" +
      "| status | meaning |\n|---|---|\n";
  for (const ExitCodeText& code : kExitCodes) add_table_row(text, std::to_string(code.code), code.meaning);
  text += "\n## Environment\n\n| variable | meaning |\n|---|---|\n";
  for (const EnvironmentText& variable : kEnvironment)
    add_table_row(text, std::string(variable.name), variable.meaning);
  for (const CommandPage& page : pages) {
    if (is_top(page)) continue;
    text += "\n## " + page.name + "\n\n" + page.text + ".\n\n```\n" + page.usage() + "\n```\n\n";
    if (!page.positionals.empty() || !page.options.empty()) text += "| option | meaning |\n|---|---|\n";
    for (const auto* options : {&page.positionals, &page.options}) {
      for (const OptionPage& option : *options) add_table_row(text, option.left(), option.meaning());
    }
    if (!page.footer.empty()) text += "\n```\n" + page.footer + "\n```\n";
  }
  return text;
}

}  // namespace reelsense::cli
