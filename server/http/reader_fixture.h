// What tests of the body readers share: model shapes, rules and padded bodies.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "server/http/classify_reader.h"

namespace reelsense::server {

inline const ModelShape kEdgeShape{"edge@1.0.0", 3, 40, 4, true, "packet"};
inline const ModelShape kUeShape{"ue@1.0.0", 3, 0, 0, true, "packet"};
inline const ModelShape kSocketShape{"socket@1.0.0", 2, 0, 0, false, "socket"};

// A heap block of exactly the body and its padding, so that a sanitizer sees a byte too many.
class Padded {
 public:
  // `behind`: what follows it, over and over, as the next request or a binary tensor may.
  explicit Padded(std::string_view text, std::string_view behind = "7")
      : size_(text.size()), bytes_(new char[text.size() + kJsonPadding]) {
    std::memcpy(bytes_.get(), text.data(), text.size());
    for (std::size_t i = 0; i < kJsonPadding; ++i) bytes_[text.size() + i] = behind[i % behind.size()];
  }
  [[nodiscard]] std::string_view view() const { return {bytes_.get(), size_}; }
  [[nodiscard]] std::string_view padding() const { return {bytes_.get() + size_, kJsonPadding}; }

 private:
  std::size_t size_;
  std::unique_ptr<char[]> bytes_;
};

class ReaderTest : public ::testing::Test {
 protected:
  ReaderTest() {
    rules_.flow_name_bytes = 16;
    rules_.windows = 5;
    rules_.packets = 6;
    rules_.flow_id = [](std::string_view flow) {
      return FlowId{std::hash<std::string_view>{}(flow), flow.size()};
    };
    rules_.find_model = [](std::string_view reference, ModelShape& shape) -> std::optional<Problem> {
      if (reference.empty() || reference == "ue") {
        shape = kUeShape;
      } else if (reference == "edge") {
        shape = kEdgeShape;
      } else if (reference == "socket") {
        shape = kSocketShape;
      } else {
        return Problem::of(ProblemType::kUnknownModel,
                           "model \"" + std::string(reference) + "\" is not served");
      }
      return std::nullopt;
    };
  }

  ClassifyRules rules_;
  JsonParser parser_;
  Job job_;
};

}  // namespace reelsense::server
