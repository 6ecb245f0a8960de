#include "server/http/tensor_reader.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "server/http/json_reader.h"

namespace reelsense::server {

namespace {

static_assert(std::endian::native == std::endian::little, "binary tensors are copied as they are");

constexpr Where kRoot{};
constexpr std::int64_t kMostRank = 2;

struct Input {
  std::string_view name;
  std::string_view datatype;
  std::vector<std::int64_t> shape;
  std::vector<float> values;  // of JSON data
  bool has_data = false;
  std::int64_t binary_bytes = -1;
};

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string out = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) out += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return out + "]";
}

// A copy if binary tensors follow: the reader needs the byte behind the JSON for itself.
std::string_view json_part(JsonParser& parser, std::string_view body, std::size_t bytes) {
  if (bytes == body.size()) return body;
  std::string& copy = parser.impl().copy;
  copy.reserve(bytes + kJsonPadding);
  copy.assign(body.substr(0, bytes));
  return {copy.data(), bytes};
}

class InferReader {
 public:
  InferReader(JsonParser& parser, std::string_view body, std::size_t json_bytes, const ModelShape& shape,
              std::size_t most_rows, InferRequest& request, Job& job)
      : json_(parser, json_part(parser, body, json_bytes)),
        binary_(body.substr(json_bytes)),
        shape_(shape),
        most_rows_(most_rows),
        request_(request),
        job_(job) {}

  bool read() {
    ondemand::object root;
    if (!json_.begin(root)) return false;
    unsigned seen = 0;
    const bool read = each_member(root, [&](std::string_view key, ondemand::value value) {
      const Where where{&kRoot, key};
      if (key == "id") return json_.once(where, seen, 1) && read_id(where, value);
      if (key == "parameters") return json_.once(where, seen, 2) && read_parameters(where, value);
      if (key == "inputs") return json_.once(where, seen, 4) && read_inputs(where, value);
      if (key == "outputs") return json_.once(where, seen, 8) && read_outputs(where, value);
      return json_.skip(where, value);
    });
    if (!read || !json_.at_end()) return false;
    if (!window_seen_) {
      return json_.fail(Where{&kRoot, "inputs"},
                        "tensor \"" + std::string(input_name(shape_)) + "\" is missing");
    }
    if (!binary_.empty()) {
      return json_.fail(kRoot, std::to_string(binary_.size()) + " bytes follow the last binary tensor");
    }
    return check_rows() && check_sequence();
  }

  Problem take_problem() { return json_.take_problem(); }

 private:
  template <class Each>
  bool each_member(ondemand::object& object, Each each) {
    for (auto item : object) {
      ondemand::field field;
      auto error = std::move(item).get(field);
      if (error != simdjson::SUCCESS) return json_.malformed(error);
      std::string_view key;
      if ((error = field.unescaped_key().get(key)) != simdjson::SUCCESS) return json_.malformed(error);
      if (!each(key, field.value())) return false;
    }
    return true;
  }
  template <class Each>
  bool each_element(ondemand::array& array, Each each) {
    std::int64_t index = 0;
    for (auto item : array) {
      ondemand::value value;
      const auto error = std::move(item).get(value);
      if (error != simdjson::SUCCESS) return json_.malformed(error);
      if (!each(index++, value)) return false;
    }
    return true;
  }

  bool read_id(const Where& where, ondemand::value value) {
    std::string_view text;
    constexpr std::size_t kLongest = 1024;
    if (!json_.read(where, value, text)) return false;
    if (text.size() > kLongest)
      return json_.fail(where, "longer than " + std::to_string(kLongest) + " bytes");
    request_.id = text;
    return true;
  }

  bool read_parameters(const Where& where, ondemand::value value) {
    ondemand::object object;
    if (!json_.read(where, value, object)) return false;
    unsigned seen = 0;
    return each_member(object, [&](std::string_view key, ondemand::value parameter) {
      const Where here{&where, key};
      if (key == "sequence_id") return json_.once(here, seen, 1) && read_sequence_id(here, parameter);
      if (key == "sequence_start") return json_.read(here, parameter, request_.sequence_start);
      if (key == "sequence_end") return json_.read(here, parameter, request_.sequence_end);
      if (key == "binary_data_output") return json_.read(here, parameter, request_.binary_all);
      if (key == "timeout") {
        return json_.read(here, parameter, 0, std::int64_t{600} * 1'000'000, request_.timeout_us);
      }
      return json_.skip(here, parameter);
    });
  }

  // Triton: 0 and "" mean that the request is of no sequence.
  bool read_sequence_id(const Where& where, ondemand::value value) {
    ondemand::json_type type{};
    const auto error = value.type().get(type);
    if (error != simdjson::SUCCESS) return json_.malformed(error);
    if (type == ondemand::json_type::string) {
      std::string_view text;
      constexpr std::size_t kLongest = 128;
      if (!json_.read(where, value, text)) return false;
      if (text.size() > kLongest)
        return json_.fail(where, "longer than " + std::to_string(kLongest) + " bytes");
      request_.sequence = text;
      return true;
    }
    std::uint64_t number = 0;
    const auto number_error = value.get_uint64().get(number);
    if (number_error != simdjson::SUCCESS) {
      return json_.unexpected(where, value, number_error, "a string or a non-negative integer");
    }
    request_.sequence = number == 0 ? "" : std::to_string(number);
    return true;
  }

  bool read_inputs(const Where& where, ondemand::value value) {
    ondemand::array array;
    if (!json_.read(where, value, array)) return false;
    return each_element(array, [&](std::int64_t index, ondemand::value element) {
      const Where here{&where, {}, index};
      ondemand::object object;
      Input input;
      return json_.read(here, element, object) && read_input(here, object, input) && take_input(here, input);
    });
  }

  bool read_input(const Where& where, ondemand::object& object, Input& input) {
    unsigned seen = 0;
    const bool read = each_member(object, [&](std::string_view key, ondemand::value value) {
      const Where here{&where, key};
      if (key == "name") return json_.once(here, seen, 1) && json_.read(here, value, input.name);
      if (key == "datatype") return json_.once(here, seen, 2) && json_.read(here, value, input.datatype);
      if (key == "shape") return json_.once(here, seen, 4) && read_shape(here, value, input.shape);
      if (key == "data") {
        input.has_data = true;
        return json_.once(here, seen, 8) && read_data(here, value, input.values, 0);
      }
      if (key == "parameters") return json_.once(here, seen, 16) && read_input_parameters(here, value, input);
      return json_.skip(here, value);
    });
    if (!read) return false;
    constexpr std::string_view kRequired[] = {"name", "datatype", "shape"};
    for (unsigned i = 0; i < 3; ++i) {
      if ((seen & 1U << i) == 0) return json_.fail(Where{&where, kRequired[i]}, "is missing");
    }
    return true;
  }

  bool read_shape(const Where& where, ondemand::value value, std::vector<std::int64_t>& shape) {
    ondemand::array array;
    if (!json_.read(where, value, array)) return false;
    return each_element(array, [&](std::int64_t index, ondemand::value element) {
      if (index >= kMostRank) return json_.fail(where, "a tensor of rank 2, [batch, values], is expected");
      return json_.read(Where{&where, {}, index}, element, 0, std::numeric_limits<std::int32_t>::max(),
                        shape.emplace_back());
    });
  }

  // Flat, or nested as the shape says.
  bool read_data(const Where& where, ondemand::value value, std::vector<float>& values, std::int64_t depth) {
    ondemand::array array;
    if (!json_.read(where, value, array)) return false;
    return each_element(array, [&](std::int64_t index, ondemand::value element) {
      const Where here{&where, {}, index};
      ondemand::json_type type{};
      const auto error = element.type().get(type);
      if (error != simdjson::SUCCESS) return json_.malformed(error);
      if (type == ondemand::json_type::array) {
        if (depth + 1 >= kMostRank) return json_.fail(here, "nested more deeply than [batch, values]");
        return read_data(here, element, values, depth + 1);
      }
      if (values.size() >= most_values()) return json_.fail(where, "more values than the largest batch has");
      return json_.read(here, element, values.emplace_back());
    });
  }

  bool read_input_parameters(const Where& where, ondemand::value value, Input& input) {
    ondemand::object object;
    if (!json_.read(where, value, object)) return false;
    return each_member(object, [&](std::string_view key, ondemand::value parameter) {
      const Where here{&where, key};
      if (key == "binary_data_size") {
        return json_.read(here, parameter, 0, std::numeric_limits<std::int64_t>::max(), input.binary_bytes);
      }
      if (key == "shared_memory_region") return json_.fail(here, "shared memory is not supported");
      return json_.skip(here, parameter);
    });
  }

  // Checks a tensor against the model and moves it into the job.
  bool take_input(const Where& where, Input& input) {
    const std::string named = "tensor \"" + std::string(input.name.substr(0, 64)) + "\"";
    const bool is_window = input.name == input_name(shape_);
    const bool is_state = shape_.state_width != 0 && input.name == "state";
    if (!is_window && !is_state) {
      return json_.fail(Where{&where, "name"}, named + " is not an input of " + std::string(shape_.id) +
                                                   "; it takes \"" + std::string(input_name(shape_)) +
                                                   (shape_.state_width != 0 ? "\" and \"state\"" : "\""));
    }
    bool& seen = is_window ? window_seen_ : state_seen_;
    if (seen) return json_.fail(where, named + " is given twice");
    seen = true;
    const bool wide = input.datatype == "FP64";
    if (!wide && input.datatype != "FP32") {
      return json_.fail(Where{&where, "datatype"}, named + " is of " +
                                                       std::string(input.datatype.substr(0, 16)) +
                                                       "; FP32 (or FP64, which is rounded) is expected");
    }
    const std::size_t columns = is_window ? shape_.width() : shape_.state_width;
    const Where shape_at{&where, "shape"};
    if (input.shape.size() != 2 || input.shape[1] != static_cast<std::int64_t>(columns) ||
        input.shape[0] < 1) {
      return json_.fail(shape_at, named + " has shape " + shape_text(input.shape) + "; [batch, " +
                                      std::to_string(columns) + "] is expected");
    }
    const auto rows = static_cast<std::size_t>(input.shape[0]);
    if (rows > most_rows_) {
      return json_.fail(shape_at, named + " has " + std::to_string(rows) + " rows; at most " +
                                      std::to_string(most_rows_) + " are taken");
    }
    (is_window ? window_rows_ : state_rows_) = rows;
    std::vector<float>& to = is_window ? job_.rows : job_.states;
    return input.binary_bytes >= 0 ? take_binary(where, named, input, rows * columns, wide, to)
                                   : take_values(where, named, input, rows * columns, to);
  }

  bool take_values(const Where& where, const std::string& named, Input& input, std::size_t count,
                   std::vector<float>& to) {
    const Where here{&where, "data"};
    if (!input.has_data) {
      return json_.fail(here, "is missing: " + named + " has neither data nor parameters.binary_data_size");
    }
    if (input.values.size() != count) {
      return json_.fail(here, named + " has " + std::to_string(input.values.size()) + " values; its shape " +
                                  shape_text(input.shape) + " has " + std::to_string(count));
    }
    to.assign(input.values.begin(), input.values.end());
    return true;
  }

  bool take_binary(const Where& where, const std::string& named, const Input& input, std::size_t count,
                   bool wide, std::vector<float>& to) {
    const Where here{&where, "parameters"};
    if (input.has_data) return json_.fail(where, named + " has both data and parameters.binary_data_size");
    const std::size_t bytes = count * (wide ? sizeof(double) : sizeof(float));
    if (static_cast<std::uint64_t>(input.binary_bytes) != bytes) {
      return json_.fail(here, named + " has binary_data_size " + std::to_string(input.binary_bytes) +
                                  "; its shape " + shape_text(input.shape) + " has " + std::to_string(bytes) +
                                  " bytes");
    }
    if (binary_.size() < bytes) {
      return json_.fail(here, named + " has " + std::to_string(binary_.size()) +
                                  " bytes left behind the JSON; " + std::to_string(bytes) + " are expected");
    }
    to.resize(count);
    if (!wide) {
      std::memcpy(to.data(), binary_.data(), bytes);
    } else {
      for (std::size_t i = 0; i < count; ++i) {
        double value = 0;
        std::memcpy(&value, binary_.data() + i * sizeof value, sizeof value);
        // Beyond float32's range the conversion is undefined.
        constexpr double kMost = std::numeric_limits<float>::max();
        to[i] = std::abs(value) > kMost ? std::numeric_limits<float>::infinity() : static_cast<float>(value);
      }
    }
    binary_.remove_prefix(bytes);
    return true;
  }

  bool read_outputs(const Where& where, ondemand::value value) {
    ondemand::array array;
    if (!json_.read(where, value, array)) return false;
    return each_element(array, [&](std::int64_t index, ondemand::value element) {
      const Where here{&where, {}, index};
      ondemand::object object;
      return json_.read(here, element, object) && read_output(here, object);
    });
  }

  bool read_output(const Where& where, ondemand::object& object) {
    InferRequest::Output output;
    std::string_view name;
    unsigned seen = 0;
    const bool read = each_member(object, [&](std::string_view key, ondemand::value value) {
      const Where here{&where, key};
      if (key == "name") return json_.once(here, seen, 1) && json_.read(here, value, name);
      if (key != "parameters") return json_.skip(here, value);
      ondemand::object parameters;
      if (!json_.once(here, seen, 2) || !json_.read(here, value, parameters)) return false;
      return each_member(parameters, [&](std::string_view parameter, ondemand::value what) {
        const Where at{&here, parameter};
        if (parameter == "binary_data") {
          bool binary = false;
          if (!json_.read(at, what, binary)) return false;
          output.binary = binary;
          return true;
        }
        if (parameter == "classification")
          return json_.fail(at, "the classification extension is not supported");
        return json_.skip(at, what);
      });
    });
    if (!read) return false;
    if ((seen & 1) == 0) return json_.fail(Where{&where, "name"}, "is missing");
    const Where here{&where, "name"};
    for (const OutputTensor tensor : outputs_of(shape_)) {
      if (name != name_of(tensor)) continue;
      for (const InferRequest::Output& other : request_.outputs) {
        if (other.tensor == tensor)
          return json_.fail(here, "\"" + std::string(name) + "\" is asked for twice");
      }
      output.tensor = tensor;
      request_.outputs.push_back(output);
      return true;
    }
    std::string known;
    for (const OutputTensor tensor : outputs_of(shape_))
      known += (known.empty() ? "" : ", ") + std::string(name_of(tensor));
    return json_.fail(here, "\"" + std::string(name.substr(0, 64)) + "\" is not an output of " +
                                std::string(shape_.id) + "; there are " + known);
  }

  bool check_rows() {
    request_.rows = window_rows_;
    if (state_seen_ && state_rows_ != window_rows_) {
      return json_.fail(Where{&kRoot, "inputs"}, "\"state\" has " + std::to_string(state_rows_) +
                                                     " rows, \"window\" " + std::to_string(window_rows_));
    }
    if (shape_.state_width != 0 && request_.sequence.empty() && !state_seen_) {
      job_.states.assign(window_rows_ * shape_.state_width, 0.0F);  // the state of a new flow
    }
    return true;
  }

  bool check_sequence() {
    const Where where{&kRoot, "parameters"};
    if (request_.sequence.empty()) {
      if (!request_.sequence_start && !request_.sequence_end) return true;
      return json_.fail(where, "sequence_start and sequence_end need a sequence_id other than 0");
    }
    if (request_.rows != 1) {
      return json_.fail(where, "a request of a sequence has one row, not " + std::to_string(request_.rows));
    }
    if (state_seen_)
      return json_.fail(where, "the server keeps the state of a sequence; \"state\" cannot be given");
    for (const InferRequest::Output& output : request_.outputs) {
      if (output.tensor == OutputTensor::kNextState) {
        return json_.fail(where,
                          "the server keeps the state of a sequence; \"next_state\" cannot be asked for");
      }
    }
    return true;
  }

  [[nodiscard]] std::size_t most_values() const noexcept {
    return most_rows_ * std::max(shape_.width(), shape_.state_width);
  }

  JsonReader json_;
  std::string_view binary_;  // what no tensor has taken yet
  const ModelShape& shape_;
  std::size_t most_rows_;
  InferRequest& request_;
  Job& job_;
  bool window_seen_ = false;
  bool state_seen_ = false;
  std::size_t window_rows_ = 0;
  std::size_t state_rows_ = 0;
};

}  // namespace

std::string_view name_of(OutputTensor tensor) noexcept {
  switch (tensor) {
    case OutputTensor::kProbability:
      return "probability";
    case OutputTensor::kNextState:
      return "next_state";
    case OutputTensor::kLabel:
      return "label";
    case OutputTensor::kConfidence:
      return "confidence";
  }
  return "";
}

std::string_view datatype_of(OutputTensor tensor) noexcept {
  return tensor == OutputTensor::kLabel ? "BYTES" : "FP32";
}

std::vector<OutputTensor> outputs_of(const ModelShape& shape) {
  using enum OutputTensor;
  if (shape.state_width == 0) return {kProbability, kLabel, kConfidence};
  return {kProbability, kNextState, kLabel, kConfidence};
}

std::string_view input_name(const ModelShape& shape) noexcept {
  return shape.bins == 0 ? "features" : "window";
}

void InferRequest::clear() {
  id.clear();
  sequence.clear();
  sequence_start = sequence_end = binary_all = false;
  timeout_us = 0;
  outputs.clear();
  rows = 0;
}

std::optional<Problem> read_infer(JsonParser& parser, std::string_view body, std::size_t json_bytes,
                                  const ModelShape& shape, std::size_t most_rows, InferRequest& request,
                                  Job& job) {
  if (json_bytes > body.size()) {
    return Problem::at(
        "Inference-Header-Content-Length",
        std::to_string(json_bytes) + "; the body has only " + std::to_string(body.size()) + " bytes");
  }
  InferReader reader(parser, body, json_bytes, shape, most_rows, request, job);
  return reader.read() ? std::nullopt : std::optional(reader.take_problem());
}

}  // namespace reelsense::server
