#include "server/models/tensor_contract.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reelsense::server {
namespace {

using testing::HasSubstr;
using Shape = std::vector<std::int64_t>;

class ShapedModel final : public ServedModel {
 public:
  explicit ShapedModel(Tier tier)
      : ServedModel(manifest_of(), tier, view_schema(View::kPacket), tier == Tier::kEdge ? 40 : 0,
                    tier == Tier::kEdge ? 65 : 0) {}
  [[nodiscard]] Result<std::unique_ptr<Scorer>> make_scorer(std::size_t /*max_batch*/) const override {
    return Error{ErrorCode::kUnsupported, "never run"};
  }
  [[nodiscard]] std::string engine() const override { return "none"; }

 private:
  static bundle::Manifest manifest_of() {
    bundle::Manifest manifest;
    manifest.name = "m";
    manifest.version = *bundle::Version::parse("1.0.0");
    return manifest;
  }
};

const ShapedModel kEdge{Tier::kEdge};
const ShapedModel kUe{Tier::kUe};
constexpr std::size_t kMaxBatch = 16;

struct Ask {
  std::string name;
  std::string datatype;
  Shape shape;
};

Result<TensorPlan> plan(const ServedModel& model, const std::vector<Ask>& inputs,
                        const std::vector<std::string_view>& outputs = {}, bool sequence = false) {
  std::vector<TensorGiven> given;
  for (const Ask& ask : inputs) given.push_back({ask.name, ask.datatype, ask.shape});
  return plan_tensors(model, given, outputs, sequence, kMaxBatch);
}

std::vector<std::string> names(const TensorPlan& plan) {
  std::vector<std::string> out;
  for (const TensorSpec& spec : plan.outputs) out.push_back(spec.name);
  return out;
}

using Names = std::vector<std::string>;

TEST(TensorContract, Inputs_HaveTheModelsWidths) {
  const auto edge = inputs_of(kEdge);
  ASSERT_EQ(edge.size(), 2U);
  EXPECT_EQ(edge[0].name, "window");
  EXPECT_EQ(edge[0].shape, (Shape{-1, 88}));
  EXPECT_EQ(edge[1].name, "state");
  EXPECT_EQ(edge[1].shape, (Shape{-1, 65}));
  EXPECT_FALSE(edge[1].required);
  const auto ue = inputs_of(kUe);
  ASSERT_EQ(ue.size(), 1U);
  EXPECT_EQ(ue[0].name, "features");
  EXPECT_EQ(ue[0].shape, (Shape{-1, 48}));
}

TEST(TensorContract, DefaultOutputs_AreProbabilityAndNextStateIfThereIsOne) {
  EXPECT_EQ(names(plan(kEdge, {{"window", "FP32", {2, 88}}}).value()), (Names{"probability", "next_state"}));
  EXPECT_EQ(names(plan(kEdge, {{"window", "FP32", {1, 88}}}, {}, true).value()), Names{"probability"});
  EXPECT_EQ(names(plan(kUe, {{"features", "FP32", {2, 48}}}).value()), Names{"probability"});
}

TEST(TensorContract, StateBeforeWindow_IsFoundByName) {
  const auto made =
      plan(kEdge, {{"state", "FP32", {3, 65}}, {"window", "FP32", {3, 88}}}, {"label", "confidence"});
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made.value().batch, 3U);
  EXPECT_EQ(made.value().rows_input, 1U);
  EXPECT_EQ(made.value().state_input, 0);
  EXPECT_EQ(made.value().rows_elements, 3U * 88);
  EXPECT_EQ(made.value().state_elements, 3U * 65);
  EXPECT_EQ(names(made.value()), (Names{"label", "confidence"}));
}

struct Refused {
  std::vector<Ask> inputs;
  std::vector<std::string_view> outputs;
  bool sequence;
  std::string says;
};

TEST(TensorContract, WrongTensors_AreRefusedWithNameFoundAndExpected) {
  const std::string huge(1000, 'x');
  const std::vector<Refused> cases = {
      {{}, {}, false, "input \"window\": missing, expected FP32 [-1, 88]"},
      {{{"windows", "FP32", {1, 88}}}, {}, false, "m@1.0.0 has no such input; it has window, state"},
      {{{huge, "FP32", {1, 88}}}, {}, false, "xxx…\": m@1.0.0 has no such input"},
      {{{"window", "FP64", {1, 88}}}, {}, false, "datatype is \"FP64\", expected FP32"},
      {{{"window", "FP32", {88}}}, {}, false, "shape is [88], expected [-1, 88] with 1 to 16 rows"},
      {{{"window", "FP32", {1, 87}}}, {}, false, "shape is [1, 87], expected [-1, 88]"},
      {{{"window", "FP32", {0, 88}}}, {}, false, "shape is [0, 88]"},
      {{{"window", "FP32", {-1, 88}}}, {}, false, "shape is [-1, 88], expected"},
      {{{"window", "FP32", {17, 88}}}, {}, false, "1 to 16 rows"},
      {{{"window", "FP32", {INT64_MAX, 88}}}, {}, false, "1 to 16 rows"},
      {{{"window", "FP32", {1, 88}}, {"window", "FP32", {1, 88}}}, {}, false, "given twice"},
      {{{"window", "FP32", {2, 88}}, {"state", "FP32", {1, 65}}}, {}, false, "1 rows, but \"window\" has 2"},
      {{{"state", "FP32", {1, 65}}}, {}, false, "input \"window\": missing"},
      {{{"window", "FP32", {1, 88}}, {"state", "FP32", {1, 65}}}, {}, true, "its state on the server"},
      {{{"window", "FP32", {2, 88}}}, {}, true, "a request of a sequence has 1 row, this one has 2"},
      {{{"window", "FP32", {1, 88}}}, {"next_state"}, true, "its state on the server"},
      {{{"window", "FP32", {1, 88}}},
       {"score"},
       false,
       "no such output; it has probability, next_state, label"},
      {{{"window", "FP32", {1, 88}}}, {"label", "label"}, false, "asked for twice"},
  };
  for (const Refused& one : cases) {
    const auto made = plan(kEdge, one.inputs, one.outputs, one.sequence);
    ASSERT_FALSE(made) << one.says;
    EXPECT_EQ(made.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(made.error().message, HasSubstr(one.says));
  }
}

TEST(TensorContract, ShapeOfManyDimensions_IsShortened) {
  EXPECT_EQ(shape_text(Shape(20, 1)), "[1, 1, 1, 1, 1, 1, 1, 1, …]");
}

}  // namespace
}  // namespace reelsense::server
