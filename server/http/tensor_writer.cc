// write_infer: see tensor_reader.h.
#include <cstring>

#include "server/http/json_writer.h"
#include "server/http/tensor_reader.h"

namespace reelsense::server {

namespace {

class InferWriter {
 public:
  InferWriter(const InferRequest& request, const ModelShape& shape, const Job& job)
      : request_(request), shape_(shape), job_(job) {
    if (!request.outputs.empty()) {
      outputs_ = request.outputs;
      return;
    }
    outputs_.push_back({OutputTensor::kProbability, {}});
    if (shape.state_width != 0 && request.sequence.empty())
      outputs_.push_back({OutputTensor::kNextState, {}});
  }

  std::size_t write(std::string_view name, std::string_view version, std::string& out) {
    JsonWriter json(out);
    const std::size_t begin = out.size();
    json.begin_object().field("model_name", name).field("model_version", version);
    if (!request_.id.empty()) json.field("id", request_.id);
    json.key("outputs").begin_array();
    bool any_binary = false;
    for (const InferRequest::Output& output : outputs_) {
      const OutputTensor tensor = output.tensor;
      const bool binary = output.binary.value_or(request_.binary_all);
      any_binary = any_binary || binary;
      json.begin_object().field("name", name_of(tensor)).field("datatype", datatype_of(tensor));
      json.key("shape").begin_array().value(request_.rows).value(columns(tensor)).end_array();
      if (binary) {
        json.key("parameters").begin_object().field("binary_data_size", binary_bytes(tensor)).end_object();
      } else {
        json.key("data").begin_array();
        write_values(tensor, json);
        json.end_array();
      }
      json.end_object();
    }
    json.end_array().end_object();
    if (!any_binary) return 0;
    const std::size_t json_bytes = out.size() - begin;
    for (const InferRequest::Output& output : outputs_) {
      if (output.binary.value_or(request_.binary_all)) append_binary(output.tensor, out);
    }
    return json_bytes;
  }

 private:
  [[nodiscard]] std::size_t columns(OutputTensor tensor) const {
    return tensor == OutputTensor::kNextState ? shape_.state_width : 1;
  }
  [[nodiscard]] const Decision& decision(std::size_t row) const { return job_.answers[row].decision; }

  // The float32 of an FP32 output, in order.
  template <class Each>
  void each_float(OutputTensor tensor, Each each) const {
    if (tensor == OutputTensor::kNextState) {
      for (const float value : job_.next_states) each(value);
      return;
    }
    for (std::size_t row = 0; row < request_.rows; ++row) {
      each(tensor == OutputTensor::kProbability ? decision(row).probability : decision(row).confidence);
    }
  }
  [[nodiscard]] std::string_view label(std::size_t row) const {
    return reelsense::name_of(decision(row).label);
  }

  void write_values(OutputTensor tensor, JsonWriter& json) const {
    if (tensor == OutputTensor::kLabel) {
      for (std::size_t row = 0; row < request_.rows; ++row) json.value(label(row));
    } else {
      each_float(tensor, [&](float value) { json.value(value); });
    }
  }

  [[nodiscard]] std::size_t binary_bytes(OutputTensor tensor) const {
    if (tensor != OutputTensor::kLabel) return request_.rows * columns(tensor) * sizeof(float);
    std::size_t bytes = 0;
    for (std::size_t row = 0; row < request_.rows; ++row) bytes += sizeof(std::uint32_t) + label(row).size();
    return bytes;
  }

  void append_binary(OutputTensor tensor, std::string& out) const {
    const auto append = [&](const auto& value) {
      char bytes[sizeof value];
      std::memcpy(bytes, &value, sizeof value);
      out.append(bytes, sizeof value);
    };
    if (tensor != OutputTensor::kLabel) {
      each_float(tensor, append);
      return;
    }
    // BYTES: each element is its length, 4 bytes, and itself.
    for (std::size_t row = 0; row < request_.rows; ++row) {
      append(static_cast<std::uint32_t>(label(row).size()));
      out += label(row);
    }
  }

  const InferRequest& request_;
  const ModelShape& shape_;
  const Job& job_;
  std::vector<InferRequest::Output> outputs_;
};

}  // namespace

std::size_t write_infer(const InferRequest& request, const ModelShape& shape, std::string_view model_name,
                        std::string_view model_version, const Job& job, std::string& out) {
  return InferWriter(request, shape, job).write(model_name, model_version, out);
}

}  // namespace reelsense::server
