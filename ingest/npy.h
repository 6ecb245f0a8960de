// The header of a NumPy .npy array, https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html.
// Thread safety: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "reelsense/base/result.h"
#include "zip_archive.h"

namespace reelsense::ingest {

// A one-dimensional array in C order.
struct NpyHeader {
  std::string type;          // "<i8", "<U12", …
  std::uint64_t length = 0;  // elements
};

// Reads up to the array's first byte.
Result<NpyHeader> read_npy_header(ZipMember& member);

// The dictionary text: {'descr': '<i8', 'fortran_order': False, 'shape': (3,), }.
Result<NpyHeader> parse_npy_header(std::string_view text);

}  // namespace reelsense::ingest
