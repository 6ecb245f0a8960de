// --help: the same definitions as the man page, for the terminal.
#include <algorithm>

#include "cli/exit_code.h"
#include "cli/manual.h"

namespace reelsense::cli {
namespace {

constexpr std::size_t kWidth = 100;
constexpr std::size_t kIndent = 28;

// `left`, then `text` in a column of its own, wrapped between words.
void add_entry(std::string& out, const std::string& left, std::string_view text, std::size_t indent) {
  std::string line = "  " + left;
  if (left.empty()) {
    line.clear();
  } else if (line.size() + 2 > indent) {  // no room beside it
    out += line + "\n";
    line.clear();
  }
  line.resize(std::max(line.size(), indent), ' ');
  bool first = true;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!first && line.size() + 1 + word.size() > kWidth) {
      out += line + "\n";
      line.assign(indent, ' ');
      first = true;
    }
    if (!first) line += ' ';
    line += word;
    first = false;
  }
  out += line + "\n";
}

void add_options(std::string& out, const char* heading, const std::vector<OptionPage>& options) {
  if (options.empty()) return;
  out += std::string("\n") + heading + ":\n";
  for (const OptionPage& option : options) add_entry(out, option.left(), option.meaning(), kIndent);
}

}  // namespace

std::string help_text(const std::vector<CommandPage>& pages, const std::string& name) {
  const auto page =
      std::find_if(pages.begin(), pages.end(), [&](const CommandPage& p) { return p.name == name; });
  if (page == pages.end()) return {};
  std::string out;
  add_entry(out, "", page->text + (page->text.ends_with('.') ? "" : "."), 0);
  out += "\nUsage: " + page->usage() + "\n";
  if (!page->subcommands.empty()) out += "\nSubcommands:\n";
  for (const std::string& sub : page->subcommands) {
    const auto child = std::find_if(pages.begin(), pages.end(),
                                    [&](const CommandPage& p) { return p.name == name + " " + sub; });
    add_entry(out, sub, child == pages.end() ? "" : child->text, 16);
  }
  add_options(out, "Arguments", page->positionals);
  add_options(out, "Options", page->options);
  if (page == pages.begin()) {
    out += "\nExit status:\n";
    for (const ExitCodeText& code : kExitCodes) add_entry(out, std::to_string(code.code), code.meaning, 8);
  }
  return page->footer.empty() ? out : out + "\n" + page->footer + "\n";
}

}  // namespace reelsense::cli
