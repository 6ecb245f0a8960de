// Files that lie: every one is refused with the node and the reason, and none crashes, hangs or takes much
// memory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <iterator>
#include <limits>
#include <random>

#include "model/onnx_writer.h"
#include "reelsense/model/model.h"

namespace reelsense {
namespace {

using ::testing::HasSubstr;
namespace onnx = model::testing;

Result<Model> parse(const std::string& file, const ModelLimits& limits = {}) {
  // An exact-size heap copy, so that a sanitizer sees one byte too far.
  const std::vector<std::uint8_t> exact(file.begin(), file.end());
  return Model::parse(exact, limits);
}

std::string read_model(const std::string& name) {
  std::ifstream file(REELSENSE_SOURCE_DIR "/tests/models/" + name, std::ios::binary);
  EXPECT_TRUE(file.is_open()) << name;
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// Two trees of three leaves, of which each case bends something.
onnx::Ensemble two_trees() {
  onnx::Ensemble e;
  for (std::int64_t tree = 0; tree < 2; ++tree) {
    e.branch(tree, 0, 1, 0.5f, 1, 2);
    e.branch(tree, 1, 3, -1.0f, 3, 4, 1);
    e.leaf(tree, 2, 0.1f);
    e.leaf(tree, 3, 0.2f);
    e.leaf(tree, 4, -0.3f);
  }
  return e;
}

struct BadTrees {
  const char* name;
  std::function<void(onnx::Ensemble&)> bend;
  ErrorCode code;
  const char* message;
};

const BadTrees kBadTrees[] = {
    {"cycle", [](auto& e) { e.yes[1] = 0; }, ErrorCode::kCorrupt, "tree 0 node 0 is reached twice"},
    {"self", [](auto& e) { e.yes[1] = 1; }, ErrorCode::kCorrupt, "tree 0 node 1 is reached twice"},
    {"shared child", [](auto& e) { e.no[1] = 2; }, ErrorCode::kCorrupt, "tree 0 node 2 is reached twice"},
    {"one child on both sides", [](auto& e) { e.no[1] = 3; }, ErrorCode::kCorrupt,
     "tree 0 node 1 has one child"},
    {"unreachable",
     [](auto& e) {
       e.modes[6] = "LEAF";
       e.vote_nodes[4] = 1;
     },
     ErrorCode::kCorrupt, "tree 1 node 3 is not reachable"},
    {"child out of range", [](auto& e) { e.no[0] = 5; }, ErrorCode::kCorrupt, "tree 0 node 0 has child 5"},
    {"negative child", [](auto& e) { e.no[0] = -1; }, ErrorCode::kCorrupt, "tree 0 node 0 has child -1"},
    {"huge child", [](auto& e) { e.no[0] = std::numeric_limits<std::int64_t>::max(); }, ErrorCode::kCorrupt,
     "which does not exist"},
    {"feature out of range", [](auto& e) { e.features[5] = 4; }, ErrorCode::kCorrupt,
     "nodes_featureids[5]: tree 1 node 0 asks for feature 4 of 4"},
    {"negative feature", [](auto& e) { e.features[5] = -1; }, ErrorCode::kCorrupt, "feature -1 of 4"},
    {"node id twice", [](auto& e) { e.ids[2] = 1; }, ErrorCode::kCorrupt, "tree 0 node 1 appears twice"},
    {"node id out of range", [](auto& e) { e.ids[2] = 5; }, ErrorCode::kCorrupt, "tree 0 node 5 is outside"},
    {"scattered tree",
     [](auto& e) {
       e.trees[9] = 0;
       e.trees[4] = 1;
       e.ids[4] = 0;
       e.ids[9] = 0;
     },
     ErrorCode::kCorrupt, "tree 1 node 0 appears twice"},
    {"tree again",
     [](auto& e) {
       e.leaf(2, 0, 1);
       e.leaf(0, 0, 1);
     },
     ErrorCode::kCorrupt, "the nodes of tree 0 are not contiguous"},
    {"short modes", [](auto& e) { e.modes.pop_back(); }, ErrorCode::kCorrupt,
     "nodes_modes has 9 elements, expected 10"},
    {"short values", [](auto& e) { e.values.pop_back(); }, ErrorCode::kCorrupt,
     "nodes_values has 9 elements"},
    {"long missing", [](auto& e) { e.missing.push_back(0); }, ErrorCode::kCorrupt,
     "nodes_missing_value_tracks_true has 11 elements"},
    {"short weights", [](auto& e) { e.weights.pop_back(); }, ErrorCode::kCorrupt,
     "target_weights has 5 elements"},
    {"unknown mode", [](auto& e) { e.modes[1] = "BRANCH_EQ"; }, ErrorCode::kUnsupported,
     "tree 0 node 1 has mode \"BRANCH_EQ\""},
    {"threshold NaN", [](auto& e) { e.values[1] = std::numeric_limits<float>::quiet_NaN(); },
     ErrorCode::kCorrupt, "nodes_values[1]"},
    {"weight infinite", [](auto& e) { e.weights[1] = std::numeric_limits<float>::infinity(); },
     ErrorCode::kCorrupt, "a weight that is not finite"},
    {"weight on a branch", [](auto& e) { e.vote_nodes[0] = 1; }, ErrorCode::kCorrupt, "is not a leaf"},
    {"weight twice", [](auto& e) { e.vote_nodes[0] = 3; }, ErrorCode::kCorrupt, "two weights"},
    {"weight of no node", [](auto& e) { e.vote_nodes[0] = 9; }, ErrorCode::kCorrupt, "which does not exist"},
    {"weight of no tree", [](auto& e) { e.vote_trees[0] = 7; }, ErrorCode::kCorrupt, "names tree 7"},
    {"leaf without weight",
     [](auto& e) {
       e.vote_trees.pop_back();
       e.vote_nodes.pop_back();
       e.vote_ids.pop_back();
       e.weights.pop_back();
     },
     ErrorCode::kCorrupt, "tree 1 node 4 is a leaf without a weight"},
    {"target out of range", [](auto& e) { e.vote_ids[3] = 1; }, ErrorCode::kCorrupt, "target_ids[3] = 1"},
    {"no nodes", [](auto& e) { e = onnx::Ensemble(); }, ErrorCode::kCorrupt, "no tree nodes"},
    {"aggregate MAX", [](auto& e) { e.extra.push_back(onnx::string("aggregate_function", "MAX")); },
     ErrorCode::kUnsupported, "aggregate_function \"MAX\""},
    {"two targets", [](auto& e) { e.extra.push_back(onnx::integer("n_targets", 2)); },
     ErrorCode::kUnsupported, "more than one target"},
    {"LOGISTIC regressor", [](auto& e) { e.extra.push_back(onnx::string("post_transform", "LOGISTIC")); },
     ErrorCode::kUnsupported, "use a Sigmoid node"},
    {"unknown attribute", [](auto& e) { e.extra.push_back(onnx::integer("surprise", 2)); },
     ErrorCode::kUnsupported, "attribute \"surprise\" is not known"},
    {"attribute twice",
     [](auto& e) {
       e.extra.push_back(onnx::integer("n_targets", 1));
       e.extra.push_back(onnx::integer("n_targets", 1));
     },
     ErrorCode::kCorrupt, "attribute \"n_targets\" appears twice"},
    {"attribute of another type",
     [](auto& e) {
       e.extra.push_back(onnx::floats("base_values", {}));
       e.extra.back() = onnx::ints("base_values", {1});
     },
     ErrorCode::kCorrupt, "attribute \"base_values\" has another type"},
};

TEST(HostileModel, Trees_AreRefusedWithNodeAndReason) {
  onnx::File good;
  good.nodes = {two_trees().node()};
  ASSERT_TRUE(parse(good.str())) << parse(good.str()).error().message;
  for (const BadTrees& bad : kBadTrees) {
    SCOPED_TRACE(bad.name);
    onnx::Ensemble ensemble = two_trees();
    bad.bend(ensemble);
    onnx::File file;
    file.nodes = {ensemble.node("my trees")};
    const Result<Model> parsed = parse(file.str());
    ASSERT_FALSE(parsed);
    EXPECT_EQ(parsed.error().code, bad.code);
    EXPECT_THAT(parsed.error().message, HasSubstr("node \"my trees\" (TreeEnsembleRegressor)"));
    EXPECT_THAT(parsed.error().message, HasSubstr(bad.message));
  }
}

TEST(HostileModel, UnknownNode_IsNamed) {
  for (const std::string op : {"Softplus", "ZipMap", "TreeEnsemble", "If"}) {
    onnx::File file;
    onnx::Node trees = two_trees().node();
    trees.outputs = {"score"};
    file.nodes = {trees, {op, "the culprit", {"score"}, {"p"}, {}, ""}};
    const Result<Model> parsed = parse(file.str());
    ASSERT_FALSE(parsed);
    EXPECT_EQ(parsed.error().code, ErrorCode::kUnsupported);
    EXPECT_THAT(parsed.error().message, HasSubstr("\"the culprit\" (" + op + ")"));
  }
}

TEST(HostileModel, Graphs_AreRefused) {
  const onnx::Node trees = two_trees().node();
  const onnx::Node sigmoid = {"Sigmoid", "s", {"p"}, {"q"}, {}, ""};
  const struct {
    const char* name;
    std::function<void(onnx::File&)> bend;
    const char* message;
  } cases[] = {
      {"IR version", [](auto& f) { f.ir_version = 99; }, "ONNX IR version 99"},
      {"opset", [](auto& f) { f.opset = 1000; }, "ONNX opset 1000"},
      {"ml opset", [](auto& f) { f.ml_opset = -1; }, "ai.onnx.ml opset -1"},
      {"no inputs", [](auto& f) { f.inputs = 0; }, "is not a float tensor [N, F]"},
      {"too many inputs", [](auto& f) { f.inputs = 1 << 20; }, "more than 4096"},
      {"negative inputs", [](auto& f) { f.inputs = -4; }, "is not a float tensor"},
      {"no nodes", [](auto& f) { f.nodes.clear(); }, "\"p\" is not made by any node"},
      {"two models",
       [&](auto& f) {
         f.nodes.push_back(trees);
         f.nodes[1].outputs = {"q"};
       },
       "a second model"},
      {"output twice", [&](auto& f) { f.nodes.push_back(trees); }, "output \"p\" is defined twice"},
      {"used before defined", [&](auto& f) { f.nodes.insert(f.nodes.begin(), sigmoid); },
       "not defined before"},
      {"own output",
       [&](auto& f) {
         f.nodes = {sigmoid};
         f.nodes[0].outputs = {"p"};
       },
       "not defined before"},
      {"no outputs", [&](auto& f) { f.nodes[0].outputs.clear(); }, "no inputs or no outputs"},
      {"features as answer",
       [](auto& f) {
         f.nodes = {{"Identity", "i", {"x"}, {"p"}, {}, ""}};
       },
       "is not a score"},
      {"many nodes", [&](auto& f) { f.nodes.resize(300, sigmoid); }, "more than 256 graph nodes"},
      {"many edges", [](auto& f) { f.nodes[0].inputs.resize(100, "x"); },
       "too many inputs, outputs or attributes"},
  };
  for (const auto& bad : cases) {
    SCOPED_TRACE(bad.name);
    onnx::File file;
    file.nodes = {trees};
    bad.bend(file);
    const Result<Model> parsed = parse(file.str());
    ASSERT_FALSE(parsed);
    EXPECT_THAT(parsed.error().message, HasSubstr(bad.message));
  }
}

TEST(HostileModel, SkippedPreparation_IsRefused) {
  // x → Scaler → scaled, but the trees read x: ONNX Runtime would do so too, and the chain would not.
  onnx::File file;
  onnx::Node scaler = {"Scaler", "scaler", {"x"}, {"scaled"}, {}, "ai.onnx.ml"};
  scaler.attributes = {onnx::floats("offset", {0, 0, 0, 0}), onnx::floats("scale", {1, 1, 1, 1})};
  file.nodes = {scaler, two_trees().node()};
  const Result<Model> parsed = parse(file.str());
  ASSERT_FALSE(parsed);
  EXPECT_THAT(parsed.error().message, HasSubstr("node \"trees\""));
}

TEST(HostileModel, Limits_AreKept) {
  onnx::File file;
  file.nodes = {two_trees().node()};
  const std::string bytes = file.str();
  const auto code = [&](const ModelLimits& limits) {
    const Result<Model> parsed = parse(bytes, limits);
    return parsed ? ErrorCode::kInvalidArgument : parsed.error().code;
  };
  EXPECT_EQ(code({.file_bytes = bytes.size() - 1}), ErrorCode::kLimit);
  EXPECT_EQ(code({.inputs = 3}), ErrorCode::kLimit);
  EXPECT_EQ(code({.trees = 1}), ErrorCode::kLimit);
  EXPECT_EQ(code({.nodes = 3}), ErrorCode::kLimit);
  EXPECT_TRUE(parse(bytes, {.file_bytes = bytes.size(), .inputs = 4, .trees = 2, .nodes = 4}));
}

TEST(HostileModel, Wire_MalformedFieldsAreRefused) {
  using onnx::Message;
  const std::string cases[] = {
      "", "\x0a", std::string(100, '\xff'), "\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
      std::string("\x3b\x00", 2),                          // a group
      std::string("\x00\x00", 2),                          // field number 0
      Message().integer(1, 8).bytes(7, "\x0a\x7f").str(),  // a node longer than its graph
      Message().integer(1, 8).bytes(7, "").bytes(7, "").str(), Message().integer(1, 8).bytes(20, "").str(),
      Message().integer(1, 8).bytes(25, "").str(),
      // Nesting has no depth to exhaust: unknown fields are skipped, known ones are of fixed depth.
      Message().integer(1, 8).bytes(7, std::string(1 << 20, '\x0a')).str()};
  for (const std::string& bytes : cases) EXPECT_FALSE(parse(bytes));
}

TEST(HostileModel, CutAtEveryByte_IsRefusedOrWhole) {
  for (const std::string name : {"two_class_softmax.onnx", "logistic.onnx", "double_thresholds.onnx"}) {
    const std::string whole = read_model(name);
    ASSERT_TRUE(parse(whole));
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const Result<Model> parsed = parse(whole.substr(0, size));
      // A cut between two fields after the graph loses only an opset import.
      if (parsed) {
        EXPECT_GT(size, whole.size() - 64) << name;
      } else {
        EXPECT_FALSE(parsed.error().message.empty());
      }
    }
  }
}

TEST(HostileModel, FlippedBytes_NeverCrash) {
  std::mt19937 random(5);
  for (const std::string name :
       {"all_modes.onnx", "lightgbm_forest.onnx", "imputed_logistic.onnx", "lightgbm_clean.onnx"}) {
    const std::string whole = read_model(name);
    for (int turn = 0; turn < 1500; ++turn) {
      std::string bent = whole;
      for (unsigned flips = 1 + random() % 4; flips > 0; --flips) {
        bent[random() % bent.size()] = static_cast<char>(random());
      }
      const Result<Model> parsed = parse(bent);
      if (!parsed) continue;
      const std::vector<float> row(parsed.value().info().inputs, 0.25f);
      (void)parsed.value().predict(row.data());
    }
  }
}

}  // namespace
}  // namespace reelsense
