#include "server/http/json_reader.h"

#include <cmath>

#include "server/http/json_writer.h"

namespace reelsense::server {

namespace {

static_assert(kJsonPadding >= simdjson::SIMDJSON_PADDING);

constexpr int kDeepest = 16;                   // of a value that nobody asked for
constexpr std::size_t kParserKeeps = 1 << 20;  // bytes of body a parser stays ready for

std::string_view trimmed(std::string_view token) noexcept {
  while (!token.empty() &&
         (token.back() == ' ' || token.back() == '\n' || token.back() == '\r' || token.back() == '\t')) {
    token.remove_suffix(1);
  }
  return token;
}

// A token short enough for a message.
std::string shown(std::string_view token) {
  constexpr std::size_t kLongest = 32;
  if (token.size() <= kLongest) return std::string(token);
  return std::string(token.substr(0, kLongest)) + "…";
}

}  // namespace

JsonParser::JsonParser() : impl_(std::make_unique<Impl>()) {}
JsonParser::~JsonParser() = default;

void JsonParser::trim() {
  if (impl_->parser.capacity() > kParserKeeps || impl_->copy.capacity() > kParserKeeps)
    impl_ = std::make_unique<Impl>();
}

std::string Where::text() const {
  std::string out = parent == nullptr ? std::string() : parent->text();
  if (index >= 0) return out + "[" + std::to_string(index) + "]";
  if (name.empty()) return out;
  if (!out.empty()) out += '.';
  constexpr std::size_t kLongest = 64;
  return out + std::string(name.substr(0, kLongest));
}

// Bodies lie in buffers of the connection's (or the caller's), whose padding is nobody else's meanwhile.
JsonReader::JsonReader(JsonParser& parser, std::string_view body)
    : parser_(parser.impl().parser),
      body_(body),
      end_(body.empty() ? nullptr : const_cast<char*>(body.data()) + body.size()),
      behind_(body.empty() ? '\0' : *end_) {
  if (end_ != nullptr) *end_ = '\0';
}

JsonReader::~JsonReader() {
  if (end_ != nullptr) *end_ = behind_;
}

std::string_view JsonReader::token_of(ondemand::value value) const {
  const std::string_view token = value.raw_json_token();
  if (token.data() < body_.data() || token.data() >= end_) return {};
  return trimmed(token.substr(0, static_cast<std::size_t>(end_ - token.data())));
}

bool JsonReader::fail(Problem problem) {
  if (!problem_) problem_ = std::move(problem);
  return false;
}

bool JsonReader::fail(const Where& where, std::string what) {
  return fail(Problem::at(where.text(), std::move(what)));
}

bool JsonReader::malformed(simdjson::error_code error) {
  if (body_.empty()) return fail(Problem::at("", "the body is empty; a JSON object is expected"));
  if (error == simdjson::UTF8_ERROR) return fail(Problem::at("", "the body is not UTF-8"));
  if (error == simdjson::CAPACITY || error == simdjson::MEMALLOC) {
    return fail(Problem::of(ProblemType::kTooLarge, "the body is too large to parse"));
  }
  if (error == simdjson::INCOMPLETE_ARRAY_OR_OBJECT) {
    return fail(Problem::at("", "malformed JSON: something is not closed, or follows what is"));
  }
  std::string place;
  const char* at = nullptr;
  if (parsed_ && document_.current_location().get(at) == simdjson::SUCCESS && at >= body_.data() &&
      at <= body_.data() + body_.size()) {
    place = " near byte " + std::to_string(at - body_.data());
  }
  return fail(Problem::at("", "malformed JSON" + place + ": " + simdjson::error_message(error)));
}

bool JsonReader::unexpected(const Where& where, ondemand::value value, simdjson::error_code error,
                            std::string_view expected) {
  switch (error) {
    case simdjson::SUCCESS:
    case simdjson::INCORRECT_TYPE:
    case simdjson::NUMBER_ERROR:
    case simdjson::NUMBER_OUT_OF_RANGE:
      break;
    default:
      return malformed(error);
  }
  ondemand::json_type type{};
  std::string found;
  if (value.type().get(type) == simdjson::SUCCESS) {
    if (type == ondemand::json_type::object) found = "an object";
    if (type == ondemand::json_type::array) found = "an array";
  }
  if (found.empty()) found = shown(token_of(value));
  return fail(where, std::string(expected) + " is expected, not " + found);
}

bool JsonReader::begin(ondemand::object& root) {
  if (body_.empty()) return malformed(simdjson::EMPTY);
  const simdjson::padded_string_view padded(body_.data(), body_.size(), body_.size() + kJsonPadding);
  const auto error = parser_.iterate(padded).get(document_);
  parsed_ = error == simdjson::SUCCESS;
  if (!parsed_) return malformed(error);
  ondemand::json_type type{};
  const auto type_error = document_.type().get(type);
  if (type_error != simdjson::SUCCESS) return malformed(type_error);
  if (type != ondemand::json_type::object) return fail(Problem::at("", "a JSON object is expected"));
  const auto object_error = document_.get_object().get(root);
  return object_error == simdjson::SUCCESS || malformed(object_error);
}

bool JsonReader::at_end() {
  const char* at = nullptr;
  return document_.current_location().get(at) == simdjson::OUT_OF_BOUNDS ||
         fail(Problem::at("", "malformed JSON: something follows the closing brace"));
}

bool JsonReader::read(const Where& where, ondemand::value value, bool& out) {
  const auto error = value.get_bool().get(out);
  return error == simdjson::SUCCESS || unexpected(where, value, error, "true or false");
}

bool JsonReader::read(const Where& where, ondemand::value value, float& out) {
  double number = 0;
  const auto error = value.get_double().get(number);
  if (error != simdjson::SUCCESS) return unexpected(where, value, error, "a number");
  out = static_cast<float>(number);
  if (!std::isfinite(out)) return fail(where, "the number does not fit float32");
  return true;
}

bool JsonReader::read(const Where& where, ondemand::value value, std::string_view& out) {
  const auto error = value.get_string().get(out);
  return error == simdjson::SUCCESS || unexpected(where, value, error, "a string");
}

bool JsonReader::read(const Where& where, ondemand::value value, ondemand::object& out) {
  const auto error = value.get_object().get(out);
  return error == simdjson::SUCCESS || unexpected(where, value, error, "an object");
}

bool JsonReader::read(const Where& where, ondemand::value value, ondemand::array& out) {
  const auto error = value.get_array().get(out);
  return error == simdjson::SUCCESS || unexpected(where, value, error, "an array");
}

bool JsonReader::read(const Where& where, ondemand::value value, std::int64_t least, std::int64_t most,
                      std::int64_t& out) {
  const auto error = value.get_int64().get(out);
  if (error == simdjson::SUCCESS && out >= least && out <= most) return true;
  const std::string range = "an integer from " + std::to_string(least) + " to " + std::to_string(most);
  if (error == simdjson::SUCCESS) return fail(where, range + " is expected, not " + std::to_string(out));
  return unexpected(where, value, error, range);
}

bool JsonReader::read(const Where& where, ondemand::value value, double least, double most, double& out) {
  const auto error = value.get_double().get(out);
  if (error == simdjson::SUCCESS && out >= least && out <= most) return true;
  std::string range = "a number from ";
  append_decimal(least, range);
  append_decimal(most, range += " to ");
  if (error != simdjson::SUCCESS) return unexpected(where, value, error, range);
  append_decimal(out, range += " is expected, not ");
  return fail(where, range);
}

bool JsonReader::read_null(const Where& where, ondemand::value value, bool& null) {
  ondemand::json_type type{};
  auto error = value.type().get(type);
  if (error != simdjson::SUCCESS) return malformed(error);
  null = type == ondemand::json_type::null;
  if (!null) return true;
  error = value.is_null().get(null);
  if (error == simdjson::SUCCESS && null) return true;
  return unexpected(where, value, simdjson::INCORRECT_TYPE, "null");
}

bool JsonReader::read_time(const Where& where, ondemand::value value, std::int64_t& ns) {
  const std::optional<std::int64_t> time = parse_time_ns(token_of(value));
  if (!time) {
    return unexpected(where, value, simdjson::INCORRECT_TYPE,
                      "seconds since the epoch, from 0 to the year 2200,");
  }
  ns = *time;
  double unused = 0;  // moves the parser over the number
  const auto moved = value.get_double().get(unused);
  return moved == simdjson::SUCCESS || unexpected(where, value, moved, "a number");
}

bool JsonReader::read_raw(const Where& where, ondemand::value value, std::string_view& raw,
                          std::string_view& text) {
  raw = token_of(value);
  return read(where, value, text);
}

bool JsonReader::once(const Where& where, unsigned& seen, unsigned bit) {
  if ((seen & bit) != 0) return fail(where, "is given twice");
  seen |= bit;
  return true;
}

bool JsonReader::skip(const Where& where, ondemand::value value, int depth) {
  if (depth > kDeepest) return fail(where, "nested too deeply");
  ondemand::json_type type{};
  auto error = value.type().get(type);
  if (error != simdjson::SUCCESS) return malformed(error);
  switch (type) {
    case ondemand::json_type::object: {
      ondemand::object object;
      if (!read(where, value, object)) return false;
      for (auto item : object) {
        ondemand::field field;
        if ((error = std::move(item).get(field)) != simdjson::SUCCESS) return malformed(error);
        std::string_view key;
        if ((error = field.unescaped_key().get(key)) != simdjson::SUCCESS) return malformed(error);
        if (!skip(Where{&where, key}, field.value(), depth + 1)) return false;
      }
      return true;
    }
    case ondemand::json_type::array: {
      ondemand::array array;
      if (!read(where, value, array)) return false;
      for (auto item : array) {
        ondemand::value element;
        if ((error = std::move(item).get(element)) != simdjson::SUCCESS) return malformed(error);
        if (!skip(where, element, depth + 1)) return false;
      }
      return true;
    }
    case ondemand::json_type::string: {
      std::string_view text;
      return read(where, value, text);
    }
    case ondemand::json_type::number: {
      double number = 0;
      error = value.get_double().get(number);
      return error == simdjson::SUCCESS || unexpected(where, value, error, "a number");
    }
    case ondemand::json_type::boolean: {
      bool flag = false;
      return read(where, value, flag);
    }
    case ondemand::json_type::null: {
      bool null = false;
      error = value.is_null().get(null);
      return (error == simdjson::SUCCESS && null) || malformed(simdjson::N_ATOM_ERROR);
    }
  }
  return malformed(simdjson::TAPE_ERROR);
}

}  // namespace reelsense::server
