// Decoding of attribute and tensor elements; onnx.cc reads the structure around them.
#include <bit>

#include "onnx.h"

namespace reelsense::model {
namespace {

double float_bits(std::uint64_t bits) noexcept {
  return static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
}

std::size_t element_bytes(std::int64_t data_type) noexcept {
  switch (data_type) {
    case kTypeFloat:
      return 4;
    case kTypeDouble:
    case kTypeInt64:
      return 8;
    default:
      return 0;
  }
}

double element(ByteReader& reader, std::int64_t data_type) noexcept {
  switch (data_type) {
    case kTypeFloat:
      return float_bits(reader.le<std::uint32_t>());
    case kTypeDouble:
      return std::bit_cast<double>(reader.le<std::uint64_t>());
    default:
      return static_cast<double>(reader.le<std::int64_t>());
  }
}

// The TensorProto field that holds typed elements: float_data, int64_data, double_data.
std::uint32_t typed_field(std::int64_t data_type) noexcept {
  return data_type == kTypeFloat ? 4 : data_type == kTypeInt64 ? 7 : 10;
}

// Appends the elements of one field; false when its bytes do not divide into elements.
bool append_elements(const ProtoField& field, const OnnxTensor& tensor, std::size_t limit,
                     std::vector<double>& out) {
  const std::size_t width = element_bytes(tensor.data_type);
  if (field.wire != WireType::kLength) {
    if (out.size() >= limit) return false;
    if (tensor.data_type == kTypeFloat && field.wire == WireType::kFixed32) {
      out.push_back(float_bits(field.value));
    } else if (tensor.data_type == kTypeDouble && field.wire == WireType::kFixed64) {
      out.push_back(std::bit_cast<double>(field.value));
    } else if (tensor.data_type == kTypeInt64 && field.wire == WireType::kVarint) {
      out.push_back(static_cast<double>(field.integer()));
    } else {
      return false;
    }
    return true;
  }
  if (field.number == 7) {
    ProtoReader packed(field.bytes);
    std::uint64_t value = 0;
    while (!packed.at_end() && out.size() <= limit && packed.next_varint(value)) {
      out.push_back(static_cast<double>(static_cast<std::int64_t>(value)));
    }
    return packed.ok() && out.size() <= limit;
  }
  if (field.bytes.size() % width != 0 || field.bytes.size() / width > limit - out.size()) return false;
  ByteReader reader(field.bytes);
  while (reader.remaining() > 0) out.push_back(element(reader, tensor.data_type));
  return true;
}

}  // namespace

Result<std::vector<double>> tensor_values(const OnnxTensor& tensor, std::size_t limit) {
  const std::string who = to_text({"tensor {}", in_quotes(tensor.name)});
  if (element_bytes(tensor.data_type) == 0) {
    return make_error(ErrorCode::kUnsupported,
                      {"{} has data type {} (float, double and int64 are read)", who, tensor.data_type});
  }
  std::size_t count = 1;
  for (const std::int64_t extent : tensor.dims) {
    if (extent < 0) return make_error(ErrorCode::kCorrupt, {"{} has a negative dimension", who});
    if (extent != 0 && count > limit / static_cast<std::size_t>(extent)) {
      return make_error(ErrorCode::kLimit, {"{} has more than {} elements", who, limit});
    }
    count *= static_cast<std::size_t>(extent);
  }
  std::vector<double> out;
  ProtoReader reader(tensor.body);
  for (ProtoField field; reader.next(field);) {
    if (field.number != 9 && field.number != typed_field(tensor.data_type)) continue;
    if (!append_elements(field, tensor, limit, out)) {
      return make_error(ErrorCode::kCorrupt, {"{} has malformed or too many elements", who});
    }
  }
  if (out.size() != count) {
    return make_error(ErrorCode::kCorrupt,
                      {"{} holds {} elements, its shape says {}", who, out.size(), count});
  }
  return out;
}

void AttributeReader::fail(ErrorCode code, const Message& reason) {
  if (!error_) error_ = node_.error(code, reason);
}

const OnnxAttribute* AttributeReader::find(std::string_view name) {
  const OnnxAttribute* found = nullptr;
  for (std::size_t i = 0; i < node_.attributes.size(); ++i) {
    if (node_.attributes[i].name != name) continue;
    if (found != nullptr) {
      fail(ErrorCode::kCorrupt, {"attribute {} appears twice", in_quotes(name)});
      return nullptr;
    }
    found = &node_.attributes[i];
    seen_ |= std::uint64_t{1} << i;
  }
  return error_ ? nullptr : found;
}

bool AttributeReader::has(std::string_view name) const noexcept {
  for (const OnnxAttribute& attribute : node_.attributes) {
    if (attribute.name == name) return true;
  }
  return false;
}

template <class Element>
void AttributeReader::for_each(const OnnxAttribute& attribute, std::uint32_t number, WireType wire,
                               Element use) {
  const std::string who = to_text({"attribute {}", in_quotes(attribute.name)});
  std::size_t count = 0;
  const auto take = [&](const ProtoField& field) {
    if (count++ < limit_) return use(field), true;
    fail(ErrorCode::kLimit, {"{} has more than {} elements", who, limit_});
    return false;
  };
  ProtoReader reader(attribute.body);
  for (ProtoField field; reader.next(field);) {
    if (field.number == 21)
      return fail(ErrorCode::kUnsupported, {"{} refers to a function's attribute", who});
    // Every field from `f` to `graphs` holds a value; one of another kind than asked for is a wrong attribute
    // type.
    if (field.number != number) {
      if (field.number >= 2 && field.number <= 11)
        return fail(ErrorCode::kCorrupt, {"{} has another type", who});
      continue;
    }
    if (field.wire == wire) {
      if (!take(field)) return;
      continue;
    }
    if (field.wire != WireType::kLength) return fail(ErrorCode::kCorrupt, {"{} has another type", who});
    ProtoReader packed(field.bytes);
    ByteReader words(field.bytes);
    ProtoField item;
    if (wire == WireType::kVarint) {
      while (!packed.at_end() && packed.next_varint(item.value)) {
        if (!take(item)) return;
      }
    } else {
      while (words.remaining() > 0) {
        item.value = words.le<std::uint32_t>();
        if (!words.ok()) break;
        if (!take(item)) return;
      }
    }
    if (!packed.ok() || !words.ok()) return fail(ErrorCode::kCorrupt, {"{} is cut or malformed", who});
  }
  if (!reader.ok()) fail(ErrorCode::kCorrupt, {"{} is cut or malformed", who});
}

std::vector<std::int64_t> AttributeReader::ints(std::string_view name) {
  std::vector<std::int64_t> out;
  if (const OnnxAttribute* attribute = find(name)) {
    for_each(*attribute, 8, WireType::kVarint, [&out](const ProtoField& f) { out.push_back(f.integer()); });
  }
  return out;
}

std::vector<std::string_view> AttributeReader::strings(std::string_view name) {
  std::vector<std::string_view> out;
  if (const OnnxAttribute* attribute = find(name)) {
    for_each(*attribute, 9, WireType::kLength, [&out](const ProtoField& f) { out.push_back(text(f.bytes)); });
  }
  return out;
}

std::vector<double> AttributeReader::reals(std::string_view name) {
  std::vector<double> out;
  const OnnxAttribute* floats = find(name);
  const OnnxAttribute* tensor = find(to_text({"{}_as_tensor", name}));
  if (floats != nullptr && tensor != nullptr) {
    fail(ErrorCode::kCorrupt, {"attribute {} is given twice, as floats and as a tensor", in_quotes(name)});
  } else if (floats != nullptr) {
    for_each(*floats, 7, WireType::kFixed32,
             [&out](const ProtoField& f) { out.push_back(float_bits(f.value)); });
  } else if (tensor != nullptr) {
    Bytes message;
    for_each(*tensor, 5, WireType::kLength, [&message](const ProtoField& f) { message = f.bytes; });
    if (!ok()) return out;
    Result<OnnxTensor> value = read_tensor(message);
    if (value) value.value().name = tensor->name;
    Result<std::vector<double>> values = value ? tensor_values(value.value(), limit_) : value.error();
    if (values) return std::move(values).value();
    fail(values.error().code, {"{}", values.error().message});
  }
  return out;
}

std::int64_t AttributeReader::integer(std::string_view name, std::int64_t fallback) {
  if (const OnnxAttribute* attribute = find(name)) {
    for_each(*attribute, 3, WireType::kVarint, [&](const ProtoField& f) { fallback = f.integer(); });
  }
  return fallback;
}

double AttributeReader::real(std::string_view name, double fallback) {
  if (const OnnxAttribute* attribute = find(name)) {
    for_each(*attribute, 2, WireType::kFixed32, [&](const ProtoField& f) { fallback = float_bits(f.value); });
  }
  return fallback;
}

std::string_view AttributeReader::string(std::string_view name, std::string_view fallback) {
  if (const OnnxAttribute* attribute = find(name)) {
    for_each(*attribute, 4, WireType::kLength, [&](const ProtoField& f) { fallback = text(f.bytes); });
  }
  return fallback;
}

void AttributeReader::two_classes(std::string_view ints_name) {
  const std::vector<std::int64_t> numbers = ints(ints_name);
  const std::size_t names = strings("classlabels_strings").size();
  const bool binary = names == 0 && numbers.size() == 2 && numbers[0] == 0 && numbers[1] == 1;
  if (binary || (names == 2 && numbers.empty())) return;
  fail(ErrorCode::kUnsupported, {"class labels other than 0 and 1, or two strings"});
}

Status AttributeReader::finish() {
  if (error_) return *error_;
  for (std::size_t i = 0; i < node_.attributes.size(); ++i) {
    if ((seen_ >> i & 1) == 0) {
      return node_.error(ErrorCode::kUnsupported,
                         {"attribute {} is not known", in_quotes(node_.attributes[i].name)});
    }
  }
  return ok_status();
}

}  // namespace reelsense::model
