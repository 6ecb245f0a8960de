// The one table of configuration keys: what each is called, where it lives in Config, what it may be and
// means.
//
// Files, variables, flags, --print-config and the reference page are made from it; a key that is not here
// does not exist. Thread safety: functions without state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "server/config/config.h"

namespace reelsense::server {

// Where a key's value lives; its type is the key's type.
using Field = std::variant<bool*, std::int64_t*, double*, std::string*, std::vector<std::string>*,
                           std::map<std::string, std::string>*>;

inline constexpr std::size_t kMostListEntries = 64;
inline constexpr std::size_t kMostMapEntries = 256;
inline constexpr std::size_t kMostTextBytes = 4096;

// What a value must satisfy beyond its type.
struct Rule {
  // Numbers: the range, both ends allowed.
  double least = 0;
  double most = 0;
  // Text, and each entry of a list or table: what must hold, and its wording in errors and on the reference
  // page.
  bool (*accepts)(const std::string&) = nullptr;
  std::string_view expected = "";
};

struct ConfigKey {
  std::string_view section;
  std::string_view name;
  Field (*field)(Config&) = nullptr;
  std::string_view meaning;  // one line, no full stop
  Rule rule = {};
  bool secret = false;
};

struct ConfigSection {
  std::string_view name;
  std::string_view meaning;  // a sentence or two
};

std::span<const ConfigKey> config_keys() noexcept;  // by section, in the order they are printed
std::span<const ConfigSection> config_sections() noexcept;

std::string dotted_name(const ConfigKey& key);    // scheduler.max_batch
std::string flag_name(const ConfigKey& key);      // scheduler.max-batch
std::string variable_name(const ConfigKey& key);  // REELSENSE_SCHEDULER_MAX_BATCH
std::string variable_name(std::string_view section, std::string_view name);
std::string expectation(const ConfigKey& key);  // "an integer from 1 to 1024"

// What an alias may be called.
bool is_alias(const std::string& name) noexcept;

}  // namespace reelsense::server
