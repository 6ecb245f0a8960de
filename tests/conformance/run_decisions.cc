#include <fstream>

#include "runner.h"

namespace conformance {
namespace {

const char* label_of(const rs_decision& decision) {
  return decision.label == RS_VIDEO ? "video" : "non-video";
}
const char* name_of(std::uint8_t reason) {
  return rs_reason_name(static_cast<rs_reason>(reason));
}

json to_json(const rs_window& window) {
  return {{"window",
           {{"second", window.second},
            {"flow", window.flow},
            {"probability", window.decision.probability},
            {"label", label_of(window.decision)},
            {"uncertain", window.decision.uncertain != 0},
            {"dscp", window.dscp},
            {"dscp_reason", name_of(window.dscp_reason)}}}};
}

json to_json(const rs_second& second) {
  const rs_qos& qos = second.qos;
  return {{"second",
           {{"second", second.second},
            {"probability", second.session.probability},
            {"label", label_of(second.session)},
            {"uncertain", second.session.uncertain != 0},
            {"prefetch_depth", qos.prefetch_depth},
            {"buffer_target_ms", qos.buffer_target_ms},
            {"max_bitrate_kbps", qos.max_bitrate_kbps},
            {"throughput_kbps", qos.throughput_kbps},
            {"reasons",
             {name_of(qos.prefetch_reason), name_of(qos.buffer_reason), name_of(qos.bitrate_reason)}}}}};
}

std::vector<json> decide(const fs::path& root, const json& header) {
  std::vector<json> lines;
  rs_options options;
  rs_options_init(&options, sizeof options);
  options.max_flows = header["max_flows"];
  options.user = &lines;
  options.on_windows = [](void* user, const rs_window* windows, size_t n) {
    for (size_t i = 0; i < n; ++i) static_cast<std::vector<json>*>(user)->push_back(to_json(windows[i]));
  };
  options.on_second = [](void* user, const rs_second* second) {
    static_cast<std::vector<json>*>(user)->push_back(to_json(*second));
  };
  const ModelHandle model = load_model(root / header["model"].get<std::string>());
  const ClassifierHandle classifier = make_classifier(model.get(), options);
  add_capture(classifier.get(), read_capture(root / header["capture"].get<std::string>()));
  return lines;
}

void compare(const std::string& where, const json& got, const json& expected) {
  const std::string kind = expected.begin().key();
  if (!got.contains(kind))
    throw std::runtime_error(where + ": got a " + got.begin().key() + ", expected a " + kind);
  for (const auto& [key, value] : expected[kind].items()) {
    const std::string what = where + " " + kind + "." + key;
    if (key == "probability") {
      expect_close(what, got[kind][key], value);
    } else {
      expect_equal(what, got[kind][key], value);
    }
  }
}

}  // namespace

void run_decisions(const fs::path& root, const fs::path& file) {
  const std::vector<json> expected = read_lines(root / file);
  const std::vector<json> got = decide(root, expected.front());
  expect_equal("lines", got.size(), expected.size() - 1);
  for (std::size_t i = 0; i < got.size(); ++i)
    compare("line " + std::to_string(i + 2), got[i], expected[i + 1]);
}

void write_decisions(const fs::path& root, const fs::path& file) {
  const json header = read_lines(root / file).front();
  const std::vector<json> lines = decide(root, header);
  std::ofstream out(root / file);
  out << header.dump() << '\n';
  for (const json& line : lines) out << line.dump() << '\n';
  if (!out) throw std::runtime_error("cannot write " + file.string());
}

}  // namespace conformance
