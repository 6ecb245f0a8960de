#include "cli/manual.h"

#include <CLI/CLI.hpp>
#include <string_view>

#include "cli/exit_code.h"

namespace reelsense::cli {
namespace {

// CLI11 shows validators behind the type: "FORMAT:{csv,npy}".
std::vector<std::string> choices_of(const std::string& type) {
  const std::size_t open = type.find('{');
  const std::size_t close = type.find('}');
  std::vector<std::string> choices;
  if (open == std::string::npos || close == std::string::npos) return choices;
  for (std::size_t start = open + 1; start < close;) {
    const std::size_t comma = std::min(type.find(',', start), close);
    choices.push_back(type.substr(start, comma - start));
    start = comma + 1;
  }
  return choices;
}

OptionPage page_of(const CLI::Option& option) {
  OptionPage page;
  for (const std::string& name : option.get_snames()) page.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) page.names.push_back("--" + name);
  const std::string type = option.get_type_name();
  const bool takes_value = option.get_items_expected_max() > 0;
  page.argument = option.get_positional() ? option.get_name(true)
                  : takes_value           ? type.substr(0, type.find(':'))
                                          : "";
  page.choices = choices_of(type);
  page.text = option.get_description();
  page.default_value = takes_value ? option.get_default_str() : "";
  page.required = option.get_required();
  page.repeats = option.get_items_expected_max() > 1;
  return page;
}

bool is_hidden(const CLI::App& app) {
  return app.get_group().empty();
}

void add_pages(const CLI::App& app, const std::string& prefix, std::vector<CommandPage>& pages) {
  CommandPage page;
  page.name = prefix.empty() ? app.get_name() : prefix + " " + app.get_name();
  page.text = app.get_description();
  page.footer = app.get_footer();
  for (const CLI::Option* option : app.get_options({})) {
    (option->get_positional() ? page.positionals : page.options).push_back(page_of(*option));
  }
  const auto subcommands = app.get_subcommands([](const CLI::App* sub) { return !is_hidden(*sub); });
  for (const CLI::App* sub : subcommands) page.subcommands.push_back(sub->get_name());
  const std::string name = page.name;
  pages.push_back(std::move(page));
  for (const CLI::App* sub : subcommands) add_pages(*sub, name, pages);
}

}  // namespace

std::string OptionPage::left() const {
  if (names.empty()) return argument + (repeats ? "..." : "");
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
  return argument.empty() ? list : list + " " + argument;
}

std::string OptionPage::meaning() const {
  std::string whole = text;
  if (!choices.empty() && text.find(choices.back()) == std::string::npos) {
    whole += "; one of";
    for (const std::string& choice : choices) whole += " " + choice;
  }
  if (!default_value.empty()) whole += " (default " + default_value + ")";
  return whole + ".";
}

std::string CommandPage::usage() const {
  std::string text = name + " [OPTIONS]";
  for (const OptionPage& positional : positionals) {
    const std::string argument = positional.argument + (positional.repeats ? "..." : "");
    text += positional.required ? " " + argument : " [" + argument + "]";
  }
  return subcommands.empty() ? text : text + " SUBCOMMAND";
}

std::vector<CommandPage> command_pages(const CLI::App& app) {
  std::vector<CommandPage> pages;
  add_pages(app, "", pages);
  return pages;
}

}  // namespace reelsense::cli
