// Time to score one row and a batch of 256 with the native engine, by kernel.
//
//   inference_bench [--dir=FOLDER] [Google Benchmark's flags]
//
// FOLDER holds model.onnx, rows.f32 and want.f32 (inference_peers.py makes one: 100 trees × 31 leaves on 40
// features); without it the model of tests/models is used. The rows are thousands of random ones, visited in
// turn, so that a branch predictor cannot learn them. Nothing is timed before every answer has been checked.
#include <benchmark/benchmark.h>

#include <bit>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "model/graph.h"
#include "model/onnx.h"
#include "model/scorer.h"
#include "reelsense/base/byte_reader.h"
#include "reelsense/model/model.h"

namespace {

using reelsense::Model;
using reelsense::model::Kernel;
using reelsense::model::Scorer;

[[noreturn]] void stop(const std::string& message) {
  std::fprintf(stderr, "inference_bench: %s\n", message.c_str());
  std::exit(2);
}

std::vector<std::uint8_t> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) stop("cannot open " + path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::vector<float> read_floats(const std::string& path) {
  const std::vector<std::uint8_t> bytes = read_file(path);
  std::vector<float> out(bytes.size() / 4);
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = std::bit_cast<float>(reelsense::load_le<std::uint32_t>(&bytes[4 * i]));
  }
  return out;
}

struct Case {
  std::vector<std::uint8_t> file;
  std::vector<float> rows, want;
  std::size_t inputs = 0;
};

Scorer make_scorer(const Case& c) {
  reelsense::Result<reelsense::model::OnnxModel> onnx = reelsense::model::read_onnx(c.file);
  if (!onnx) stop(onnx.error().message);
  reelsense::Result<reelsense::model::Pipeline> pipeline = reelsense::model::build_pipeline(onnx.value(), {});
  if (!pipeline) stop(pipeline.error().message);
  return Scorer(std::move(pipeline).value());
}

void check(const Scorer& scorer, Kernel kernel, const Case& c) {
  std::vector<float> got(c.want.size());
  scorer.predict(kernel, c.rows.data(), got.size(), c.inputs, got.data());
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (!(std::fabs(got[i] - c.want[i]) <= 1e-5f)) {
      stop(std::string(reelsense::model::kernel_name(kernel)) + ": row " + std::to_string(i) + " gives " +
           std::to_string(got[i]) + ", expected " + std::to_string(c.want[i]));
    }
  }
}

void time_scoring(benchmark::State& state, const Scorer& scorer, Kernel kernel, const Case& c,
                  std::size_t batch) {
  std::vector<float> out(batch);
  const std::size_t rows = c.want.size() / batch * batch;
  std::size_t at = 0;
  for (auto _ : state) {
    scorer.predict(kernel, &c.rows[at * c.inputs], batch, c.inputs, out.data());
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
    at += batch;
    if (at == rows) at = 0;
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * batch));
}

void time_predict(benchmark::State& state, const Model& model, const Case& c) {
  std::size_t row = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(model.predict(&c.rows[row * c.inputs]));
    if (++row == c.want.size()) row = 0;
  }
}

void time_parse(benchmark::State& state, const Case& c) {
  for (auto _ : state) benchmark::DoNotOptimize(Model::parse(c.file).ok());
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  std::string prefix = REELSENSE_SOURCE_DIR "/tests/models/lightgbm_clean.";
  std::string model_file = prefix + "onnx";
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (!flag.starts_with("--dir=")) stop("unknown flag " + flag);
    prefix = flag.substr(6) + "/";
    model_file = prefix + "model.onnx";
  }
  Case c;
  c.file = read_file(model_file);
  c.rows = read_floats(prefix + "rows.f32");
  c.want = read_floats(prefix + "want.f32");
  const reelsense::Result<Model> model = Model::parse(c.file);
  if (!model) stop(model_file + ": " + model.error().message);
  c.inputs = model.value().info().inputs;
  if (c.want.empty() || c.rows.size() != c.want.size() * c.inputs)
    stop("rows and answers do not fit the model");
  const Scorer scorer = make_scorer(c);
  const std::size_t batch = std::min<std::size_t>(256, c.want.size());
  for (const Kernel kernel : reelsense::model::kAllKernels) {
    if (!scorer.supports(kernel)) continue;
    check(scorer, kernel, c);
    const std::string name = reelsense::model::kernel_name(kernel);
    benchmark::RegisterBenchmark(("row/" + name).c_str(), time_scoring, std::cref(scorer), kernel,
                                 std::cref(c), 1);
    benchmark::RegisterBenchmark(("batch256/" + name).c_str(), time_scoring, std::cref(scorer), kernel,
                                 std::cref(c), batch);
  }
  benchmark::RegisterBenchmark("predict", time_predict, std::cref(model.value()), std::cref(c));
  benchmark::RegisterBenchmark("parse", time_parse, std::cref(c));
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
