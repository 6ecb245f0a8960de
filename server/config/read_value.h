// One key's value, from TOML or from text. Thread safety: functions without state.
#pragma once

#include <toml++/toml.h>

#include <optional>
#include <string>
#include <string_view>

#include "server/config/config_keys.h"

namespace reelsense::server {

// What was found instead of a value for the key, and where if it is inside a list or table.
struct BadValue {
  std::string found;
  toml::source_region source;
};

// Sets the key in `config`. Nothing: done.
std::optional<BadValue> set_from_toml(const ConfigKey& key, const toml::node& node, Config& config);

// The same from a flag or variable: numbers in decimal, true and false, folders separated by ':', aliases as
// "name=model,name=model". What was found instead, else nothing.
std::optional<std::string> set_from_text(const ConfigKey& key, std::string_view text, Config& config);

}  // namespace reelsense::server
