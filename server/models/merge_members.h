// The edge network's members side by side: their convolutions over the same bins become one wider convolution
// and one with a group a member. The same sums in the same order, in fewer and larger operations. Thread
// safety: pure function.
#pragma once

#include <cstddef>
#include <memory>
#include <openvino/core/model.hpp>

namespace reelsense::server {

// Merges chains Convolution → Add → Relu → Convolution → Add → Relu → ReduceMean that begin at the same
// tensor and have the same shapes; returns how many, 0 if there are not two and `network` is unchanged.
std::size_t merge_members(const std::shared_ptr<ov::Model>& network);

}  // namespace reelsense::server
