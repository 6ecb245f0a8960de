// A strict cursor over one protobuf message: enough of the wire format to read ONNX.
//
// Rules: varints of at most ten bytes, length-delimited fields inside their message, no groups, field numbers
// from
// 1. A message that breaks them ends the iteration with ok() false, for good. Nothing is copied and nothing
// recurses: a nested message is a span that its owner reads with a reader of its own.
// Thread safety: none; a value for one decoder. The bytes must outlive every span handed out.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "reelsense/base/byte_reader.h"

namespace reelsense::model {

using Bytes = std::span<const std::uint8_t>;

inline std::string_view text(Bytes bytes) noexcept {
  // char may alias any object; the bytes are not required to be UTF-8.
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

enum class WireType : std::uint8_t { kVarint = 0, kFixed64 = 1, kLength = 2, kFixed32 = 5 };

struct ProtoField {
  std::uint32_t number = 0;
  WireType wire = WireType::kVarint;
  std::uint64_t value = 0;  // kVarint, kFixed64 and kFixed32
  Bytes bytes;              // kLength

  [[nodiscard]] bool is(std::uint32_t n, WireType w) const noexcept { return number == n && wire == w; }
  [[nodiscard]] std::int64_t integer() const noexcept { return static_cast<std::int64_t>(value); }
};

class ProtoReader {
 public:
  explicit ProtoReader(Bytes message) noexcept : reader_(message) {}

  // Reads the next field; false at the end of the message or when it is malformed.
  bool next(ProtoField& field) noexcept;
  // Reads one bare varint: the elements of a packed field.
  bool next_varint(std::uint64_t& value) noexcept;

  [[nodiscard]] bool ok() const noexcept { return ok_; }
  [[nodiscard]] bool at_end() const noexcept { return reader_.remaining() == 0; }

 private:
  bool fail() noexcept {
    ok_ = false;
    return false;
  }

  ByteReader reader_;
  bool ok_ = true;
};

}  // namespace reelsense::model
