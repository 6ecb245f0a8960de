// NumPy's .npy format (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html): float32,
// little-endian, C order. Thread safety: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "cli/output/output.h"
#include "reelsense/base/result.h"

namespace reelsense::cli {

// Writes float32 rows of a matrix whose number of rows is known only at the end, so the output must be a
// regular file (Output::is_seekable).
class NpyWriter {
 public:
  // Writes a header of fixed size. columns = 0: a vector, one value a row.
  NpyWriter(Output& out, std::size_t columns);

  // One row of `columns` values, in one or several pieces.
  void put(std::span<const float> values) noexcept;
  void end_row() noexcept { ++rows_; }

  // Puts the number of rows into the header. Returns out.ok().
  bool finish();

 private:
  [[nodiscard]] std::string header() const;

  Output& out_;
  std::size_t columns_;
  std::uint64_t rows_ = 0;
};

struct NpyMatrix {
  std::size_t rows = 0;
  std::size_t columns = 0;
  std::vector<float> values;  // row-major [rows, columns]
};

// Reads a float32 matrix of two dimensions. Errors name the file and what was found.
Result<NpyMatrix> read_npy(const std::string& path);

}  // namespace reelsense::cli
