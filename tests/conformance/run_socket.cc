#include <map>

#include "runner.h"

namespace conformance {
namespace {

struct Row {
  std::int64_t second;
  std::vector<float> features;
};
// One connection with a classifier of its own: the logs' connections are out of order among each other.
struct Connection {
  ClassifierHandle classifier;
  std::uint64_t flow = 0;
  std::vector<Row> rows;
  std::size_t compared = 0;
};

void open(Connection& connection, std::int64_t time_ns) {
  rs_options options;
  rs_options_init(&options, sizeof options);
  options.view = RS_VIEW_SOCKET;
  options.user = &connection.rows;
  options.on_windows = [](void* user, const rs_window* windows, size_t n) {
    for (const rs_window* w = windows; w != windows + n; ++w) {
      const float* end = w->features + rs_feature_count(RS_VIEW_SOCKET);
      static_cast<std::vector<Row>*>(user)->push_back({w->second, {w->features, end}});
    }
  };
  connection.classifier = make_classifier(nullptr, options);
  require_ok(rs_flow_open(connection.classifier.get(), &connection.flow, time_ns), "rs_flow_open");
}

}  // namespace

void run_socket(const fs::path& root, const fs::path& file) {
  const std::uint32_t width = rs_feature_count(RS_VIEW_SOCKET);
  std::map<std::string, Connection> connections;  // nodes stay where they are: callbacks point to rows
  const auto log = read_csv(root / "tests/golden/views/logs" / file.filename());
  for (std::size_t i = 1; i < log.size(); ++i) {
    const std::int64_t time_ns = std::stoll(log[i][0]);
    Connection& connection = connections[log[i][1]];
    if (!connection.classifier) open(connection, time_ns);
    const auto add = log[i][2] == "down" ? rs_flow_read : rs_flow_write;
    require_ok(add(connection.classifier.get(), connection.flow, std::stoull(log[i][3]), time_ns),
               "line " + std::to_string(i + 1));
  }
  for (auto& [name, connection] : connections) {
    require_ok(rs_classifier_finish(connection.classifier.get()), "rs_classifier_finish");
  }

  const auto expected = read_csv(root / file);
  for (std::size_t i = 1; i < expected.size(); ++i) {
    const std::string where = "line " + std::to_string(i + 1);
    Connection& connection = connections.at(expected[i][0]);
    if (connection.compared >= connection.rows.size())
      throw std::runtime_error(where + ": there is no such row");
    const Row& row = connection.rows[connection.compared++];
    expect_equal(where + " second", row.second, std::stoll(expected[i][1]));
    for (std::uint32_t f = 0; f < width; ++f) {
      expect_close(where + " " + rs_feature_name(RS_VIEW_SOCKET, f), static_cast<double>(row.features[f]),
                   std::stod(expected[i][2 + f]));
    }
  }
  for (const auto& [name, connection] : connections) {
    expect_equal("rows of connection " + name, connection.rows.size(), connection.compared);
  }
}

}  // namespace conformance
