// The subcommands. Each add_* defines one on the command line and, when it was chosen, puts its work into
// `runner`.
//
// The definitions are also the source of the man page, docs/reference/cli.md and the shell completions.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "cli/exit_code.h"

namespace CLI {
class App;  // its header is slow to compile; only definitions of options need it
}

namespace reelsense::cli {

// Returns the exit code.
using Runner = std::function<int()>;

void add_classify(CLI::App& app, Runner& runner);
void add_flows(CLI::App& app, Runner& runner);
void add_decide(CLI::App& app, Runner& runner);
void add_features(CLI::App& app, Runner& runner);
void add_predict(CLI::App& app, Runner& runner);
void add_model(CLI::App& app, Runner& runner);
void add_tail(CLI::App& app, Runner& runner);
void add_bench_server(CLI::App& app, Runner& runner);
void add_version(CLI::App& app, Runner& runner);
void add_completion(CLI::App& app, Runner& runner);
void add_generate(CLI::App& app, Runner& runner);

// The whole command line.
std::unique_ptr<CLI::App> make_app(Runner& runner);

// Runs `reelsense argv[1..]`.
int run_app(int argc, const char* const* argv);

}  // namespace reelsense::cli
