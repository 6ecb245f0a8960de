// The subset of ONNX's ModelProto that the engine reads, as views into the file's bytes.
//
// Thread safety: plain values. Every string_view and span points into the bytes given to read_onnx, which
// must outlive the OnnxModel. Counts are bounded (kMax…) so that memory stays a small multiple of the file,
// whatever it says: a chain of a few nodes is all that the engine accepts anyway.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protobuf.h"
#include "reelsense/base/result.h"
#include "reelsense/base/text.h"

namespace reelsense::model {

inline constexpr std::size_t kMaxGraphNodes = 256;
inline constexpr std::size_t kMaxNodeEdges = 16;  // inputs, or outputs, of one node
inline constexpr std::size_t kMaxNodeAttributes = 64;
inline constexpr std::size_t kMaxGraphValues = 256;  // inputs, outputs or initializers
inline constexpr std::size_t kMaxMetadata = 256;
inline constexpr std::size_t kMaxDims = 8;
inline constexpr std::size_t kMaxConstantValues = 1u << 16;

// TensorProto.DataType, the ones that matter.
inline constexpr std::int64_t kTypeFloat = 1;
inline constexpr std::int64_t kTypeInt64 = 7;
inline constexpr std::int64_t kTypeDouble = 11;

struct OnnxAttribute {
  std::string_view name;
  Bytes body;  // the AttributeProto; elements are decoded when asked for
};

struct OnnxNode {
  std::size_t index = 0;
  std::string_view name;
  std::string_view op_type;
  std::string_view domain;
  std::vector<std::string_view> inputs;
  std::vector<std::string_view> outputs;
  std::vector<OnnxAttribute> attributes;

  // `node "name" (op)`, or `node #3 (op)` for one without a name: the start of every error about it.
  [[nodiscard]] std::string label() const;
  [[nodiscard]] Failure error(ErrorCode code, const Message& reason) const;
};

struct OnnxTensor {
  std::string_view name;
  std::int64_t data_type = 0;
  std::vector<std::int64_t> dims;
  Bytes body;  // the TensorProto
};

struct OnnxValue {
  std::string_view name;
  bool is_tensor = false;
  std::int64_t elem_type = 0;
  std::vector<std::int64_t> dims;  // −1: symbolic or unknown
};

struct OnnxModel {
  std::int64_t ir_version = 0;
  std::int64_t opset = 0;     // default domain
  std::int64_t ml_opset = 0;  // ai.onnx.ml
  std::string_view producer;
  std::vector<std::pair<std::string_view, std::string_view>> metadata;
  std::vector<OnnxNode> nodes;
  std::vector<OnnxTensor> initializers;
  std::vector<OnnxValue> inputs;  // without those that an initializer fills
  std::vector<OnnxValue> outputs;
};

Result<OnnxModel> read_onnx(Bytes file);
Result<OnnxTensor> read_tensor(Bytes message);

// The tensor's elements (float, double, int32 or int64, raw or typed) as doubles; int64 beyond 2^53 is
// refused.
Result<std::vector<double>> tensor_values(const OnnxTensor& tensor, std::size_t limit);

// Reads a node's attributes by name and remembers the first error, so that a reader may ask for all it needs
// and check once; finish() then also refuses an attribute that nobody asked for. Array reads stop at `limit`
// elements, before taking memory for more.
class AttributeReader {
 public:
  explicit AttributeReader(const OnnxNode& node, std::size_t limit) : node_(node), limit_(limit) {}

  std::vector<std::int64_t> ints(std::string_view name);
  std::vector<std::string_view> strings(std::string_view name);
  // `name` as floats, or `name`_as_tensor as a float or double tensor.
  std::vector<double> reals(std::string_view name);
  std::int64_t integer(std::string_view name, std::int64_t fallback);
  double real(std::string_view name, double fallback);
  std::string_view string(std::string_view name, std::string_view fallback);
  // Accepts class labels 0 and 1, named by `ints`, or two strings: what they say is the classifier's own.
  void two_classes(std::string_view ints_name);
  // Accepts the attribute and reads nothing of it.
  void ignore(std::string_view name) { (void)find(name); }
  [[nodiscard]] bool has(std::string_view name) const noexcept;

  void fail(ErrorCode code, const Message& reason);
  [[nodiscard]] bool ok() const noexcept { return !error_; }
  [[nodiscard]] const Error& error() const { return *error_; }
  Status finish();

 private:
  const OnnxAttribute* find(std::string_view name);
  // Calls element(value) for each element of field `number`; packed tells how a packed field's bytes are cut.
  template <class Element>
  void for_each(const OnnxAttribute& attribute, std::uint32_t number, WireType wire, Element element);

  const OnnxNode& node_;
  std::size_t limit_;
  std::uint64_t seen_ = 0;  // kMaxNodeAttributes bits
  std::optional<Error> error_;
};

}  // namespace reelsense::model
