// `reelsense tail`: a server's labels as they are given.
#include <CLI/CLI.hpp>

#include "cli/commands/arguments.h"
#include "cli/commands/commands.h"

namespace reelsense::cli {

void add_tail(CLI::App& app, Runner& runner) {
  auto* command = app.add_subcommand("tail", "Follow the labels that a reelsense-server gives, live");
  struct Arguments {
    ServerArguments server;
    TailOptions tail;
    std::string output;
  };
  const auto arguments = std::make_shared<Arguments>();
  arguments->server.add_to(*command,
                           "The server: host:port, grpc://host:port or, with TLS, grpcs://host:port", true);
  command
      ->add_option("-m,--model", arguments->tail.model,
                   "Only labels of this model: name or name@version; default: all")
      ->type_name("MODEL");
  command->add_option("--label", arguments->tail.label, "Only this label")
      ->check(CLI::IsMember({"video", "non-video"}))
      ->type_name("LABEL");
  command
      ->add_option("--max-confidence", arguments->tail.max_confidence,
                   "Only labels that are not more certain than this")
      ->check(CLI::Range(0.5, 1.0))
      ->type_name("C");
  command
      ->add_option("--format", arguments->tail.format,
                   "Rows as table, csv or jsonl; default: table on a terminal, else csv")
      ->check(CLI::IsMember({"table", "csv", "jsonl"}))
      ->type_name("FORMAT");
  add_output_to(*command, arguments->output);
  command->footer(
      "Columns: time (start of the window's second, epoch seconds), flow (the server's keyed hash of it, 16 "
      "hex "
      "digits),\n"
      "label, confidence, uncertain, model. Runs until Ctrl-C. A reader that is too slow misses labels; a "
      "warning "
      "says how\n"
      "many. An API key sees its own flows, one with the scope admin all.\n\n"
      "Examples:\n"
      "  reelsense tail --server localhost:8081\n"
      "  reelsense tail --server localhost:8081 --label video --max-confidence 0.7 --format jsonl");
  command->callback([&runner, arguments] {
    runner = [arguments] {
      return with_output(arguments->output, [&](Output& out) {
        TailOptions options = arguments->tail;
        options.server = arguments->server.options;
        return run_tail(options, out);
      });
    };
  });
}

}  // namespace reelsense::cli
