#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "cli/commands/commands.h"
#include "cli/output/output.h"
#include "cli/output/terminal.h"

namespace reelsense::cli {
namespace {

std::string exit_code_footer() {
  std::string text = "Exit status:\n";
  for (const ExitCodeText& code : kExitCodes) {
    text += "  " + std::to_string(code.code) + "  " + std::string(code.meaning) + "\n";
  }
  return text +
         "\nRows go to standard output, everything else to standard error.\n"
         "Each subcommand has its own --help with examples.";
}

// --help is output like any other: to standard output, every byte checked.
int print_help(const CLI::App& app, bool all) {
  auto out = Output::open("-");
  out.value().write(app.help("", all ? CLI::AppFormatMode::All : CLI::AppFormatMode::Normal));
  if (out.value().close()) return kExitOk;
  print_error(out.value().error());
  return kExitOutput;
}

const CLI::App& chosen(const CLI::App& app) {
  const auto subcommands = app.get_subcommands();
  return subcommands.empty() ? app : chosen(*subcommands.front());
}

}  // namespace

std::unique_ptr<CLI::App> make_app(Runner& runner) {
  auto app = std::make_unique<CLI::App>(
      "Tells, every second and for every flow, whether encrypted traffic is video or non-video, from packet "
      "sizes and "
      "times alone.",
      "reelsense");
  app->set_help_flag("-h,--help", "Print this help and exit");
  app->footer(exit_code_footer());
  app->require_subcommand(1);
  app->get_formatter()->column_width(34);
  add_classify(*app, runner);
  add_flows(*app, runner);
  add_features(*app, runner);
  add_predict(*app, runner);
  add_model(*app, runner);
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
      return print_help(chosen(*app), false);
    } catch (const CLI::ParseError& error) {
      const std::string name = chosen(*app).get_name();
      print_error(std::string(error.what()) + "\nTry: reelsense " + (name == "reelsense" ? "" : name + " ") +
                  "--help");
      return kExitUsage;
    }
    return runner ? runner() : print_help(*app, false);
  } catch (const std::exception& error) {
    print_error(std::string("internal error: ") + error.what());
    return kExitUsage;
  }
}

}  // namespace reelsense::cli
