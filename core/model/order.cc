#include "order.h"

#include <algorithm>
#include <utility>

namespace reelsense::model {

std::vector<std::uint32_t> order_of(const std::vector<std::uint64_t>& keys) {
  std::vector<std::pair<std::uint64_t, std::uint32_t>> places;
  places.reserve(keys.size());
  for (const std::uint64_t key : keys) places.emplace_back(key, static_cast<std::uint32_t>(places.size()));
  std::sort(places.begin(), places.end());
  std::vector<std::uint32_t> order;
  order.reserve(places.size());
  for (const auto& [key, place] : places) order.push_back(place);
  return order;
}

}  // namespace reelsense::model
