#include "server/config/read_value.h"

#include <charconv>
#include <vector>

#include "server/config/toml_text.h"

namespace reelsense::server {

namespace {

constexpr std::size_t kMostShown = 80;

bool in_range(const ConfigKey& key, double value) noexcept {
  return value >= key.rule.least && value <= key.rule.most;  // false for NaN
}

bool accepts(const ConfigKey& key, const std::string& text) {
  return text.size() <= kMostTextBytes && is_toml_text(text) &&
         (key.rule.accepts == nullptr || key.rule.accepts(text));
}

// Overloads by the field's type: `node` has been read into the field, or the reason is returned.
class FromToml {
 public:
  FromToml(const ConfigKey& key, const toml::node& node) : key_(key), node_(node) {}

  std::optional<BadValue> operator()(bool* out) const {
    const auto* value = node_.as_boolean();
    if (value == nullptr) return bad(node_);
    *out = value->get();
    return std::nullopt;
  }
  std::optional<BadValue> operator()(std::int64_t* out) const {
    const auto* value = node_.as_integer();
    if (value == nullptr || !in_range(key_, static_cast<double>(value->get()))) return bad(node_);
    *out = value->get();
    return std::nullopt;
  }
  std::optional<BadValue> operator()(double* out) const {
    if (!node_.is_number()) return bad(node_);
    const auto value = node_.value<double>();
    if (!value || !in_range(key_, *value)) return bad(node_);
    *out = *value;
    return std::nullopt;
  }
  std::optional<BadValue> operator()(std::string* out) const {
    const auto* value = node_.as_string();
    if (value == nullptr || !accepts(key_, value->get())) return bad(node_);
    *out = value->get();
    return std::nullopt;
  }
  std::optional<BadValue> operator()(std::vector<std::string>* out) const {
    const auto* list = node_.as_array();
    if (list == nullptr) return bad(node_);
    if (list->size() > kMostListEntries) return too_many(list->size(), kMostListEntries);
    std::vector<std::string> read;
    for (const toml::node& entry : *list) {
      const auto* value = entry.as_string();
      if (value == nullptr || !accepts(key_, value->get())) return bad(entry);
      read.push_back(value->get());
    }
    *out = std::move(read);
    return std::nullopt;
  }
  std::optional<BadValue> operator()(std::map<std::string, std::string>* out) const {
    const auto* table = node_.as_table();
    if (table == nullptr) return bad(node_);
    if (table->size() > kMostMapEntries) return too_many(table->size(), kMostMapEntries);
    std::map<std::string, std::string> read;
    for (const auto& [name, entry] : *table) {
      const auto* value = entry.as_string();
      if (!is_alias(std::string(name.str())) || !is_toml_text(name.str()) || value == nullptr ||
          !accepts(key_, value->get())) {
        return BadValue{toml_string(name.str(), kMostShown) + " = " + describe(entry), name.source()};
      }
      read.emplace(name.str(), value->get());
    }
    *out = std::move(read);
    return std::nullopt;
  }

 private:
  static BadValue bad(const toml::node& node) { return {describe(node), node.source()}; }
  [[nodiscard]] BadValue too_many(std::size_t found, std::size_t most) const {
    return {std::to_string(found) + " entries (at most " + std::to_string(most) + ")", node_.source()};
  }

  const ConfigKey& key_;
  const toml::node& node_;
};

template <class Number>
std::optional<Number> number_of(std::string_view text) {
  Number value{};
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

// Parts between separators; none of an empty text.
std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t end = text.find(separator);
    parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
    if (text.empty()) parts.emplace_back();
  }
  return parts;
}

class FromText {
 public:
  FromText(const ConfigKey& key, std::string_view text) : key_(key), text_(text) {}

  bool operator()(bool* out) const {
    *out = text_ == "true";
    return *out || text_ == "false";
  }
  template <class Number>
  requires std::is_arithmetic_v<Number>
  bool operator()(Number* out) const {
    const auto value = number_of<Number>(text_);
    if (!value || !in_range(key_, static_cast<double>(*value))) return false;
    *out = *value;
    return true;
  }
  bool operator()(std::string* out) const {
    *out = std::string(text_);
    return accepts(key_, *out);
  }
  bool operator()(std::vector<std::string>* out) const {
    *out = split(text_, ':');
    return out->size() <= kMostListEntries && all_accepted(*out);
  }
  bool operator()(std::map<std::string, std::string>* out) const {
    out->clear();
    const std::vector<std::string> entries = split(text_, ',');
    if (entries.size() > kMostMapEntries) return false;
    for (const std::string& entry : entries) {
      const std::size_t equals = entry.find('=');
      if (equals == std::string::npos) return false;
      const std::string name = entry.substr(0, equals);
      const std::string model = entry.substr(equals + 1);
      if (!is_alias(name) || !is_toml_text(name) || !accepts(key_, model)) return false;
      if (!out->emplace(name, model).second) return false;
    }
    return true;
  }

 private:
  [[nodiscard]] bool all_accepted(const std::vector<std::string>& texts) const {
    for (const std::string& text : texts) {
      if (!accepts(key_, text)) return false;
    }
    return true;
  }

  const ConfigKey& key_;
  std::string_view text_;
};

}  // namespace

std::optional<BadValue> set_from_toml(const ConfigKey& key, const toml::node& node, Config& config) {
  auto bad = std::visit(FromToml(key, node), key.field(config));
  if (bad && key.secret && node.is_string()) bad->found = "other text (not shown)";
  return bad;
}

std::optional<std::string> set_from_text(const ConfigKey& key, std::string_view text, Config& config) {
  Config read = config;  // a value half read must not stay
  if (!std::visit(FromText(key, text), key.field(read))) {
    return key.secret ? "other text (not shown)" : toml_string(text, kMostShown);
  }
  config = std::move(read);
  return std::nullopt;
}

}  // namespace reelsense::server
