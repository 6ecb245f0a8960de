#include "protobuf.h"

namespace reelsense::model {

bool ProtoReader::next_varint(std::uint64_t& value) noexcept {
  value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    const std::uint8_t byte = reader_.u8();
    if (!reader_.ok()) return fail();
    // The tenth byte holds the 64th bit only.
    if (shift == 63 && byte > 1) return fail();
    value |= static_cast<std::uint64_t>(byte & 0x7fu) << shift;
    if ((byte & 0x80u) == 0) return true;
  }
  return fail();
}

bool ProtoReader::next(ProtoField& field) noexcept {
  if (!ok_ || at_end()) return false;
  std::uint64_t tag = 0;
  if (!next_varint(tag)) return false;
  const std::uint64_t number = tag >> 3;
  if (number == 0 || number > 0x1fffffff) return fail();
  field = ProtoField{};
  field.number = static_cast<std::uint32_t>(number);
  switch (tag & 7) {
    case 0:
      field.wire = WireType::kVarint;
      return next_varint(field.value);
    case 1:
      field.wire = WireType::kFixed64;
      field.value = reader_.le<std::uint64_t>();
      break;
    case 2: {
      field.wire = WireType::kLength;
      std::uint64_t length = 0;
      if (!next_varint(length) || length > reader_.remaining()) return fail();
      field.bytes = reader_.bytes(static_cast<std::size_t>(length));
      break;
    }
    case 5:
      field.wire = WireType::kFixed32;
      field.value = reader_.le<std::uint32_t>();
      break;
    default:
      return fail();
  }
  return reader_.ok() ? true : fail();
}

}  // namespace reelsense::model
