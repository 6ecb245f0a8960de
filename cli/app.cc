#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "cli/commands/arguments.h"
#include "cli/commands/commands.h"
#include "cli/manual.h"
#include "cli/output/terminal.h"

namespace reelsense::cli {
namespace {

// The chosen subcommand's full name, "reelsense model list".
std::string chosen_name(const CLI::App& app) {
  const auto subcommands = app.get_subcommands();
  return app.get_name() + (subcommands.empty() ? "" : " " + chosen_name(*subcommands.front()));
}

// Help is output like any other: to standard output, every byte checked.
int print_help(const CLI::App& app) {
  return print(help_text(command_pages(app), chosen_name(app)));
}

}  // namespace

std::unique_ptr<CLI::App> make_app(Runner& runner) {
  auto app = std::make_unique<CLI::App>(
      "Tells, every second and for every flow, whether encrypted traffic is video or non-video, from packet "
      "sizes and "
      "times alone.",
      "reelsense");
  app->set_help_flag("-h,--help", "Print this help and exit");
  app->set_version_flag("--version", "reelsense " REELSENSE_VERSION, "Print the version and exit");
  app->footer(
      "Rows go to standard output, everything else to standard error.\n"
      "Each subcommand has its own --help with examples.");
  app->require_subcommand(1);
  add_classify(*app, runner);
  add_flows(*app, runner);
  add_decide(*app, runner);
  add_features(*app, runner);
  add_predict(*app, runner);
  add_model(*app, runner);
  add_tail(*app, runner);
  add_bench_server(*app, runner);
  add_version(*app, runner);
  add_completion(*app, runner);
  add_generate(*app, runner);
  return app;
}

int run_app(int argc, const char* const* argv) {
  try {
    Runner runner;
    const auto app = make_app(runner);
    try {
      app->parse(argc, argv);
    } catch (const CLI::CallForHelp&) {
      return print_help(*app);
    } catch (const CLI::CallForVersion& version) {
      return print(std::string(version.what()) + "\n");
    } catch (const CLI::ParseError& error) {
      print_error(std::string(error.what()) + "\nTry: " + chosen_name(*app) + " --help");
      return kExitUsage;
    }
    return runner();
  } catch (const std::exception& error) {
    print_error(std::string("internal error: ") + error.what());
    return kExitUsage;
  }
}

}  // namespace reelsense::cli
