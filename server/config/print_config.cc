#include <algorithm>
#include <type_traits>

#include "server/config/loaded_config.h"
#include "server/config/toml_text.h"

namespace reelsense::server {

namespace {

class AsToml {
 public:
  std::string operator()(const bool* value) const { return *value ? "true" : "false"; }
  std::string operator()(const std::int64_t* value) const { return std::to_string(*value); }
  std::string operator()(const double* value) const { return number_text(*value); }
  std::string operator()(const std::string* value) const { return toml_string(*value); }
  std::string operator()(const std::vector<std::string>* value) const {
    std::string out;
    for (const std::string& entry : *value) out += (out.empty() ? "" : ", ") + toml_string(entry);
    return "[" + out + "]";
  }
  std::string operator()(const std::map<std::string, std::string>* value) const {
    std::string out;
    for (const auto& [name, model] : *value)
      out += (out.empty() ? "" : ", ") + toml_string(name) + " = " + toml_string(model);
    return out.empty() ? "{}" : "{ " + out + " }";
  }
};

std::string value_text(const ConfigKey& key, Config& config) {
  return std::visit(AsToml(), key.field(config));
}

std::string line_of(const ConfigKey& key, Config& config, const Placed& place) {
  const Field field = key.field(config);
  const auto* const* text = std::get_if<std::string*>(&field);
  const std::string name(key.name);
  const std::string origin = name_of(place.origin);
  // As a comment, so that the whole is still read back.
  if (key.secret && text != nullptr && !(*text)->empty())
    return "# " + name + " = \"…\"  # " + origin + ", secret: not shown\n";
  return name + " = " + value_text(key, config) + "  # " + origin + "\n";
}

constexpr const char* kReferenceHead =
    R"(<!-- Made by `reelsense-server --reference config` from the table in server/config/config_keys.cc. Do not edit; run `make docs`. -->
# Configuration of `reelsense-server`

Every key has a default; with none set, `reelsense-server` serves on loopback. Values come from four places, a later one wins:

1. the defaults;
2. the file: `--config FILE`, [TOML](https://toml.io), a section in brackets and its keys
   ([reelsense-server.example.toml](../../server/reelsense-server.example.toml) is all of it with the defaults);
3. the environment: `REELSENSE_`, section and key in capitals: `REELSENSE_SCHEDULER_MAX_BATCH=32`;
4. flags: section, a dot and the key with dashes: `--scheduler.max-batch 32`.

In the environment and in flags folders are separated by `:` (`--models.path /srv/models:/opt/models`) and aliases by `,`
(`--models.aliases stable=reelsense-edge@0.1.0,canary=reelsense-edge`); a list or table replaces the former as a whole.
`REELSENSE_MODELS`, which `reelsense` reads too, is `models.path`; `REELSENSE_MODELS_PATH` wins over it.
Relative files and folders are looked up from the folder the server was started in.

`--check-config` says what is wrong, all at once, and starts nothing; `--print-config` shows every value and where it came
from. An unknown key is an error, and so is an unknown variable that begins with `REELSENSE_` and a section. Secrets do not belong
into flags, which every user of the machine can read.
)";

}  // namespace

Result<std::string> print_config(const ConfigSources& sources) {
  Result<LoadedConfig> loaded = load_with_places(sources);
  if (!loaded) return loaded.error();
  std::string out;
  std::string_view section;
  const auto keys = config_keys();
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (keys[i].section != section) {
      section = keys[i].section;
      out += (out.empty() ? "[" : "\n[") + std::string(section) + "]\n";
    }
    out += line_of(keys[i], loaded.value().config, loaded.value().places[i]);
  }
  return out;
}

std::string config_reference() {
  std::string out = kReferenceHead;
  Config defaults;
  for (const ConfigSection& section : config_sections()) {
    const std::string name(section.name);
    out += "\n## [" + name + "]\n\n" + std::string(section.meaning) + "\n\n";
    out += "| key | default | allowed | meaning |\n|---|---|---|---|\n";
    for (const ConfigKey& key : config_keys()) {
      if (key.section != section.name) continue;
      const std::string allowed = expectation(key);
      out += "| `" + std::string(key.name) + "` | `" + value_text(key, defaults) + "` | " +
             (allowed.empty() ? "text" : allowed) + " | " + std::string(key.meaning) + ". |\n";
    }
  }
  return out;
}

std::vector<std::pair<std::string, std::string>> config_flags() {
  std::vector<std::pair<std::string, std::string>> out;
  for (const ConfigKey& key : config_keys()) out.emplace_back(flag_name(key), std::string(key.meaning));
  return out;
}

}  // namespace reelsense::server
