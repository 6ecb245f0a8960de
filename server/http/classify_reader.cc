#include "server/http/classify_reader.h"

#include "server/http/json_reader.h"

namespace reelsense::server {

namespace {

// A flow's name: its id and where it stands.
struct Named {
  FlowId id;
  RawName raw;
};

bool read_flow_name(JsonReader& json, const Where& where, ondemand::value value, std::string_view body,
                    const ClassifyRules& rules, Named& out) {
  std::string_view raw;
  std::string_view name;
  if (!json.read_raw(where, value, raw, name)) return false;
  if (name.empty()) return json.fail(where, "is empty");
  if (name.size() > rules.flow_name_bytes) {
    return json.fail(where, std::to_string(name.size()) + " bytes; at most " +
                                std::to_string(rules.flow_name_bytes) + " are taken");
  }
  out.id = rules.flow_id(name);
  out.raw = {static_cast<std::uint32_t>(raw.data() - body.data()), static_cast<std::uint32_t>(raw.size())};
  return true;
}

class ClassifyReader {
 public:
  ClassifyReader(JsonParser& parser, std::string_view body, const ClassifyRules& rules, Job& job)
      : json_(parser, body), body_(body), rules_(rules), job_(job) {}

  // Most requests name their model first or not at all: they are read once, with the default's shape until
  // another is named. What fails without a name, or is named after its windows, is read again with the name
  // known.
  bool read() {
    std::optional<Problem> problem = rules_.find_model("", shape_);
    if (!problem) {
      if (read_root()) return true;
      if (named_first_) return false;
      problem = json_.release_problem();
    }
    std::string_view reference;
    if (!find_reference(reference)) {
      json_.release_problem();
      return json_.fail(problem ? std::move(*problem) : Problem::at("", "malformed JSON"));
    }
    if (std::optional<Problem> unserved = rules_.find_model(reference, shape_))
      return json_.fail(std::move(*unserved));
    windows_ = 0;
    job_.flows.clear();
    job_.packets.clear();
    job_.rows.clear();
    job_.answers.clear();
    known_ = true;
    return read_root();
  }

  [[nodiscard]] std::size_t windows() const noexcept { return windows_; }
  Problem take_problem() { return json_.take_problem(); }

 private:
  bool find_reference(std::string_view& reference) {
    ondemand::object root;
    if (!json_.begin(root)) return false;
    bool found = false;
    const bool walked = for_each_member(json_, root, [&](std::string_view key, ondemand::value value) {
      if (key != "model") return true;
      found = json_.read(Where{&kRoot, key}, value, reference);
      return false;
    });
    return found && !walked;
  }

  bool read_root() {
    ondemand::object root;
    if (!json_.begin(root)) return false;
    unsigned seen = 0;
    const bool read = for_each_member(json_, root, [&](std::string_view key, ondemand::value value) {
      const Where where{&kRoot, key};
      if (key == "model") return json_.once(where, seen, 1) && read_model(where, value, (seen & 6) == 0);
      if (key == "windows") return json_.once(where, seen, 2) && read_windows(where, value);
      if (key == "flows") return json_.once(where, seen, 4) && read_flows(where, value);
      return unknown_key(json_, kRoot, key, "model, windows, flows");
    });
    if (!read) return false;
    if ((seen & 6) == 0) return json_.fail(kRoot, "\"windows\" or \"flows\" is expected");
    return json_.at_end();
  }

  bool read_model(const Where& where, ondemand::value value, bool first) {
    std::string_view reference;
    if (!json_.read(where, value, reference)) return false;
    if (known_) return true;
    named_first_ = first;
    if (!first) return false;  // once more, from the start
    std::optional<Problem> problem = rules_.find_model(reference, shape_);
    return !problem || json_.fail(std::move(*problem));
  }

  bool read_windows(const Where& where, ondemand::value value) {
    ondemand::array array;
    if (!json_.read(where, value, array)) return false;
    return for_each_element(json_, array, [&](std::int64_t index, ondemand::value element) {
      if (++windows_ > rules_.windows) {
        return json_.fail(where, "more than " + std::to_string(rules_.windows) + " windows in one request");
      }
      const Where here{&where, {}, index};
      ondemand::object window;
      return json_.read(here, element, window) && read_window(here, window);
    });
  }

  bool read_window(const Where& where, ondemand::object& window) {
    const std::size_t row = job_.rows.size();
    job_.rows.resize(row + shape_.width());
    Named flow;
    std::int64_t second = 0;
    bool end = false;
    unsigned seen = 0;
    const bool read = for_each_member(json_, window, [&](std::string_view key, ondemand::value value) {
      const Where here{&where, key};
      if (key == "flow")
        return json_.once(here, seen, 1) && read_flow_name(json_, here, value, body_, rules_, flow);
      if (key == "second")
        return json_.once(here, seen, 2) && json_.read(here, value, 0, kLatestSecond, second);
      if (key == "features") {
        return json_.once(here, seen, 4) && read_row(here, value, &job_.rows[row], shape_.features, false);
      }
      if (key == "bins") {
        float* bins = shape_.bins == 0 ? nullptr : &job_.rows[row + shape_.features];
        return json_.once(here, seen, 8) &&
               read_row(here, value, bins, bins == nullptr ? kBins : shape_.bins, true);
      }
      if (key == "end") return json_.once(here, seen, 16) && json_.read(here, value, end);
      return unknown_key(json_, where, key, "flow, second, features, bins, end");
    });
    if (!read) return false;
    if ((seen & 1) == 0) return json_.fail(Where{&where, "flow"}, "is missing");
    if ((seen & 2) == 0) return json_.fail(Where{&where, "second"}, "is missing");
    if ((seen & 4) == 0) return json_.fail(Where{&where, "features"}, "is missing");
    if (shape_.bins != 0 && (seen & 8) == 0) {
      return json_.fail(Where{&where, "bins"},
                        "is missing; " + std::string(shape_.id) + " needs " + std::to_string(shape_.bins));
    }
    // Windows of one flow in a row share an entry, until the flow ends: a later window of that name is a new
    // flow.
    if (job_.flows.empty() || !(job_.flows.back().id == flow.id) || job_.flows.back().end) {
      job_.flows.emplace_back().id = flow.id;
      job_.flows.back().tag = flow.raw.tag();
    }
    job_.flows.back().end = end;
    Answer& answer = job_.answers.emplace_back();
    answer.second = second;
    answer.flow = static_cast<std::uint32_t>(job_.flows.size() - 1);
    return true;
  }

  // Exactly `count` numbers; `out` may be null: they are only checked.
  bool read_row(const Where& where, ondemand::value value, float* out, std::size_t count, bool no_negative) {
    ondemand::array array;
    if (!json_.read(where, value, array)) return false;
    std::size_t got = 0;
    const bool read = for_each_element(json_, array, [&](std::int64_t index, ondemand::value element) {
      if (got == count) return json_.fail(where, more_than(count));
      float number = 0;
      const Where here{&where, {}, index};
      if (!json_.read(here, element, number)) return false;
      if (no_negative && number < 0) return json_.fail(here, "a byte count is not negative");
      if (out != nullptr) out[got] = number;
      ++got;
      return true;
    });
    if (!read) return false;
    if (got == count) return true;
    return json_.fail(where, std::to_string(got) + " numbers; " + std::string(shape_.id) + " takes " +
                                 std::to_string(count));
  }

  [[nodiscard]] std::string more_than(std::size_t count) const {
    return "more than " + std::to_string(count) + " numbers; " + std::string(shape_.id) + " takes " +
           std::to_string(count);
  }

  bool read_flows(const Where& where, ondemand::value value) {
    ondemand::array array;
    if (!json_.read(where, value, array)) return false;
    return for_each_element(json_, array, [&](std::int64_t index, ondemand::value element) {
      const Where here{&where, {}, index};
      if (!shape_.packets) {
        return json_.fail(here, std::string(shape_.id) + " is of view " + std::string(shape_.view) +
                                    "; packets need one of view packet");
      }
      if (static_cast<std::size_t>(index) >= rules_.windows) {
        return json_.fail(where, "more than " + std::to_string(rules_.windows) + " flows in one request");
      }
      ondemand::object flow;
      return json_.read(here, element, flow) && read_flow(here, flow);
    });
  }

  bool read_flow(const Where& where, ondemand::object& object) {
    Job::Flow flow;
    flow.first_packet = static_cast<std::uint32_t>(job_.packets.size());
    Named named;
    unsigned seen = 0;
    const bool read = for_each_member(json_, object, [&](std::string_view key, ondemand::value value) {
      const Where here{&where, key};
      if (key == "flow")
        return json_.once(here, seen, 1) && read_flow_name(json_, here, value, body_, rules_, named);
      if (key == "packets") return json_.once(here, seen, 2) && read_packets(here, value);
      if (key == "until") return json_.once(here, seen, 4) && json_.read_time(here, value, flow.until_ns);
      if (key == "end") return json_.once(here, seen, 8) && json_.read(here, value, flow.end);
      return unknown_key(json_, where, key, "flow, packets, until, end");
    });
    if (!read) return false;
    if ((seen & 1) == 0) return json_.fail(Where{&where, "flow"}, "is missing");
    if ((seen & 2) == 0) return json_.fail(Where{&where, "packets"}, "is missing");
    flow.id = named.id;
    flow.tag = named.raw.tag();
    flow.packets = static_cast<std::uint32_t>(job_.packets.size()) - flow.first_packet;
    job_.flows.push_back(std::move(flow));
    return true;
  }

  bool read_packets(const Where& where, ondemand::value value) {
    ondemand::array array;
    if (!json_.read(where, value, array)) return false;
    std::int64_t last_second = -1;
    return for_each_element(json_, array, [&](std::int64_t index, ondemand::value element) {
      if (job_.packets.size() >= rules_.packets) {
        return json_.fail(where, "more than " + std::to_string(rules_.packets) + " packets in one request");
      }
      const Where here{&where, {}, index};
      PacketIn& packet = job_.packets.emplace_back();
      if (!read_packet(here, element, packet)) return false;
      const std::int64_t second = packet.time_ns / 1'000'000'000;
      if (second == last_second) return true;
      last_second = second;
      if (++windows_ <= rules_.windows) return true;
      return json_.fail(where,
                        "packets of more than " + std::to_string(rules_.windows) + " seconds in one request");
    });
  }

  bool read_packet(const Where& where, ondemand::value value, PacketIn& packet) {
    ondemand::array array;
    if (!json_.read(where, value, array)) return false;
    std::int64_t got = 0;
    const bool read = for_each_element(json_, array, [&](std::int64_t index, ondemand::value element) {
      const Where here{&where, {}, index};
      got = index + 1;
      if (index == 0) return json_.read_time(here, element, packet.time_ns);
      if (index == 1) {
        std::int64_t bytes = 0;
        if (!json_.read(here, element, 0, UINT32_MAX, bytes)) return false;
        packet.bytes = static_cast<std::uint32_t>(bytes);
        return true;
      }
      if (index == 2) return read_direction(here, element, packet.direction);
      return json_.fail(where, "[time, size, direction] is expected, not more");
    });
    if (!read) return false;
    return got == 3 ||
           json_.fail(where, "[time, size, direction] is expected, not " + std::to_string(got) + " values");
  }

  bool read_direction(const Where& where, ondemand::value value, Direction& direction) {
    constexpr std::string_view kExpected = "\"up\", \"down\", 0 (up) or 1 (down)";
    ondemand::json_type type{};
    const auto error = value.type().get(type);
    if (error != simdjson::SUCCESS) return json_.malformed(error);
    if (type == ondemand::json_type::number) {
      std::int64_t number = 0;
      if (!json_.read(where, value, 0, 1, number)) return false;
      direction = number == 1 ? Direction::kDown : Direction::kUp;
      return true;
    }
    if (type != ondemand::json_type::string) {
      return json_.unexpected(where, value, simdjson::INCORRECT_TYPE, kExpected);
    }
    std::string_view word;
    if (!json_.read(where, value, word)) return false;
    if (word != "up" && word != "down") return json_.fail(where, std::string(kExpected) + " is expected");
    direction = word == "down" ? Direction::kDown : Direction::kUp;
    return true;
  }

  static constexpr std::size_t kBins = 40;

  JsonReader json_;
  std::string_view body_;
  const ClassifyRules& rules_;
  Job& job_;
  ModelShape shape_;
  std::size_t windows_ = 0;
  bool named_first_ = false;
  bool known_ = false;  // the model is that of the request
};

bool read_truth(JsonReader& json, const Where& where, ondemand::object& object, std::string_view body,
                const ClassifyRules& rules, TruthIn& truth) {
  Named flow;
  unsigned seen = 0;
  const bool read = for_each_member(json, object, [&](std::string_view key, ondemand::value value) {
    const Where here{&where, key};
    if (key == "flow")
      return json.once(here, seen, 1) && read_flow_name(json, here, value, body, rules, flow);
    if (key == "second")
      return json.once(here, seen, 2) && json.read(here, value, 0, kLatestSecond, truth.second);
    if (key == "truth") {
      std::string_view word;
      if (!json.once(here, seen, 4) || !json.read(here, value, word)) return false;
      truth.video = word == "video";
      return truth.video || word == "non-video" || json.fail(here, "\"video\" or \"non-video\" is expected");
    }
    return unknown_key(json, where, key, "flow, second, truth");
  });
  if (!read) return false;
  truth.flow = flow.id;
  constexpr std::string_view kRequired[] = {"flow", "second", "truth"};
  for (unsigned i = 0; i < 3; ++i) {
    if ((seen & 1U << i) == 0) return json.fail(Where{&where, kRequired[i]}, "is missing");
  }
  return true;
}

bool read_truths(JsonReader& json, std::string_view body, const ClassifyRules& rules,
                 std::vector<TruthIn>& truths) {
  ondemand::object root;
  if (!json.begin(root)) return false;
  unsigned seen = 0;
  const bool read = for_each_member(json, root, [&](std::string_view key, ondemand::value value) {
    const Where where{&kRoot, key};
    if (key != "truths") return unknown_key(json, kRoot, key, "truths");
    ondemand::array array;
    if (!json.once(where, seen, 1) || !json.read(where, value, array)) return false;
    return for_each_element(json, array, [&](std::int64_t index, ondemand::value element) {
      if (truths.size() >= rules.windows) {
        return json.fail(where, "more than " + std::to_string(rules.windows) + " truths in one request");
      }
      const Where here{&where, {}, index};
      ondemand::object truth;
      return json.read(here, element, truth) &&
             read_truth(json, here, truth, body, rules, truths.emplace_back());
    });
  });
  if (!read) return false;
  if (seen == 0) return json.fail(Where{&kRoot, "truths"}, "is missing");
  return json.at_end();
}

bool read_alias_body(JsonReader& json, std::string& reference) {
  ondemand::object root;
  if (!json.begin(root)) return false;
  unsigned seen = 0;
  const bool read = for_each_member(json, root, [&](std::string_view key, ondemand::value value) {
    const Where where{&kRoot, key};
    if (key != "model") return unknown_key(json, kRoot, key, "model");
    std::string_view text;
    if (!json.once(where, seen, 1) || !json.read(where, value, text)) return false;
    reference = text;
    return !reference.empty() || json.fail(where, "is empty");
  });
  if (!read) return false;
  if (seen == 0) return json.fail(Where{&kRoot, "model"}, "is missing");
  return json.at_end();
}

}  // namespace

ModelShape shape_of(const ServedModel& model) {
  return {model.id(),
          model.features(),
          model.bins(),
          model.state_width(),
          model.schema().view == View::kPacket,
          model.schema().name};
}

std::optional<Problem> read_classify(JsonParser& parser, std::string_view body, const ClassifyRules& rules,
                                     Job& job, std::size_t& windows) {
  ClassifyReader reader(parser, body, rules, job);
  const bool read = reader.read();
  windows = reader.windows();
  return read ? std::nullopt : std::optional(reader.take_problem());
}

std::optional<Problem> read_feedback(JsonParser& parser, std::string_view body, const ClassifyRules& rules,
                                     std::vector<TruthIn>& truths) {
  JsonReader json(parser, body);
  return read_truths(json, body, rules, truths) ? std::nullopt : std::optional(json.take_problem());
}

std::optional<Problem> read_alias(JsonParser& parser, std::string_view body, std::string& reference) {
  JsonReader json(parser, body);
  return read_alias_body(json, reference) ? std::nullopt : std::optional(json.take_problem());
}

}  // namespace reelsense::server
