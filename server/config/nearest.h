// The name somebody probably meant. Thread safety: pure functions.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace reelsense::server {

// Insertions, deletions, replacements and swaps of neighbours between two names.
std::size_t edit_distance(std::string_view a, std::string_view b);

// The candidate within `most` edits that needs fewest, the first of equals; empty: none.
std::string nearest(std::string_view name, std::span<const std::string> candidates, std::size_t most);

// "; did you mean X?", or nothing if nothing is near.
std::string suggestion(std::string_view name, std::span<const std::string> candidates);

}  // namespace reelsense::server
