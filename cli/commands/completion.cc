// `reelsense completion` and the hidden `reelsense generate`: what is made from the command line's own
// definitions.
#include <CLI/CLI.hpp>

#include "cli/commands/arguments.h"
#include "cli/commands/commands.h"
#include "cli/manual.h"

namespace reelsense::cli {
namespace {

std::vector<CommandPage> own_pages() {
  Runner unused;
  return command_pages(*make_app(unused));
}

int run_completion(const std::string& shell) {
  const auto pages = own_pages();
  if (shell == "bash") return print(bash_completion(pages));
  return print(shell == "zsh" ? zsh_completion(pages) : fish_completion(pages));
}

int run_generate(const std::string& what, const std::string& path) {
  const auto pages = own_pages();
  return with_output(path, [&](Output& out) {
    out.write(what == "man" ? man_page(pages) : markdown_reference(pages));
    return kExitOk;
  });
}

}  // namespace

void add_completion(CLI::App& app, Runner& runner) {
  auto* command = app.add_subcommand("completion", "Print a completion script for a shell");
  const auto shell = std::make_shared<std::string>();
  command->add_option("SHELL", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command->footer(
      "Examples:\n"
      "  source <(reelsense completion bash)\n"
      "  reelsense completion fish > ~/.config/fish/completions/reelsense.fish");
  command->callback([&runner, shell] { runner = [shell] { return run_completion(*shell); }; });
}

void add_generate(CLI::App& app, Runner& runner) {
  auto* command = app.add_subcommand("generate", "Print the man page or the Markdown reference");
  command->group("");  // for the project's own docs, not for users
  const auto what = std::make_shared<std::string>();
  command->add_option("WHAT", *what, "man or cli-md")->required()->check(CLI::IsMember({"man", "cli-md"}));
  const auto path = std::make_shared<std::string>();
  add_output_to(*command, *path);
  command->callback([&runner, what, path] { runner = [what, path] { return run_generate(*what, *path); }; });
}

}  // namespace reelsense::cli
