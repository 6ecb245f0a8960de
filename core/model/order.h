// One sort for everything that a model's set-up puts in order. Thread safety: a pure function.
#pragma once

#include <cstdint>
#include <vector>

namespace reelsense::model {

// The places of `keys` in ascending order of key, equal ones as they came. Precondition: fewer than 2^32
// keys.
std::vector<std::uint32_t> order_of(const std::vector<std::uint64_t>& keys);

}  // namespace reelsense::model
