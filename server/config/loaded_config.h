// The configuration together with where each value came from. Thread safety: plain values and pure functions.
#pragma once

#include <string>
#include <vector>

#include "server/config/config.h"
#include "server/config/config_keys.h"

namespace reelsense::server {

enum class Origin : std::uint8_t { kDefault, kFile, kEnvironment, kFlag };
const char* name_of(Origin origin) noexcept;  // "default", "file", "environment", "flag"

struct Placed {
  Origin origin = Origin::kDefault;
  std::string where;  // "server.toml:12", "--http.listen", "REELSENSE_HTTP_LISTEN"; empty: default
};

struct LoadedConfig {
  Config config;
  std::vector<Placed> places;  // as config_keys()
  // "server.toml:12: http.listen", "--http.listen", …: the key as an error names it.
  [[nodiscard]] std::string naming(std::string_view dotted) const;
};

// Every error found, a line each.
Result<LoadedConfig> load_with_places(const ConfigSources& sources);

// What several keys together must satisfy; the errors, in words.
std::vector<std::string> check_together(const LoadedConfig& loaded);

}  // namespace reelsense::server
