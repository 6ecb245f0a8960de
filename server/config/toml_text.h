// TOML as text: reading a file with its bounds, writing values. Thread safety: functions without state.
#pragma once

#include <toml++/toml.h>

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include "reelsense/base/result.h"

namespace reelsense::server {

// Parses a regular file of at most `limit` bytes. Errors name file and line: "server.toml:3: …".
Result<toml::table> read_toml(const std::filesystem::path& file, std::size_t limit);

// "server.toml:12"
std::string place_of(const std::filesystem::path& file, const toml::source_region& source);

// The value as an error shows it: `5000`, `"abc"`, `a table`.
std::string describe(const toml::node& node);
// `text` in quotes and escaped, as a TOML string. `most` bytes of it, then "…".
std::string toml_string(std::string_view text, std::size_t most = std::string_view::npos);
// The shortest decimal form that reads back to `value`, without an exponent.
std::string number_text(double value);
// What a TOML string can hold on one line: UTF-8 without control characters.
bool is_toml_text(std::string_view text);

}  // namespace reelsense::server
