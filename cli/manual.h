// The command line's definitions as data, and what is made from it: man page, Markdown reference,
// completions.
//
// So help, manual and completion cannot disagree. Thread safety: pure functions.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;  // its header is slow to compile; only definitions of options need it
}

namespace reelsense::cli {

struct OptionPage {
  std::vector<std::string> names;  // "-o", "--output"; empty for a positional
  std::string argument;            // "FILE", "FORMAT"; empty for a flag
  std::vector<std::string> choices;
  std::string text;
  std::string default_value;
  bool required = false;
  bool repeats = false;

  // "-o, --output FILE"
  [[nodiscard]] std::string left() const;
  // The text with choices and default, ended by a full stop.
  [[nodiscard]] std::string meaning() const;
};

struct CommandPage {
  std::string name;  // "reelsense classify"
  std::string text;
  std::string footer;
  std::vector<OptionPage> options;
  std::vector<OptionPage> positionals;
  std::vector<std::string> subcommands;  // names that a user may type after this one

  // "reelsense classify [OPTIONS] FILE..."
  [[nodiscard]] std::string usage() const;
};

// Every visible command, the top one first, parents before their children.
std::vector<CommandPage> command_pages(const CLI::App& app);

// What --help prints for the page called `name`, wrapped to 100 columns; empty if there is no such page.
std::string help_text(const std::vector<CommandPage>& pages, const std::string& name);

std::string man_page(const std::vector<CommandPage>& pages);
// docs/reference/cli.md is this text.
std::string markdown_reference(const std::vector<CommandPage>& pages);

std::string bash_completion(const std::vector<CommandPage>& pages);
std::string zsh_completion(const std::vector<CommandPage>& pages);
std::string fish_completion(const std::vector<CommandPage>& pages);

}  // namespace reelsense::cli
