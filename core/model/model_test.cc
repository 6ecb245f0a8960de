// Right answers: against ONNX Runtime's, stored in tests/models, and between kernels, bit for bit.
#include "reelsense/model/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <random>
#include <thread>

#include "model/onnx_writer.h"
#include "model/scorer.h"
#include "model/sigmoid.h"

namespace reelsense {
namespace {

using model::Kernel;
using model::Scorer;
namespace onnx = model::testing;

std::vector<std::uint8_t> read_file(const std::string& name) {
  std::ifstream file(REELSENSE_SOURCE_DIR "/tests/models/" + name, std::ios::binary);
  EXPECT_TRUE(file.is_open()) << name;
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::vector<float> read_floats(const std::string& name) {
  const std::vector<std::uint8_t> bytes = read_file(name);
  std::vector<float> out(bytes.size() / sizeof(float));
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = std::bit_cast<float>(load_le<std::uint32_t>(&bytes[4 * i]));
  return out;
}

std::span<const std::uint8_t> as_bytes(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

Scorer make_scorer(std::span<const std::uint8_t> file) {
  const Result<model::OnnxModel> read = model::read_onnx(file);
  EXPECT_TRUE(read) << (read ? "" : read.error().message);
  Result<model::Pipeline> pipeline = model::build_pipeline(read.value(), {});
  EXPECT_TRUE(pipeline) << (pipeline ? "" : pipeline.error().message);
  return Scorer(std::move(pipeline).value());
}

// Rows with all that a float can be: NaN, infinities, denormals, zeros of both signs, large and small.
std::vector<float> odd_rows(std::size_t rows, std::size_t inputs, unsigned seed) {
  constexpr float kOdd[] = {std::numeric_limits<float>::quiet_NaN(),
                            std::numeric_limits<float>::infinity(),
                            -std::numeric_limits<float>::infinity(),
                            1e-42f,
                            -1e-42f,
                            0.0f,
                            -0.0f,
                            3e38f,
                            -3e38f};
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> out(rows * inputs);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const bool plain_row = i / inputs % 3 == 0;
    const auto pick = random() % 40;
    out[i] = !plain_row && pick < std::size(kOdd) ? kOdd[pick] : normal(random);
  }
  return out;
}

void expect_same_bits(const std::vector<float>& a, const std::vector<float>& b, const std::string& what) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(std::bit_cast<std::uint32_t>(a[i]), std::bit_cast<std::uint32_t>(b[i])) << what << " row " << i;
  }
}

void expect_kernels_agree(std::span<const std::uint8_t> file, std::size_t inputs, const std::string& what) {
  const Scorer scorer = make_scorer(file);
  constexpr std::size_t kRows = 203;  // no multiple of any block
  const std::vector<float> rows = odd_rows(kRows, inputs, 17);
  std::vector<float> want(kRows);
  scorer.predict(Kernel::kPortable, rows.data(), kRows, inputs, want.data());
  for (const Kernel kernel : model::kAllKernels) {
    if (!scorer.supports(kernel)) continue;
    std::vector<float> got(kRows);
    scorer.predict(kernel, rows.data(), kRows, inputs, got.data());
    expect_same_bits(got, want, what + " batch " + model::kernel_name(kernel));
    for (std::size_t i = 0; i < kRows; ++i) scorer.predict(kernel, &rows[i * inputs], 1, inputs, &got[i]);
    expect_same_bits(got, want, what + " single " + model::kernel_name(kernel));
  }
}

// A random ensemble; every tree has between 1 and `leaves` leaves.
std::string random_ensemble(unsigned seed, std::int64_t inputs, std::int64_t trees, unsigned leaves) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  onnx::Ensemble ensemble;
  for (std::int64_t tree = 0; tree < trees; ++tree) {
    const std::size_t wanted = 1 + random() % leaves;
    std::vector<std::pair<std::int64_t, std::int64_t>> children(2 * wanted - 1, {-1, -1});
    std::vector<std::size_t> open = {0};
    std::size_t count = 1;
    while (open.size() < wanted) {
      const std::size_t chosen = random() % open.size();
      children[open[chosen]] = {static_cast<std::int64_t>(count), static_cast<std::int64_t>(count + 1)};
      open[chosen] = count;
      open.push_back(count + 1);
      count += 2;
    }
    for (std::size_t i = 0; i < count; ++i) {
      const auto id = static_cast<std::int64_t>(i);
      if (children[i].first < 0) {
        ensemble.leaf(tree, id, normal(random));
      } else {
        const auto feature = static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(inputs));
        ensemble.branch(tree, id, feature, normal(random), children[i].first, children[i].second,
                        random() % 2);
      }
    }
  }
  onnx::File file;
  file.inputs = inputs;
  file.nodes = {ensemble.node()};
  return file.str();
}

constexpr const char* kModels[] = {"lightgbm_clean",     "lightgbm_booster", "lightgbm_classifier",
                                   "lightgbm_regressor", "lightgbm_forest",  "logistic",
                                   "imputed_logistic",   "linear",           "random_forest",
                                   "imputed_boosting",   "all_modes",        "two_class_softmax",
                                   "double_thresholds",  "large_tree",       "wide_row",
                                   "many_thresholds"};

TEST(Model, StoredFiles_GiveOnnxRuntimesAnswers) {
  for (const std::string name : kModels) {
    SCOPED_TRACE(name);
    const Result<Model> parsed = Model::parse(read_file(name + ".onnx"));
    ASSERT_TRUE(parsed) << parsed.error().message;
    const Model& model = parsed.value();
    const std::size_t inputs = model.info().inputs;
    const std::vector<float> rows = read_floats(name + ".rows.f32");
    const std::vector<float> want = read_floats(name + ".want.f32");
    ASSERT_EQ(rows.size(), want.size() * inputs);
    std::vector<float> batch(want.size());
    model.predict_batch(rows.data(), want.size(), inputs, batch.data());
    for (std::size_t i = 0; i < want.size(); ++i) {
      const float got = model.predict(&rows[i * inputs]);
      ASSERT_EQ(std::bit_cast<std::uint32_t>(got), std::bit_cast<std::uint32_t>(batch[i])) << "row " << i;
      if (std::isnan(want[i])) {
        ASSERT_TRUE(std::isnan(got)) << "row " << i;
      } else {
        ASSERT_NEAR(got, want[i], 1e-5 * std::max(1.0f, std::fabs(want[i]))) << "row " << i;
      }
    }
  }
}

TEST(Model, StoredFiles_KernelsGiveTheSameBits) {
  for (const std::string name : kModels) {
    const std::vector<std::uint8_t> file = read_file(name + ".onnx");
    const Result<Model> parsed = Model::parse(file);
    ASSERT_TRUE(parsed) << name;
    expect_kernels_agree(file, parsed.value().info().inputs, name);
  }
}

TEST(Model, RandomEnsembles_KernelsGiveTheSameBits) {
  const struct {
    std::int64_t inputs, trees;
    unsigned leaves;
  } shapes[] = {{1, 1, 1},     {1, 3, 2},     {5, 64, 31},   {40, 65, 31},
                {40, 200, 64}, {64, 129, 31}, {7, 130, 256}, {90, 30, 40}};
  unsigned seed = 1;
  for (const auto& shape : shapes) {
    const std::string file = random_ensemble(++seed, shape.inputs, shape.trees, shape.leaves);
    expect_kernels_agree(as_bytes(file), static_cast<std::size_t>(shape.inputs),
                         std::to_string(shape.trees) + " trees");
  }
}

TEST(Model, StoredFiles_HaveTheSameBitsOnEveryMachine) {
  // FNV-1a of every answer. It changes only with tests/models or with the arithmetic, never with the
  // processor, the compiler or the build type.
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const std::string name : kModels) {
    const Result<Model> parsed = Model::parse(read_file(name + ".onnx"));
    ASSERT_TRUE(parsed) << name;
    const std::vector<float> rows = read_floats(name + ".rows.f32");
    const std::size_t inputs = parsed.value().info().inputs;
    for (std::size_t i = 0; i < rows.size(); i += inputs) {
      hash = (hash ^ std::bit_cast<std::uint32_t>(parsed.value().predict(&rows[i]))) * 0x100000001b3ULL;
    }
  }
  EXPECT_EQ(hash, 0x288356e2a6556389ULL) << std::hex << "0x" << hash;
}

TEST(Model, Batch_WithStride_ReadsOnlyItsColumns) {
  const Result<Model> parsed = Model::parse(read_file("lightgbm_clean.onnx"));
  ASSERT_TRUE(parsed);
  const std::size_t inputs = parsed.value().info().inputs;
  const std::vector<float> rows = read_floats("lightgbm_clean.rows.f32");
  const std::size_t n = rows.size() / inputs;
  const std::size_t stride = inputs + 5;
  std::vector<float> wide(n * stride, std::numeric_limits<float>::quiet_NaN());
  for (std::size_t i = 0; i < n; ++i) std::copy_n(&rows[i * inputs], inputs, &wide[i * stride]);
  std::vector<float> want(n), got(n);
  parsed.value().predict_batch(rows.data(), n, inputs, want.data());
  parsed.value().predict_batch(wide.data(), n, stride, got.data());
  expect_same_bits(got, want, "strided");
  parsed.value().predict_batch(rows.data(), 0, inputs, nullptr);
}

TEST(Model, Over_WiderRows_GivesTheSameBits) {
  // Trees, trees behind an imputer, a linear model, one behind an imputer: each reads its row another way.
  for (const std::string name : {"lightgbm_clean", "imputed_boosting", "linear", "imputed_logistic"}) {
    SCOPED_TRACE(name);
    const std::vector<std::uint8_t> file = read_file(name + ".onnx");
    const Result<Model> narrow = Model::parse(file);
    ASSERT_TRUE(narrow);
    const std::size_t inputs = narrow.value().info().inputs;
    const std::size_t width = 2 * inputs + 3;
    std::vector<std::uint8_t> columns(inputs);  // backwards, with gaps
    for (std::size_t i = 0; i < inputs; ++i) columns[i] = static_cast<std::uint8_t>(width - 2 - 2 * i);

    constexpr std::size_t kRows = 67;
    const std::vector<float> rows = odd_rows(kRows, inputs, 23);
    std::vector<float> wide(kRows * width, std::numeric_limits<float>::quiet_NaN());
    for (std::size_t r = 0; r < kRows; ++r) {
      for (std::size_t i = 0; i < inputs; ++i) wide[r * width + columns[i]] = rows[r * inputs + i];
    }
    std::vector<float> want(kRows), got(kRows);
    narrow.value().predict_batch(rows.data(), kRows, inputs, want.data());
    const Model over = std::move(Model::parse(file).value()).over(columns, width);
    over.predict_batch(wide.data(), kRows, width, got.data());
    expect_same_bits(got, want, "batch");
    for (std::size_t r = 0; r < kRows; ++r) got[r] = over.predict(&wide[r * width]);
    expect_same_bits(got, want, "single");

    Scorer scorer = make_scorer(file);
    scorer.read_from(columns, width);
    for (const Kernel kernel : model::kAllKernels) {
      if (!scorer.supports(kernel)) continue;
      scorer.predict(kernel, wide.data(), kRows, width, got.data());
      expect_same_bits(got, want, model::kernel_name(kernel));
    }
  }
}

TEST(Model, Info_TellsWhatTheFileSays) {
  const Result<Model> parsed = Model::parse(read_file("lightgbm_clean.onnx"));
  ASSERT_TRUE(parsed);
  const ModelInfo& info = parsed.value().info();
  EXPECT_EQ(info.inputs, 40u);
  EXPECT_EQ(info.trees, 40u);
  EXPECT_EQ(info.leaves, info.nodes + info.trees);
  EXPECT_EQ(info.opset, 15);
  EXPECT_EQ(info.producer, "make_models.py");
  EXPECT_EQ(info.find("reelsense.schema_hash"), "0123456789abcdef");
  EXPECT_EQ(info.find("absent"), "");
}

TEST(Model, Kernel_IsTheMachinesFastestThatFits) {
  const Result<Model> trees = Model::parse(read_file("lightgbm_clean.onnx"));
  const Result<Model> wide = Model::parse(read_file("wide_row.onnx"));
  ASSERT_TRUE(trees && wide);
  EXPECT_STREQ(wide.value().kernel(), "portable");
  if (model::machine_has(Kernel::kAvx512)) {
    EXPECT_STREQ(trees.value().kernel(), "avx512");
  }
}

TEST(Model, ManyThreads_GiveTheSameBits) {
  const Result<Model> parsed = Model::parse(read_file("lightgbm_clean.onnx"));
  ASSERT_TRUE(parsed);
  const std::vector<float> rows = read_floats("lightgbm_clean.rows.f32");
  const std::size_t inputs = parsed.value().info().inputs;
  const std::size_t n = rows.size() / inputs;
  std::vector<std::vector<float>> got(4, std::vector<float>(n));
  std::vector<std::thread> threads;
  for (std::vector<float>& out : got) {
    threads.emplace_back([&] {
      for (int turn = 0; turn < 50; ++turn) {
        parsed.value().predict_batch(rows.data(), n, inputs, out.data());
        out[0] = parsed.value().predict(rows.data());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::vector<float>& out : got) expect_same_bits(out, got[0], "thread");
}

TEST(Sigmoid, Range_IsRightToOneRounding) {
  for (double x = -110; x <= 110; x += 0.00917) {
    const double want = 1 / (1 + std::exp(-x));
    ASSERT_NEAR(model::sigmoid(x) / want, 1.0, 1e-10) << x;
  }
  EXPECT_EQ(model::sigmoid(0), 0.5);
  EXPECT_EQ(model::sigmoid(1e300), 1);
  EXPECT_EQ(model::sigmoid(-std::numeric_limits<double>::infinity()), 0);
  EXPECT_TRUE(std::isnan(model::sigmoid(std::numeric_limits<double>::quiet_NaN())));
  // Known bits: a change of compiler, flags or platform must not move them.
  EXPECT_EQ(std::bit_cast<std::uint64_t>(model::sigmoid(-1.25)), 0x3fcc81702a88e0d3ULL);
}

}  // namespace
}  // namespace reelsense
