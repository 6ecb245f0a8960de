#include "onnx.h"

#include <algorithm>
#include <bit>

namespace reelsense::model {
namespace {

Error corrupt(const std::string& what) {
  return {ErrorCode::kCorrupt, what + " is cut or malformed"};
}
Error too_many(const std::string& what, std::size_t limit) {
  return {ErrorCode::kLimit, "more than " + std::to_string(limit) + " " + what};
}

bool is_string(const ProtoField& field, std::uint32_t number) {
  return field.is(number, WireType::kLength);
}

Status read_shape(Bytes message, std::vector<std::int64_t>& dims) {
  ProtoReader shape(message);
  for (ProtoField field; shape.next(field);) {
    if (!field.is(1, WireType::kLength)) continue;
    if (dims.size() == kMaxDims) return too_many("dimensions of a value", kMaxDims);
    std::int64_t extent = -1;
    ProtoReader dim(field.bytes);
    for (ProtoField d; dim.next(d);) {
      if (d.is(1, WireType::kVarint)) extent = d.integer();
    }
    if (!dim.ok()) return corrupt("a value's shape");
    dims.push_back(extent);
  }
  return shape.ok() ? ok_status() : Status(corrupt("a value's shape"));
}

Result<OnnxValue> read_value(Bytes message) {
  OnnxValue value;
  Bytes type;
  ProtoReader info(message);
  for (ProtoField field; info.next(field);) {
    if (is_string(field, 1)) value.name = text(field.bytes);
    if (is_string(field, 2)) type = field.bytes;
  }
  if (!info.ok()) return corrupt("a graph input or output");
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
      if (Status status = read_shape(field.bytes, value.dims); !status) return status.error();
    }
  }
  if (!type_reader.ok() || !tensor_reader.ok()) return corrupt("the type of value " + quoted(value.name));
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
  if (too_large) return node.error(ErrorCode::kLimit, "too many inputs, outputs or attributes");
  if (!reader.ok()) return node.error(ErrorCode::kCorrupt, "the message is cut or malformed");
  for (OnnxAttribute& attribute : node.attributes) {
    ProtoReader body(attribute.body);
    for (ProtoField field; body.next(field);) {
      if (is_string(field, 1)) attribute.name = text(field.bytes);
    }
    if (!body.ok()) {
      return node.error(ErrorCode::kCorrupt, "attribute " + quoted(attribute.name) + " is cut or malformed");
    }
  }
  return node;
}

// One element of a graph's list: reads it, or keeps the first error.
template <class T>
Status append(std::vector<T>& list, Result<T> item, const char* what, std::size_t limit) {
  if (!item) return item.error();
  if (list.size() == limit) return too_many(what, limit);
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
        return Error{ErrorCode::kUnsupported, "sparse initializers"};
      default:
        break;
    }
    if (!status) return status;
  }
  if (!reader.ok()) return corrupt("the graph");
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
  if (!reader.ok()) return corrupt("an opset import");
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
  if (!reader.ok()) return corrupt("a metadata entry");
  if (model.metadata.size() == kMaxMetadata) return too_many("metadata entries", kMaxMetadata);
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
      if (!packed.ok()) return corrupt("a tensor's dimensions");
    }
    if (field.is(2, WireType::kVarint)) tensor.data_type = field.integer();
    if (is_string(field, 8)) tensor.name = text(field.bytes);
    external |= field.number == 3 || field.number == 13 || (field.number == 14 && field.value != 0);
  }
  if (!reader.ok()) return corrupt("tensor " + quoted(tensor.name));
  if (tensor.dims.size() > kMaxDims) return too_many("dimensions of tensor " + quoted(tensor.name), kMaxDims);
  if (external) {
    return Error{ErrorCode::kUnsupported, "tensor " + quoted(tensor.name) + " keeps its data elsewhere"};
  }
  return tensor;
}

std::string quoted(std::string_view name) {
  constexpr std::size_t kLongest = 64;
  std::string out = "\"";
  for (const char c : name.substr(0, kLongest)) out += (c < 0x20 || c > 0x7e || c == '"') ? '?' : c;
  out += name.size() > kLongest ? "…\"" : "\"";
  return out;
}

std::string OnnxNode::label() const {
  std::string out = "node ";
  if (name.empty()) {
    out += '#';
    out += std::to_string(index);
  } else {
    out += quoted(name);
  }
  const std::string op = quoted(op_type);
  out += " (";
  out.append(op, 1, op.size() - 2);
  out += ')';
  return out;
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
        if (has_graph) return Error{ErrorCode::kCorrupt, "two graphs in one model"};
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
        return Error{ErrorCode::kUnsupported, "training information in the model"};
      case 25:
        return Error{ErrorCode::kUnsupported, "model-local functions"};
      default:
        break;
    }
    if (!status) return status.error();
  }
  if (!reader.ok()) return corrupt("the model (not an ONNX ModelProto?)");
  if (!has_graph) return Error{ErrorCode::kCorrupt, "no graph in the file (not an ONNX ModelProto?)"};
  if (Status status = read_graph(graph, model); !status) return status.error();
  return model;
}

}  // namespace reelsense::model
