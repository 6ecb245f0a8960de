// `reelsense predict`: probabilities of feature rows, for parity tests and evaluation.
#include <CLI/CLI.hpp>
#include <algorithm>

#include "cli/commands/arguments.h"
#include "cli/commands/commands.h"
#include "cli/output/npy.h"
#include "cli/output/terminal.h"

namespace reelsense::cli {
namespace {

struct PredictArguments {
  std::string model;
  std::string rows;
  std::string output;
};

using Scorer = std::function<void(const float* rows, std::size_t n, float* out)>;

// Rows of every feature go through the model's own choice of features; rows as wide as the model's inputs go
// straight in. A model without metadata is scored the second way only.
Result<Scorer> choose_scorer(const std::string& path, const std::vector<std::uint8_t>& onnx,
                             std::size_t columns) {
  auto plain = Model::parse(onnx);
  if (!plain) return plain.error().in(path);
  const std::size_t inputs = plain.value().info().inputs;
  const ViewSchema* schema = find_view(plain.value().info().find("reelsense.view"));
  if (schema != nullptr && columns == schema->features.size()) {
    auto parsed = UeModel::parse(onnx);
    if (!parsed) return parsed.error().in(path);
    const auto model = std::make_shared<const UeModel>(std::move(parsed).value());
    return Scorer([model](const float* rows, std::size_t n, float* out) {
      std::array<Decision, UeModel::kMaxBatch> decisions;
      model->decide(rows, n, decisions.data());
      for (std::size_t i = 0; i < n; ++i) out[i] = decisions[i].probability;
    });
  }
  if (columns != inputs) {
    return Error{ErrorCode::kMismatch,
                 path + ": takes rows of " + std::to_string(inputs) + " columns" +
                     (schema != nullptr ? " or " + std::to_string(schema->features.size()) : "") +
                     ", found " + std::to_string(columns)};
  }
  const auto model = std::make_shared<const Model>(std::move(plain).value());
  return Scorer([model, columns](const float* rows, std::size_t n, float* out) {
    model->predict_batch(rows, n, columns, out);
  });
}

int fail(const Error& error) {
  print_error(error.message);
  return kExitInput;
}

int run_predict(const PredictArguments& arguments) {
  const auto onnx = bundle::read_file(arguments.model, ModelLimits{}.file_bytes);
  if (!onnx) return fail(onnx.error());
  const auto rows = read_npy(arguments.rows);
  if (!rows) return fail(rows.error());
  const NpyMatrix& matrix = rows.value();
  const auto scorer = choose_scorer(arguments.model, onnx.value(), matrix.columns);
  if (!scorer) return fail(scorer.error());

  return with_output(arguments.output, [&](Output& out) -> int {
    if (!out.is_seekable()) {
      print_error(arguments.output + ": a .npy file can only be written to a regular file");
      return kExitUsage;
    }
    NpyWriter writer(out, 0);
    std::array<float, UeModel::kMaxBatch> probabilities;
    for (std::size_t first = 0; first < matrix.rows; first += probabilities.size()) {
      const std::size_t n = std::min(probabilities.size(), matrix.rows - first);
      scorer.value()(matrix.values.data() + first * matrix.columns, n, probabilities.data());
      writer.put({probabilities.data(), n});
      for (std::size_t i = 0; i < n; ++i) writer.end_row();
    }
    writer.finish();
    return kExitOk;
  });
}

}  // namespace

void add_predict(CLI::App& app, Runner& runner) {
  auto* command = app.add_subcommand("predict", "Score rows of features with a model file");
  const auto arguments = std::make_shared<PredictArguments>();
  command->add_option("MODEL", arguments->model, "A model.onnx file")->required();
  command
      ->add_option("ROWS", arguments->rows,
                   "A .npy file, float32 [rows, columns]: all features of the model's view in their order, "
                   "or the model's own "
                   "inputs")
      ->required();
  command
      ->add_option("-o,--output", arguments->output,
                   "The .npy file to write: float32 [rows], probability of video")
      ->required()
      ->type_name("FILE");
  command->footer(
      "Examples:\n"
      "  reelsense features trace.pcap --format npy -o rows.npy\n"
      "  reelsense predict models/reelsense-ue/1.0.0/model.onnx rows.npy -o p.npy");
  command->callback([&runner, arguments] { runner = [arguments] { return run_predict(*arguments); }; });
}

}  // namespace reelsense::cli
