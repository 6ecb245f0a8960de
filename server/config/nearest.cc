#include "server/config/nearest.h"

#include <algorithm>
#include <vector>

namespace reelsense::server {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0U : 1U)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

std::string nearest(std::string_view name, std::span<const std::string> candidates, std::size_t most) {
  std::string found;
  std::size_t fewest = most + 1;
  for (const std::string& candidate : candidates) {
    const std::size_t apart =
        std::max(name.size(), candidate.size()) - std::min(name.size(), candidate.size());
    if (apart >= fewest) continue;  // also keeps a very long name cheap
    if (const std::size_t edits = edit_distance(name, candidate); edits < fewest) {
      fewest = edits;
      found = candidate;
    }
  }
  return found;
}

std::string suggestion(std::string_view name, std::span<const std::string> candidates) {
  const std::string found = nearest(name, candidates, std::max<std::size_t>(2, name.size() / 3));
  return found.empty() ? "" : "; did you mean " + found + "?";
}

}  // namespace reelsense::server
