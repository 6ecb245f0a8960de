#include "server/config/config.h"

#include <algorithm>
#include <array>
#include <optional>

#include "server/config/loaded_config.h"
#include "server/config/nearest.h"
#include "server/config/read_value.h"
#include "server/config/toml_text.h"

namespace reelsense::server {

namespace {

constexpr std::size_t kMostFileBytes = 64 << 10;
constexpr std::size_t kMostErrors = 20;
constexpr std::size_t kMostNameShown = 80;

// Variables of the project that are not the server's own, or are it under the name of the command's.
constexpr std::string_view kModelsVariable = "REELSENSE_MODELS";   // the models path, as of `reelsense`
constexpr std::string_view kClientVariable = "REELSENSE_API_KEY";  // a client's secret
constexpr std::string_view kModelsKey = "models.path";

std::vector<std::string> names(std::string (*name)(const ConfigKey&)) {
  std::vector<std::string> out;
  for (const ConfigKey& key : config_keys()) out.push_back(name(key));
  return out;
}

std::optional<std::size_t> index_of(std::string_view name, std::string (*name_of_key)(const ConfigKey&)) {
  const auto keys = config_keys();
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (name_of_key(keys[i]) == name) return i;
  }
  return std::nullopt;
}

// Kubernetes sets such variables in every container for a service that is called reelsense-….
bool is_service_link(std::string_view variable, std::string_view text) {
  const std::size_t port = variable.find("_PORT_");
  return variable.ends_with("_SERVICE_HOST") || variable.find("_SERVICE_PORT") != std::string_view::npos ||
         (variable.ends_with("_PORT") && text.find("://") != std::string_view::npos) ||
         (port != std::string_view::npos && variable.find_first_of("0123456789", port) == port + 6);
}

class Loader {
 public:
  Loader() { loaded_.places.resize(config_keys().size()); }

  void read(const ConfigSources& sources) {
    if (!sources.file.empty()) read_file(sources.file);
    read_environment(sources.environment);
    for (const auto& [flag, text] : sources.flags) read_flag(flag, text);
  }

  Result<LoadedConfig> finish() {
    if (errors_.empty()) errors_ = check_together(loaded_);
    if (errors_.empty()) return std::move(loaded_);
    std::string message;
    for (std::size_t i = 0; i < std::min(errors_.size(), kMostErrors); ++i) {
      message += (i == 0 ? "" : "\n") + errors_[i];
    }
    if (errors_.size() > kMostErrors)
      message += "\nand " + std::to_string(errors_.size() - kMostErrors) + " more";
    return Error{code_, message};
  }

 private:
  void read_file(const std::filesystem::path& file);
  void read_section(const std::filesystem::path& file, std::string_view section, const toml::table& table);
  void read_environment(const std::map<std::string, std::string>& environment);
  void read_flag(const std::string& flag, const std::string& text);
  void set_text(std::size_t index, Origin origin, const std::string& where, const std::string& text);
  void file_error(const std::filesystem::path& file, const toml::source_region& source,
                  const std::string& what) {
    file_errors_.emplace_back(source.begin.line, place_of(file, source) + ": " + what);
  }

  LoadedConfig loaded_;
  ErrorCode code_ = ErrorCode::kInvalidArgument;
  std::vector<std::string> errors_;
  std::vector<std::pair<toml::source_index, std::string>> file_errors_;  // by line
};

void Loader::read_file(const std::filesystem::path& file) {
  const Result<toml::table> table = read_toml(file, kMostFileBytes);
  if (!table) {
    code_ = table.error().code;
    errors_.push_back(table.error().message);
    return;
  }
  std::vector<std::string> sections;
  for (const ConfigSection& section : config_sections()) sections.emplace_back(section.name);
  for (const auto& [name, node] : table.value()) {
    const bool known = std::find(sections.begin(), sections.end(), name.str()) != sections.end();
    if (known && node.is_table()) {
      read_section(file, name.str(), *node.as_table());
    } else if (known) {
      file_error(file, node.source(),
                 std::string(name.str()) + ": found " + describe(node) + ", expected a section [" +
                     std::string(name.str()) + "]");
    } else if (node.is_table()) {
      file_error(file, name.source(),
                 "there is no section [" + std::string(name.str().substr(0, kMostNameShown)) + "]" +
                     suggestion(name.str(), sections));
    } else {
      // A key that is right but for its section is found by its last part.
      std::vector<std::string> lasts;
      for (const ConfigKey& key : config_keys()) lasts.emplace_back(key.name);
      const std::string last = nearest(name.str(), lasts, 2);
      const auto at = std::find(lasts.begin(), lasts.end(), last);
      const std::string meant =
          at == lasts.end()
              ? ""
              : "; did you mean " + dotted_name(config_keys()[std::size_t(at - lasts.begin())]) + "?";
      file_error(
          file, name.source(),
          std::string(name.str().substr(0, kMostNameShown)) + ": no such key outside a section" + meant);
    }
  }
  std::stable_sort(file_errors_.begin(), file_errors_.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  for (auto& [line, message] : file_errors_) errors_.push_back(std::move(message));
}

void Loader::read_section(const std::filesystem::path& file, std::string_view section,
                          const toml::table& table) {
  for (const auto& [name, node] : table) {
    const std::string dotted = std::string(section) + "." + std::string(name.str());
    const auto index = index_of(dotted, dotted_name);
    if (!index) {
      file_error(file, name.source(),
                 dotted.substr(0, kMostNameShown) + ": no such key" + suggestion(dotted, names(dotted_name)));
      continue;
    }
    const ConfigKey& key = config_keys()[*index];
    if (const auto bad = set_from_toml(key, node, loaded_.config)) {
      file_error(file, bad->source, dotted + ": found " + bad->found + ", expected " + expectation(key));
      continue;
    }
    loaded_.places[*index] = {Origin::kFile, place_of(file, name.source())};
  }
}

void Loader::read_environment(const std::map<std::string, std::string>& environment) {
  const std::vector<std::string> variables = names(variable_name);
  // First, so that the key's own variable wins.
  if (const auto models = environment.find(std::string(kModelsVariable)); models != environment.end())
    set_text(*index_of(kModelsKey, dotted_name), Origin::kEnvironment, models->first, models->second);
  for (const auto& [variable, text] : environment) {
    if (const auto index = index_of(variable, variable_name)) {
      set_text(*index, Origin::kEnvironment, variable, text);
      continue;
    }
    if (variable == kModelsVariable || variable == kClientVariable || is_service_link(variable, text))
      continue;
    // Another program may have variables of its own; one that looks like a key is a mistake.
    const auto begins = [&name = variable](const ConfigSection& section) {
      return name.starts_with(variable_name(section.name, ""));
    };
    const auto sections = config_sections();
    if (std::any_of(sections.begin(), sections.end(), begins) || !nearest(variable, variables, 3).empty()) {
      errors_.push_back(variable.substr(0, kMostNameShown) + ": no such key" +
                        suggestion(variable, variables));
    }
  }
}

void Loader::read_flag(const std::string& flag, const std::string& text) {
  if (const auto index = index_of(flag, flag_name)) {
    set_text(*index, Origin::kFlag, "--" + flag, text);
    return;
  }
  errors_.push_back("--" + flag.substr(0, kMostNameShown) + ": no such key" +
                    suggestion(flag, names(flag_name)));
}

void Loader::set_text(std::size_t index, Origin origin, const std::string& where, const std::string& text) {
  const ConfigKey& key = config_keys()[index];
  if (const auto found = set_from_text(key, text, loaded_.config)) {
    errors_.push_back(where + ": found " + *found + ", expected " + expectation(key));
    return;
  }
  loaded_.places[index] = {origin, where};
}

}  // namespace

const char* name_of(Origin origin) noexcept {
  switch (origin) {
    case Origin::kDefault:
      return "default";
    case Origin::kFile:
      return "file";
    case Origin::kEnvironment:
      return "environment";
    case Origin::kFlag:
      return "flag";
  }
  return "default";
}

std::string LoadedConfig::naming(std::string_view dotted) const {
  const std::string name(dotted);
  const auto index = index_of(dotted, dotted_name);
  if (!index || places[*index].origin == Origin::kDefault) return name;
  const Placed& place = places[*index];
  return place.origin == Origin::kFile ? place.where + ": " + name : place.where;
}

Result<LoadedConfig> load_with_places(const ConfigSources& sources) {
  Loader loader;
  loader.read(sources);
  return loader.finish();
}

Result<Config> load_config(const ConfigSources& sources) {
  Result<LoadedConfig> loaded = load_with_places(sources);
  if (!loaded) return loaded.error();
  return std::move(loaded.value().config);
}

}  // namespace reelsense::server
