#include "server/config/toml_text.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "reelsense/bundle/bundle.h"

namespace reelsense::server {

namespace {

constexpr std::size_t kMostShown = 80;
// The parser builds a table for each part of a dotted key and frees them recursively: without a bound a line
// of dots overflows the stack. (It bounds brackets itself.)
constexpr std::size_t kMostDotsPerLine = 64;

Status check_dots(std::string_view text, const std::filesystem::path& file) {
  std::size_t line = 1;
  std::size_t dots = 0;
  for (const char c : text) {
    if (c == '\n') {
      ++line;
      dots = 0;
    } else if (c == '.' && ++dots > kMostDotsPerLine) {
      return Error{ErrorCode::kLimit, file.string() + ":" + std::to_string(line) + ": at most " +
                                          std::to_string(kMostDotsPerLine) + " dots on a line are read"};
    }
  }
  return ok_status();
}

bool is_control(char c) noexcept {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7f;
}

}  // namespace

Result<toml::table> read_toml(const std::filesystem::path& file, std::size_t limit) {
  const auto bytes = bundle::read_file(file, limit);
  if (!bytes) return bytes.error();
  const std::string_view text(reinterpret_cast<const char*>(bytes.value().data()), bytes.value().size());
  if (Status dots = check_dots(text, file); !dots) return dots.error();
  try {
    return toml::parse(text, file.string());
  } catch (const toml::parse_error& error) {
    return Error{ErrorCode::kCorrupt,
                 place_of(file, error.source()) + ": not TOML: " + std::string(error.description())};
  } catch (const std::exception& error) {  // its UTF-8 decoder has exceptions of its own
    return Error{ErrorCode::kCorrupt, file.string() + ": not TOML: " + error.what()};
  }
}

std::string place_of(const std::filesystem::path& file, const toml::source_region& source) {
  return file.string() + ":" + std::to_string(source.begin.line);
}

std::string describe(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "a list";
    case toml::node_type::string:
      return toml_string(node.as_string()->get(), kMostShown);
    case toml::node_type::integer:
      return std::to_string(node.as_integer()->get());
    case toml::node_type::floating_point:
      return number_text(node.as_floating_point()->get());
    case toml::node_type::boolean:
      return node.as_boolean()->get() ? "true" : "false";
    case toml::node_type::date:
    case toml::node_type::time:
    case toml::node_type::date_time:
      return "a date or time";
    case toml::node_type::none:
      break;
  }
  return "nothing";
}

std::string toml_string(std::string_view text, std::size_t most) {
  const bool cut = text.size() > most;
  if (cut) {
    while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xc0) == 0x80) --most;  // whole characters
    text = text.substr(0, most);
  }
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      (out += '\\') += c;
    } else if (is_control(c)) {
      std::array<char, 8> escape{};
      std::snprintf(escape.data(), escape.size(), "\\u%04X", static_cast<unsigned>(c));
      out += escape.data();
    } else {
      out += c;
    }
  }
  return out + (cut ? "…\"" : "\"");
}

std::string number_text(double value) {
  if (!std::isfinite(value)) return std::isnan(value) ? "nan" : value < 0 ? "-inf" : "inf";
  std::array<char, 512> text{};  // 309 digits before the point at most, 324 and 17 after it
  const auto end = std::to_chars(text.begin(), text.end(), value, std::chars_format::fixed);
  return end.ec == std::errc() ? std::string(text.data(), end.ptr) : std::to_string(value);
}

bool is_toml_text(std::string_view text) {
  for (const char c : text) {
    if (is_control(c)) return false;
  }
  try {
    const toml::table parsed = toml::parse("text = " + toml_string(text));
    return parsed["text"].value<std::string_view>() == text;
  } catch (const std::exception&) {
    return false;
  }
}

}  // namespace reelsense::server
