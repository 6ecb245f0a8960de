#include "server/http/observation_body.h"

#include <algorithm>
#include <array>

#include "reelsense/features/view.h"
#include "server/http/json_reader.h"

namespace reelsense::server {

namespace {

constexpr std::int64_t kMostCode = 32'767;  // of either sign

bool is_plain(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
         c == '.' || c == '+';
}
bool is_plain(std::string_view text) noexcept {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return is_plain(c); });
}

// Bytes of lower-case hexadecimal digits.
bool parse_hex(std::string_view text, BatchId& id) noexcept {
  const auto digit = [](char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  };
  if (text.size() != 2 * id.size()) return false;
  for (std::size_t i = 0; i < id.size(); ++i) {
    const int high = digit(text[2 * i]);
    const int low = digit(text[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    id[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  return true;
}

class BatchReader {
 public:
  BatchReader(JsonParser& parser, std::string_view body, std::size_t most, ObservationBatch& batch)
      : json_(parser, body), most_(most), batch_(batch) {}

  bool read() {
    ondemand::object root;
    if (!json_.begin(root)) return false;
    unsigned seen = 0;
    const bool read = for_each_member(json_, root, [&](std::string_view key, ondemand::value value) {
      const auto found = std::find(kMembers.begin(), kMembers.end(), key);
      if (found == kMembers.end()) {
        return unknown_key(json_, kRoot, key, "batch, model, view, schema_hash, epsilon, sdk, observations");
      }
      const auto member = static_cast<unsigned>(found - kMembers.begin());
      const Where where{&kRoot, key};
      return json_.once(where, seen, 1U << member) && read_member(member, where, value);
    });
    if (!read || !has_all(kRoot, kMembers, seen) || !json_.at_end()) return false;
    return check_schema() && check_widths();
  }
  Problem take_problem() { return json_.take_problem(); }

 private:
  static constexpr std::array<std::string_view, 7> kMembers = {
      "batch", "model", "view", "schema_hash", "epsilon", "sdk", "observations"};
  static constexpr std::array<std::string_view, 5> kOfObservation = {"features", "label", "confidence",
                                                                     "uncertain", "truth"};

  bool has_all(const Where& where, auto members, unsigned seen) {
    for (std::size_t i = 0; i < members.size(); ++i) {
      if ((seen & 1U << i) == 0) return json_.fail(Where{&where, members[i]}, "is missing");
    }
    return true;
  }

  bool read_member(unsigned member, const Where& where, ondemand::value value) {
    switch (member) {
      case 0:
        return read_id(where, value);
      case 1:
        return read_text(where, value, kMostModelBytes, "\"name@version\"", is_model_id, batch_.model);
      case 2:
        return read_view(where, value);
      case 3:
        return read_hash(where, value);
      case 4:
        return json_.read(where, value, kLeastEpsilon, kMostEpsilon, batch_.epsilon);
      case 5:
        return read_text(
            where, value, kMostSdkBytes, "a version, as \"1.2.3\"",
            [](std::string_view text) { return is_plain(text); }, batch_.sdk);
      default:
        return read_observations(where, value);
    }
  }

  bool read_id(const Where& where, ondemand::value value) {
    std::string_view text;
    if (!json_.read(where, value, text)) return false;
    return parse_hex(text, batch_.id) || json_.fail(where, "32 lower-case hexadecimal digits are expected");
  }

  bool read_text(const Where& where, ondemand::value value, std::size_t most, const char* expected,
                 bool (*accepts)(std::string_view), std::string& out) {
    std::string_view text;
    if (!json_.read(where, value, text)) return false;
    if (text.size() > most) {
      return json_.fail(
          where, std::to_string(text.size()) + " bytes; at most " + std::to_string(most) + " are taken");
    }
    if (!accepts(text)) {
      return json_.fail(where,
                        std::string(expected) + " is expected, of letters, digits, '-', '_', '.' and '+'");
    }
    out = text;
    return true;
  }

  bool read_view(const Where& where, ondemand::value value) {
    std::string_view text;
    if (!json_.read(where, value, text)) return false;
    schema_ = find_view(text);
    if (schema_ == nullptr) {
      std::string known;
      for (const View view : kAllViews) {
        known.append(known.empty() ? "\"" : "\" or \"").append(view_schema(view).name);
      }
      return json_.fail(where, known + "\" is expected");
    }
    batch_.view = text;
    return true;
  }

  bool read_hash(const Where& where, ondemand::value value) {
    std::string_view text;
    if (!json_.read(where, value, text)) return false;
    const bool hex =
        text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
    if (!hex) return json_.fail(where, "64 lower-case hexadecimal digits are expected");
    batch_.schema_hash = text;
    return true;
  }

  bool read_observations(const Where& where, ondemand::value value) {
    ondemand::array array;
    if (!json_.read(where, value, array)) return false;
    return for_each_element(json_, array, [&](std::int64_t index, ondemand::value element) {
      if (static_cast<std::size_t>(index) >= most_) {
        return json_.fail(where, "more than " + std::to_string(most_) + " observations in one request");
      }
      const Where here{&where, {}, index};
      ondemand::object object;
      return json_.read(here, element, object) && read_observation(here, object);
    });
  }

  bool read_observation(const Where& where, ondemand::object& object) {
    Observation& one = batch_.observations.emplace_back();
    unsigned seen = 0;
    const bool read = for_each_member(json_, object, [&](std::string_view key, ondemand::value value) {
      const Where here{&where, key};
      if (key == "features") return json_.once(here, seen, 1) && read_codes(here, value);
      if (key == "label") return json_.once(here, seen, 2) && read_label(here, value, one.video);
      if (key == "confidence") {
        double confidence = 0;
        const bool in_range = json_.once(here, seen, 4) && json_.read(here, value, 0.5, 1, confidence);
        one.confidence = static_cast<float>(confidence);
        return in_range;
      }
      if (key == "uncertain") return json_.once(here, seen, 8) && json_.read(here, value, one.uncertain);
      if (key == "truth") return json_.once(here, seen, 16) && read_truth(here, value, one.truth_video);
      return unknown_key(json_, where, key, "features, label, confidence, uncertain, truth");
    });
    return read && has_all(where, kOfObservation, seen);
  }

  bool read_codes(const Where& where, ondemand::value value) {
    ondemand::array array;
    if (!json_.read(where, value, array)) return false;
    std::size_t got = 0;
    const bool read = for_each_element(json_, array, [&](std::int64_t index, ondemand::value element) {
      if (got == kMaxFeatureCount) {
        return json_.fail(where, "more than " + std::to_string(got) + " numbers; no view has more features");
      }
      std::int64_t code = 0;
      if (!json_.read(Where{&where, {}, index}, element, -kMostCode, kMostCode, code)) return false;
      batch_.values.push_back(static_cast<std::int16_t>(code));
      ++got;
      return true;
    });
    widths_.push_back(static_cast<std::uint8_t>(got));
    return read;
  }

  bool read_label(const Where& where, ondemand::value value, bool& video) {
    std::string_view word;
    if (!json_.read(where, value, word)) return false;
    video = word == "video";
    return video || word == "non-video" || json_.fail(where, "\"video\" or \"non-video\" is expected");
  }

  bool read_truth(const Where& where, ondemand::value value, std::optional<bool>& truth) {
    bool null = false;
    if (!json_.read_null(where, value, null)) return false;
    if (null) return true;
    ondemand::json_type type{};
    if (value.type().get(type) == simdjson::SUCCESS && type != ondemand::json_type::string) {
      return json_.unexpected(where, value, simdjson::INCORRECT_TYPE, "\"video\", \"non-video\" or null");
    }
    bool video = false;
    if (!read_label(where, value, video)) return false;
    truth = video;
    return true;
  }

  // What only the view can say, which may come after the observations.
  bool check_schema() {
    const std::string& expected = schema_hash(*schema_);
    return batch_.schema_hash == expected ||
           json_.fail(
               Where{&kRoot, "schema_hash"},
               expected + " is expected: this server's features of view " + std::string(schema_->name));
  }

  bool check_widths() {
    batch_.width = schema_->features.size();
    const Where observations{&kRoot, "observations"};
    for (std::size_t i = 0; i < widths_.size(); ++i) {
      if (widths_[i] == batch_.width) continue;
      const Where here{&observations, {}, static_cast<std::int64_t>(i)};
      return json_.fail(Where{&here, "features"}, std::to_string(widths_[i]) + " numbers; view " +
                                                      std::string(schema_->name) + " has " +
                                                      std::to_string(batch_.width));
    }
    return true;
  }

  JsonReader json_;
  std::size_t most_;
  ObservationBatch& batch_;
  const ViewSchema* schema_ = nullptr;
  std::vector<std::uint8_t> widths_;  // of each observation, as it came
};

}  // namespace

const std::string& schema_hash(const ViewSchema& schema) {
  static const std::array<std::string, std::size(kAllViews)> hashes = [] {
    std::array<std::string, std::size(kAllViews)> all;
    for (const View view : kAllViews) all[static_cast<std::size_t>(view)] = view_schema(view).hash();
    return all;
  }();
  return hashes[static_cast<std::size_t>(schema.view)];
}

bool is_model_id(std::string_view text) noexcept {
  const std::size_t at = text.find('@');
  return at != std::string_view::npos && is_plain(text.substr(0, at)) && is_plain(text.substr(at + 1));
}

std::optional<Problem> read_observation_batch(JsonParser& parser, std::string_view body, std::size_t most,
                                              ObservationBatch& batch) {
  BatchReader reader(parser, body, most, batch);
  return reader.read() ? std::nullopt : std::optional(reader.take_problem());
}

}  // namespace reelsense::server
