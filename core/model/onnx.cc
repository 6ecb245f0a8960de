#include "onnx.h"

#include <algorithm>
#include <bit>

namespace reelsense::model {
namespace {

Failure corrupt(const Message& what) {
  return make_error(ErrorCode::kCorrupt, {"{} is cut or malformed", what});
}
Failure too_many(const Message& what, std::size_t limit) {
  return make_error(ErrorCode::kLimit, {"more than {} {}", limit, what});
}

bool is_string(const ProtoField& field, std::uint32_t number) {
  return field.is(number, WireType::kLength);
}

Status read_shape(Bytes message, std::vector<std::int64_t>& dims) {
  ProtoReader shape(message);
  for (ProtoField field; shape.next(field);) {
    if (!field.is(1, WireType::kLength)) continue;
    if (dims.size() == kMaxDims) return too_many({"dimensions of a value"}, kMaxDims);
    std::int64_t extent = -1;
    ProtoReader dim(field.bytes);
    for (ProtoField d; dim.next(d);) {
      if (d.is(1, WireType::kVarint)) extent = d.integer();
    }
    if (!dim.ok()) return corrupt({"a value's shape"});
    dims.push_back(extent);
  }
  return shape.ok() ? ok_status() : Status(corrupt({"a value's shape"}));
}

Result<OnnxValue> read_value(Bytes message) {
  OnnxValue value;
  Bytes type;
  ProtoReader info(message);
  for (ProtoField field; info.next(field);) {
    if (is_string(field, 1)) value.name = text(field.bytes);
    if (is_string(field, 2)) type = field.bytes;
  }
  if (!info.ok()) return corrupt({"a graph input or output"});
  Bytes tensor;
  ProtoReader type_reader(type);
  for (ProtoField field; type_reader.next(field);) {
    if (!is_string(field, 1)) continue;
    value.is_tensor = true;
    tensor = field.bytes;
  }
  ProtoReader tensor_reader(tensor);
  for (ProtoField field; tensor_reader.next(field);) {
    if (field.is(1, WireType::kVarint)) value.elem_type = field.integer();
    if (is_string(field, 2)) {
      value.dims.clear();
      if (Status status = read_shape(field.bytes, value.dims); !status) return status.failure();
    }
  }
  if (!type_reader.ok() || !tensor_reader.ok())
    return corrupt({"the type of value {}", in_quotes(value.name)});
  return value;
}

Result<OnnxNode> read_node(Bytes message, std::size_t index) {
  OnnxNode node;
  node.index = index;
  ProtoReader reader(message);
  bool too_large = false;
  const auto add = [&too_large](auto& list, auto value, std::size_t limit) {
    if (list.size() == limit) {
      too_large = true;
    } else {
      list.push_back(value);
    }
  };
  for (ProtoField field; !too_large && reader.next(field);) {
    if (field.wire != WireType::kLength) continue;
    switch (field.number) {
      case 1:
        add(node.inputs, text(field.bytes), kMaxNodeEdges);
        break;
      case 2:
        add(node.outputs, text(field.bytes), kMaxNodeEdges);
        break;
      case 3:
        node.name = text(field.bytes);
        break;
      case 4:
        node.op_type = text(field.bytes);
        break;
      case 5:
        add(node.attributes, OnnxAttribute{{}, field.bytes}, kMaxNodeAttributes);
        break;
      case 7:
        node.domain = text(field.bytes);
        break;
      default:
        break;
    }
  }
  if (too_large) return node.error(ErrorCode::kLimit, {"too many inputs, outputs or attributes"});
  if (!reader.ok()) return node.error(ErrorCode::kCorrupt, {"the message is cut or malformed"});
  for (OnnxAttribute& attribute : node.attributes) {
    ProtoReader body(attribute.body);
    for (ProtoField field; body.next(field);) {
      if (is_string(field, 1)) attribute.name = text(field.bytes);
    }
    if (!body.ok()) {
      return node.error(ErrorCode::kCorrupt, {"attribute {} is cut or malformed", in_quotes(attribute.name)});
    }
  }
  return node;
}

// One element of a graph's list: reads it, or keeps the first error.
template <class T>
Status append(std::vector<T>& list, Result<T> item, const char* what, std::size_t limit) {
  if (!item) return item.failure();
  if (list.size() == limit) return too_many({"{}", what}, limit);
  list.push_back(std::move(item).value());
  return ok_status();
}

Status read_graph(Bytes message, OnnxModel& model) {
  ProtoReader reader(message);
  for (ProtoField field; reader.next(field);) {
    if (field.wire != WireType::kLength) continue;
    Status status = ok_status();
    switch (field.number) {
      case 1:
        status =
            append(model.nodes, read_node(field.bytes, model.nodes.size()), "graph nodes", kMaxGraphNodes);
        break;
      case 5:
        status = append(model.initializers, read_tensor(field.bytes), "initializers", kMaxGraphValues);
        break;
      case 11:
        status = append(model.inputs, read_value(field.bytes), "graph inputs", kMaxGraphValues);
        break;
      case 12:
        status = append(model.outputs, read_value(field.bytes), "graph outputs", kMaxGraphValues);
        break;
      case 15:
        return make_error(ErrorCode::kUnsupported, {"sparse initializers"});
      default:
        break;
    }
    if (!status) return status;
  }
  if (!reader.ok()) return corrupt({"the graph"});
  // Files before IR version 4 list initializers among the inputs.
  std::erase_if(model.inputs, [&model](const OnnxValue& input) {
    return std::any_of(model.initializers.begin(), model.initializers.end(),
                       [&input](const OnnxTensor& t) { return t.name == input.name; });
  });
  return ok_status();
}

Status read_opset(Bytes message, OnnxModel& model) {
  std::string_view domain;
  std::int64_t version = 0;
  ProtoReader reader(message);
  for (ProtoField field; reader.next(field);) {
    if (is_string(field, 1)) domain = text(field.bytes);
    if (field.is(2, WireType::kVarint)) version = field.integer();
  }
  if (!reader.ok()) return corrupt({"an opset import"});
  if (domain.empty() || domain == "ai.onnx") model.opset = version;
  if (domain == "ai.onnx.ml") model.ml_opset = version;
  return ok_status();
}

Status read_metadata(Bytes message, OnnxModel& model) {
  std::pair<std::string_view, std::string_view> entry;
  ProtoReader reader(message);
  for (ProtoField field; reader.next(field);) {
    if (is_string(field, 1)) entry.first = text(field.bytes);
    if (is_string(field, 2)) entry.second = text(field.bytes);
  }
  if (!reader.ok()) return corrupt({"a metadata entry"});
  if (model.metadata.size() == kMaxMetadata) return too_many({"metadata entries"}, kMaxMetadata);
  model.metadata.push_back(entry);
  return ok_status();
}

}  // namespace

Result<OnnxTensor> read_tensor(Bytes message) {
  OnnxTensor tensor;
  tensor.body = message;
  bool external = false;
  ProtoReader reader(message);
  const auto add_dim = [&tensor](std::uint64_t extent) {
    if (tensor.dims.size() <= kMaxDims) tensor.dims.push_back(static_cast<std::int64_t>(extent));
  };
  for (ProtoField field; reader.next(field);) {
    if (field.is(1, WireType::kVarint)) add_dim(field.value);
    if (is_string(field, 1)) {
      ProtoReader packed(field.bytes);
      std::uint64_t extent = 0;
      while (!packed.at_end() && packed.next_varint(extent)) add_dim(extent);
      if (!packed.ok()) return corrupt({"a tensor's dimensions"});
    }
    if (field.is(2, WireType::kVarint)) tensor.data_type = field.integer();
    if (is_string(field, 8)) tensor.name = text(field.bytes);
    external |= field.number == 3 || field.number == 13 || (field.number == 14 && field.value != 0);
  }
  if (!reader.ok()) return corrupt({"tensor {}", in_quotes(tensor.name)});
  if (tensor.dims.size() > kMaxDims)
    return too_many({"dimensions of tensor {}", in_quotes(tensor.name)}, kMaxDims);
  if (external) {
    return make_error(ErrorCode::kUnsupported,
                      {"tensor {} keeps its data elsewhere", in_quotes(tensor.name)});
  }
  return tensor;
}

std::string OnnxNode::label() const {
  const std::string op = to_text({"{}", in_quotes(op_type)});
  const std::string_view bare(op.data() + 1, op.size() - 2);
  if (name.empty()) return to_text({"node #{} ({})", index, bare});
  return to_text({"node {} ({})", in_quotes(name), bare});
}

Failure OnnxNode::error(ErrorCode code, const Message& reason) const {
  return make_error(code, {"{}: {}", label(), reason});
}

Result<OnnxModel> read_onnx(Bytes file) {
  OnnxModel model;
  Bytes graph;
  bool has_graph = false;
  ProtoReader reader(file);
  for (ProtoField field; reader.next(field);) {
    if (field.is(1, WireType::kVarint)) model.ir_version = field.integer();
    if (field.wire != WireType::kLength) continue;
    Status status = ok_status();
    switch (field.number) {
      case 2:
        model.producer = text(field.bytes);
        break;
      case 7:
        if (has_graph) return make_error(ErrorCode::kCorrupt, {"two graphs in one model"});
        has_graph = true;
        graph = field.bytes;
        break;
      case 8:
        status = read_opset(field.bytes, model);
        break;
      case 14:
        status = read_metadata(field.bytes, model);
        break;
      case 20:
        return make_error(ErrorCode::kUnsupported, {"training information in the model"});
      case 25:
        return make_error(ErrorCode::kUnsupported, {"model-local functions"});
      default:
        break;
    }
    if (!status) return status.failure();
  }
  if (!reader.ok()) return corrupt({"the model (not an ONNX ModelProto?)"});
  if (!has_graph) return make_error(ErrorCode::kCorrupt, {"no graph in the file (not an ONNX ModelProto?)"});
  if (Status status = read_graph(graph, model); !status) return status.failure();
  return model;
}

}  // namespace reelsense::model
