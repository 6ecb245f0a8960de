#include "server/http/tensor_reader.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "server/http/reader_fixture.h"

namespace reelsense::server {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr ModelShape kSmallEdge{"edge@1", 1, 2, 2, true, "packet"};  // a window of 3, a state of 2

class TensorReader : public ReaderTest {
 protected:
  std::string read(std::string_view json, std::string_view binary = {},
                   const ModelShape& shape = kSmallEdge) {
    const Padded body(std::string(json) + std::string(binary));
    request_.clear();
    job_.rows.clear();
    job_.states.clear();
    job_.next_states.clear();
    job_.answers.clear();
    const auto problem = read_infer(parser_, body.view(), json.size(), shape, 4, request_, job_);
    return problem ? problem->detail : "accepted";
  }
  void answer(std::size_t rows) {
    for (std::size_t row = 0; row < rows; ++row) {
      Answer& answer = job_.answers.emplace_back();
      answer.code = AnswerCode::kOk;
      answer.decision = {row == 0 ? 0.25F : 0.75F, 0.75F, row == 0 ? Label::kNonVideo : Label::kVideo, false};
    }
  }
  std::string written(const ModelShape& shape, std::size_t* json_bytes = nullptr) {
    std::string out;
    const std::size_t bytes = write_infer(request_, shape, "edge", "1", job_, out);
    if (json_bytes != nullptr) *json_bytes = bytes;
    return out;
  }
  InferRequest request_;
};

std::string bytes_of(std::initializer_list<float> values) {
  std::string out;
  for (const float value : values) out.append(reinterpret_cast<const char*>(&value), sizeof value);
  return out;
}

const std::string kWindow = R"({"name":"window","datatype":"FP32","shape":[2,3],"data":[1,2,3,4,5,6]})";

TEST_F(TensorReader, Json_FlatOrNestedData_FillsTheRows) {
  for (const char* data : {"[1,2,3,4,5,6]", "[[1,2,3],[4,5,6]]"}) {
    ASSERT_EQ(read(R"({"id":"7","inputs":[{"data":)" + std::string(data) +
                   R"(,"name":"window","shape":[2,3],"datatype":"FP32"}],"other":{"x":[1,{"y":null}]}})"),
              "accepted");
    EXPECT_EQ(request_.id, "7");
    EXPECT_EQ(request_.rows, 2U);
    EXPECT_THAT(job_.rows, ElementsAre(1, 2, 3, 4, 5, 6));
    EXPECT_THAT(job_.states, ElementsAre(0, 0, 0, 0));
  }
}

TEST_F(TensorReader, Binary_InOrderOfInputs_IsCopied) {
  ASSERT_EQ(
      read(R"({"inputs":[{"name":"state","datatype":"FP32","shape":[1,2],"parameters":{"binary_data_size":8}},
      {"name":"window","datatype":"FP32","shape":[1,3],"parameters":{"binary_data_size":12}}]})",
           bytes_of({7, 8, 1, 2, std::numeric_limits<float>::infinity()})),
      "accepted");
  EXPECT_THAT(job_.states, ElementsAre(7, 8));
  EXPECT_THAT(job_.rows,
              ElementsAre(1, 2, std::numeric_limits<float>::infinity()));  // the engine's to refuse
}

TEST_F(TensorReader, Fp64_IsRounded) {
  std::string binary;
  for (const double value : {0.1, 1e300, -2.0})
    binary.append(reinterpret_cast<const char*>(&value), sizeof value);
  ASSERT_EQ(
      read(
          R"({"inputs":[{"name":"window","datatype":"FP64","shape":[1,3],"parameters":{"binary_data_size":24}}]})",
          binary),
      "accepted");
  EXPECT_THAT(job_.rows, ElementsAre(0.1F, std::numeric_limits<float>::infinity(), -2));
}

TEST_F(TensorReader, Ue_TakesFeatures_WithoutState) {
  ASSERT_EQ(read(R"({"inputs":[{"name":"features","datatype":"FP32","shape":[1,3],"data":[1,2,3]}]})", {},
                 kUeShape),
            "accepted");
  EXPECT_TRUE(job_.states.empty());
  EXPECT_THAT(
      read(R"({"inputs":[{"name":"state","datatype":"FP32","shape":[1,3],"data":[1,2,3]}]})", {}, kUeShape),
      HasSubstr("tensor \"state\" is not an input of ue@1.0.0; it takes \"features\""));
}

TEST_F(TensorReader, Tensor_ThatDoesNotFit_IsNamed) {
  const auto input = [&](const std::string& members) { return read(R"({"inputs":[{)" + members + "}]}"); };
  EXPECT_THAT(input(R"("name":"window","datatype":"INT64","shape":[1,3],"data":[1,2,3])"),
              HasSubstr("inputs[0].datatype: tensor \"window\" is of INT64; FP32"));
  EXPECT_THAT(input(R"("name":"window","datatype":"FP32","shape":[1,4],"data":[1,2,3,4])"),
              HasSubstr("inputs[0].shape: tensor \"window\" has shape [1, 4]; [batch, 3] is expected"));
  EXPECT_THAT(input(R"("name":"window","datatype":"FP32","shape":[3],"data":[1,2,3])"),
              HasSubstr("has shape [3]"));
  EXPECT_THAT(input(R"("name":"window","datatype":"FP32","shape":[0,3],"data":[])"),
              HasSubstr("has shape [0, 3]"));
  EXPECT_THAT(input(R"("name":"window","datatype":"FP32","shape":[5,3],"data":[])"),
              HasSubstr("5 rows; at most 4"));
  EXPECT_THAT(input(R"("name":"window","datatype":"FP32","shape":[-1,3],"data":[])"),
              HasSubstr("inputs[0].shape[0]"));
  EXPECT_THAT(input(R"("name":"window","datatype":"FP32","shape":[1,1,3],"data":[])"), HasSubstr("rank 2"));
  EXPECT_THAT(input(R"("name":"window","datatype":"FP32","shape":[2,3],"data":[1,2,3])"),
              HasSubstr("inputs[0].data: tensor \"window\" has 3 values; its shape [2, 3] has 6"));
  EXPECT_THAT(
      input(R"("name":"window","datatype":"FP32","shape":[1,3],"data":[1,2,3,4,5,6,7,8,9,10,11,12,13])"),
      HasSubstr("more values than the largest batch has"));
  EXPECT_THAT(input(R"("name":"window","datatype":"FP32","shape":[1,3],"data":[[[1]]])"),
              HasSubstr("nested more deeply"));
  EXPECT_THAT(input(R"("name":"window","datatype":"FP32","shape":[1,3],"data":[1,"x",3])"),
              HasSubstr("inputs[0].data[1]: a number is expected, not \"x\""));
  EXPECT_THAT(input(R"("name":"window","datatype":"FP32","shape":[1,3])"), HasSubstr("neither data nor"));
  EXPECT_THAT(input(R"("name":"x","datatype":"FP32","shape":[1,3])"),
              HasSubstr("tensor \"x\" is not an input of edge@1"));
  EXPECT_THAT(input(R"("datatype":"FP32","shape":[1,3])"), HasSubstr("inputs[0].name: is missing"));
  EXPECT_THAT(read(R"({"inputs":[]})"), HasSubstr("tensor \"window\" is missing"));
  EXPECT_THAT(read("{}"), HasSubstr("tensor \"window\" is missing"));
  EXPECT_THAT(read(R"({"inputs":[)" + kWindow + "," + kWindow + "]}"), HasSubstr("given twice"));
  EXPECT_THAT(read(R"({"inputs":[)" + kWindow +
                   R"(,{"name":"state","datatype":"FP32","shape":[1,2],"data":[1,2]}]})"),
              HasSubstr("\"state\" has 1 rows, \"window\" 2"));
}

TEST_F(TensorReader, Binary_OfAnotherLength_IsNamed) {
  const std::string head =
      R"({"inputs":[{"name":"window","datatype":"FP32","shape":[1,3],"parameters":{"binary_data_size":)";
  EXPECT_THAT(read(head + "11}}]}", std::string(11, 'x')),
              HasSubstr("binary_data_size 11; its shape [1, 3] has 12 bytes"));
  EXPECT_THAT(read(head + "12}}]}", std::string(11, 'x')),
              HasSubstr("11 bytes left behind the JSON; 12 are expected"));
  EXPECT_THAT(read(head + "12}}]}", std::string(13, 'x')),
              HasSubstr("1 bytes follow the last binary tensor"));
  EXPECT_THAT(read(head + "-1}}]}"), HasSubstr("binary_data_size: an integer from 0"));
  EXPECT_THAT(read(head + R"(12},"data":[1,2,3]}]})", std::string(12, 'x')), HasSubstr("both data and"));
  const Padded body("{}");
  EXPECT_TRUE(read_infer(parser_, body.view(), 3, kSmallEdge, 4, request_, job_));
}

TEST_F(TensorReader, Json_LeftOpenBeforeTensors_IsRefused) {
  const std::string json =
      R"({"inputs":[{"name":"state","datatype":"FP32","shape":[1,2],"parameters":{"binary_data_size":8}})";
  for (const char* binary : {R"(,{"name":)", "]}", ",", "}", R"(,{"name":"window"}]})", "\"\"\"\"\"\"\"\""}) {
    EXPECT_NE(read(json, binary), "accepted") << binary;
  }
}

TEST_F(TensorReader, Sequence_Rules_Hold) {
  const auto sequence = [&](const std::string& parameters, const char* rows = "[1,3]",
                            const char* data = "[1,2,3]", const std::string& more = "") {
    return read(R"({"parameters":{)" + parameters +
                R"(},"inputs":[{"name":"window","datatype":"FP32","shape":)" + rows + R"(,"data":)" + data +
                "}]" + more + "}");
  };
  ASSERT_EQ(sequence(R"("sequence_id":42,"sequence_start":true,"timeout":1500)"), "accepted");
  EXPECT_EQ(request_.sequence, "42");
  EXPECT_TRUE(request_.sequence_start);
  EXPECT_EQ(request_.timeout_us, 1500);
  EXPECT_TRUE(job_.states.empty());
  ASSERT_EQ(sequence(R"("sequence_id":"cam-1","sequence_end":true)"), "accepted");
  EXPECT_EQ(request_.sequence, "cam-1");
  ASSERT_EQ(sequence(R"("sequence_id":0)"), "accepted");
  EXPECT_EQ(request_.sequence, "");
  EXPECT_THAT(sequence(R"("sequence_start":true)"), HasSubstr("need a sequence_id other than 0"));
  EXPECT_THAT(sequence(R"("sequence_id":-1)"),
              HasSubstr("parameters.sequence_id: a string or a non-negative integer"));
  EXPECT_THAT(sequence(R"("sequence_id":1)", "[2,3]", "[1,2,3,4,5,6]"), HasSubstr("one row, not 2"));
  EXPECT_THAT(sequence(R"("sequence_id":1)", "[1,3]", "[1,2,3]", R"(,"outputs":[{"name":"next_state"}])"),
              HasSubstr("\"next_state\" cannot be asked for"));
}

TEST_F(TensorReader, Outputs_UnknownOrTwice_AreNamed) {
  EXPECT_THAT(
      read(R"({"outputs":[{"name":"x"}],"inputs":[)" + kWindow + "]}"),
      HasSubstr("outputs[0].name: \"x\" is not an output of edge@1; there are probability, next_state"));
  EXPECT_THAT(read(R"({"outputs":[{"name":"label"},{"name":"label"}]})"), HasSubstr("asked for twice"));
  EXPECT_THAT(read(R"({"outputs":[{}]})"), HasSubstr("outputs[0].name: is missing"));
  EXPECT_THAT(read(R"({"outputs":[{"name":"label","parameters":{"classification":1}}]})"),
              HasSubstr("not supported"));
  EXPECT_THAT(read(R"({"inputs":[{"name":"window","parameters":{"shared_memory_region":"x"}}]})"),
              HasSubstr("shared memory is not supported"));
}

TEST_F(TensorReader, Skipped_Values_MustBeJsonAllTheSame) {
  EXPECT_NE(read(R"({"inputs":[)" + kWindow + R"(],"other":tru})"), "accepted");
  EXPECT_NE(read(R"({"inputs":[)" + kWindow + R"(],"other":[1 2]})"), "accepted");
  EXPECT_NE(read(R"({"inputs":[)" + kWindow + R"(],"other":)" + std::string(100'000, '[') +
                 std::string(100'000, ']') + "}"),
            "accepted");
  EXPECT_NE(read(R"({"inputs":[)" + kWindow + "]} trailing"), "accepted");
}

TEST_F(TensorReader, Write_Json_DefaultOutputsOfTheTier) {
  ASSERT_EQ(read(R"({"id":"q","inputs":[)" + kWindow + "]}"), "accepted");
  answer(2);
  job_.next_states = {1, 2, 3, 4};
  EXPECT_EQ(written(kSmallEdge),
            R"({"model_name":"edge","model_version":"1","id":"q","outputs":[)"
            R"({"name":"probability","datatype":"FP32","shape":[2,1],"data":[0.25,0.75]},)"
            R"({"name":"next_state","datatype":"FP32","shape":[2,2],"data":[1,2,3,4]}]})");
}

TEST_F(TensorReader, Write_Binary_OnlyWhatWasAskedFor) {
  ASSERT_EQ(
      read(R"({"parameters":{"binary_data_output":true},"outputs":[{"name":"label"},{"name":"confidence",
      "parameters":{"binary_data":false}},{"name":"probability"}],"inputs":[)" +
           kWindow + "]}"),
      "accepted");
  answer(2);
  std::size_t json_bytes = 0;
  const std::string out = written(kSmallEdge, &json_bytes);
  EXPECT_EQ(
      out.substr(0, json_bytes),
      R"({"model_name":"edge","model_version":"1","outputs":[)"
      R"({"name":"label","datatype":"BYTES","shape":[2,1],"parameters":{"binary_data_size":22}},)"
      R"({"name":"confidence","datatype":"FP32","shape":[2,1],"data":[0.75,0.75]},)"
      R"({"name":"probability","datatype":"FP32","shape":[2,1],"parameters":{"binary_data_size":8}}]})");
  EXPECT_EQ(out.substr(json_bytes),
            std::string("\x09\0\0\0non-video\x05\0\0\0video", 22) + bytes_of({0.25F, 0.75F}));
}

}  // namespace
}  // namespace reelsense::server
