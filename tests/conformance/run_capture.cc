#include <arpa/inet.h>

#include <algorithm>
#include <array>

#include "runner.h"

namespace conformance {
namespace {

constexpr std::size_t kFeatures = 48;

struct Row {
  rs_window window;
  std::vector<float> features;
  std::vector<std::uint32_t> bins;
};
struct Seen {
  std::vector<Row> rows;
  std::vector<rs_flow_summary> flows;
};

std::string text_of(const std::uint8_t (&address)[16], int version) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const void* bytes = version == 4 ? static_cast<const void*>(address + 12) : address;
  inet_ntop(version == 4 ? AF_INET : AF_INET6, bytes, text.data(), text.size());
  return text.data();
}

void compare_tuple(const std::string& where, const rs_flow_tuple& tuple, const json& expected) {
  expect_equal(where + " client", text_of(tuple.client, tuple.ip_version), expected["client"]);
  expect_equal(where + " server", text_of(tuple.server, tuple.ip_version), expected["server"]);
  expect_equal(where + " client_port", tuple.client_port, expected["client_port"]);
  expect_equal(where + " server_port", tuple.server_port, expected["server_port"]);
  expect_equal(where + " protocol", tuple.protocol, expected["protocol"]);
}

void compare_row(const std::string& where, const Row& row, const json& expected) {
  const rs_window& window = row.window;
  expect_equal(where + " second", window.second, expected["second"]);
  expect_equal(where + " flow", window.flow, expected["flow"]);
  compare_tuple(where, window.tuple, expected);
  expect_equal(where + " packets_up", window.packets_up, expected["packets_up"]);
  expect_equal(where + " packets_down", window.packets_down, expected["packets_down"]);
  expect_equal(where + " bytes_up", window.bytes_up, expected["bytes_up"]);
  expect_equal(where + " bytes_down", window.bytes_down, expected["bytes_down"]);
  expect_equal(where + " bins", row.bins, expected["bins"]);
  for (std::uint32_t f = 0; f < kFeatures; ++f) {
    expect_close(where + " " + rs_feature_name(RS_VIEW_PACKET, f), static_cast<double>(row.features[f]),
                 expected["features"][f]);
  }
}

void compare_flow(const std::string& where, const rs_flow_summary& flow, const json& expected) {
  constexpr const char* kReasons[] = {"finished", "idle",      "active", "reopened",
                                      "evicted",  "time_step", "end"};
  expect_equal(where + " reason", std::string(kReasons[flow.reason]), expected["reason"]);
  compare_tuple(where, flow.tuple, expected);
  expect_equal(where + " first_ns", flow.first_ns, expected["first_ns"]);
  expect_equal(where + " last_ns", flow.last_ns, expected["last_ns"]);
  expect_equal(where + " packets_up", flow.packets_up, expected["packets_up"]);
  expect_equal(where + " packets_down", flow.packets_down, expected["packets_down"]);
  expect_equal(where + " bytes_up", flow.bytes_up, expected["bytes_up"]);
  expect_equal(where + " bytes_down", flow.bytes_down, expected["bytes_down"]);
  expect_equal(where + " windows", flow.windows, expected["windows"]);
  expect_equal(where + " idle_windows", flow.idle_windows, expected["idle_windows"]);
}

}  // namespace

void run_capture(const fs::path& root, const fs::path& file) {
  const std::vector<json> lines = read_lines(root / file);
  const json& header = lines.front();
  Seen seen;
  rs_options options;
  rs_options_init(&options, sizeof options);
  options.max_flows = header["options"]["max_flows"];
  options.idle_timeout_ns = header["options"]["idle_timeout_ns"];
  options.active_timeout_ns = header["options"]["active_timeout_ns"];
  options.user = &seen;
  options.on_windows = [](void* user, const rs_window* windows, size_t n) {
    for (const rs_window* w = windows; w != windows + n; ++w) {
      static_cast<Seen*>(user)->rows.push_back(
          {*w, {w->features, w->features + kFeatures}, {w->bins, w->bins + RS_BINS}});
    }
  };
  options.on_flow_end = [](void* user, const rs_flow_summary* flow) {
    static_cast<Seen*>(user)->flows.push_back(*flow);
  };
  const ClassifierHandle classifier = make_classifier(nullptr, options);
  add_capture(classifier.get(),
              read_capture(root / "tests/golden/captures" / header["capture"].get<std::string>()));

  const std::size_t rows = header["rows"];
  expect_equal("rows", seen.rows.size(), rows);
  expect_equal("ended flows", seen.flows.size(), lines.size() - 1 - rows);
  for (std::size_t i = 0; i < rows; ++i) compare_row("row " + std::to_string(i), seen.rows[i], lines[1 + i]);
  std::stable_sort(seen.flows.begin(), seen.flows.end(),
                   [](const rs_flow_summary& a, const rs_flow_summary& b) { return a.flow < b.flow; });
  for (std::size_t i = 0; i < seen.flows.size(); ++i) {
    compare_flow("flow " + std::to_string(i), seen.flows[i], lines[1 + rows + i]);
  }
}

}  // namespace conformance
