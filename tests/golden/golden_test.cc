// The golden vectors: what the plain reference program (tests/reference) says of each capture, against the
// product's reader, parser and classifier. README.md describes the files.
//
// Counts, order, bins and statistics must be equal; features to 1e-6 relative with a floor of 1e-6.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

#include "reelsense/classifier/classifier.h"
#include "reelsense/features/schema.h"
#include "reelsense/ingest/capture.h"
#include "reelsense/packet/packet.h"

namespace reelsense {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr double kTolerance = 1e-6;
constexpr std::size_t kMismatchesShown = 10;

const fs::path& golden_folder() {
  static const fs::path folder = fs::path(REELSENSE_SOURCE_DIR) / "tests" / "golden";
  return folder;
}

struct Vectors {
  json header;
  std::vector<json> rows;
  std::vector<json> flows;  // in the order of their first packets
};

Vectors read_vectors(const std::string& name) {
  Vectors vectors;
  std::ifstream file(golden_folder() / "vectors" / (name + ".jsonl"));
  for (std::string line; std::getline(file, line);) {
    json object = json::parse(line);
    if (vectors.header.is_null()) {
      vectors.header = std::move(object);
    } else if (object.contains("features")) {
      vectors.rows.push_back(std::move(object));
    } else {
      vectors.flows.push_back(std::move(object));
    }
  }
  return vectors;
}

// Keeps copies of all that the classifier says.
class Collector final : public ClassifierSink {
 public:
  struct Row {
    WindowRow row;
    FeatureVector features{};
    std::array<std::uint32_t, kBinValues> bins{};
  };

  void on_windows(std::span<const WindowRow> windows) override {
    for (const WindowRow& window : windows) {
      Row row{window, {}, {}};
      std::copy_n(window.features, kFeatureCount, row.features.begin());
      std::copy_n(window.bins, kBinValues, row.bins.begin());
      rows.push_back(row);
    }
  }
  void on_flow_end(const FlowSummary& summary) override { flows.push_back(summary); }

  // Flows may end in any order within a second; their numbers follow their first packets.
  void sort_flows() {
    std::sort(flows.begin(), flows.end(),
              [](const FlowSummary& a, const FlowSummary& b) { return a.flow_id < b.flow_id; });
  }
  std::size_t place_of(std::uint64_t flow_id) const {
    const auto found =
        std::lower_bound(flows.begin(), flows.end(), flow_id,
                         [](const FlowSummary& a, std::uint64_t id) { return a.flow_id < id; });
    return static_cast<std::size_t>(found - flows.begin());
  }

  std::vector<Row> rows;
  std::vector<FlowSummary> flows;
};

// Gathers differences and shows the first of them.
class Differences {
 public:
  template <class A, class B>
  void expect_equal(const std::string& what, const A& got, const B& expected) {
    if (got == expected) return;
    std::ostringstream text;
    text.precision(17);
    text << what << ": got " << got << ", expected " << expected;
    add(text.str());
  }

  void expect_close(const std::string& what, float got, double expected) {
    const double difference = std::fabs(static_cast<double>(got) - expected);
    if (difference <= std::max(kTolerance, kTolerance * std::fabs(expected))) return;
    std::ostringstream text;
    text.precision(9);
    text << what << ": got " << got << ", expected " << expected << ", difference " << difference;
    add(text.str());
  }

  void add(std::string text) {
    ++count_;
    if (shown_.size() < kMismatchesShown) shown_.push_back(std::move(text));
  }

  [[nodiscard]] bool none() const { return count_ == 0; }
  [[nodiscard]] std::string report(const std::string& capture) const {
    std::ostringstream text;
    text << count_ << " differences";
    if (count_ > shown_.size()) text << ", the first " << shown_.size();
    text << ":\n";
    for (const std::string& line : shown_) text << "  " << line << '\n';
    text << "The reference's own answer: PYTHONPATH=tests/reference python3 -m reelsense_reference "
            "tests/golden/captures/"
         << capture
         << " (options as in the vectors' header). If a definition changed, make the vectors again: "
         << "python3 tests/golden/make_captures.py";
    return text.str();
  }

 private:
  std::size_t count_ = 0;
  std::vector<std::string> shown_;
};

Address to_address(const std::string& text) {
  Address address{};
  if (text.find(':') != std::string::npos) {
    EXPECT_EQ(inet_pton(AF_INET6, text.c_str(), address.data()), 1) << text;
  } else {
    address[10] = address[11] = 0xff;
    EXPECT_EQ(inet_pton(AF_INET, text.c_str(), address.data() + 12), 1) << text;
  }
  return address;
}

std::string to_text(const Address& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  return inet_ntop(AF_INET6, address.data(), text.data(), text.size());
}

void compare_tuple(const std::string& where, const FiveTuple& got, const json& expected, Differences& out) {
  const auto client = expected["client"].get<std::string>();
  const auto server = expected["server"].get<std::string>();
  if (got.client != to_address(client)) out.expect_equal(where + " client", to_text(got.client), client);
  if (got.server != to_address(server)) out.expect_equal(where + " server", to_text(got.server), server);
  out.expect_equal(where + " client_port", got.client_port, expected["client_port"].get<int>());
  out.expect_equal(where + " server_port", got.server_port, expected["server_port"].get<int>());
  out.expect_equal(where + " protocol", +got.protocol, expected["protocol"].get<int>());
  out.expect_equal(where + " ip_version", +got.ip_version, client.find(':') == std::string::npos ? 4 : 6);
}

void compare_row(std::size_t index, const Collector& collector, const json& expected, Differences& out) {
  const Collector::Row& row = collector.rows[index];
  const std::string where = "row " + std::to_string(index) + " (second " +
                            std::to_string(expected["second"].get<std::int64_t>()) + ", flow " +
                            std::to_string(expected["flow"].get<int>()) + ")";
  out.expect_equal(where + " second", row.row.second, expected["second"].get<std::int64_t>());
  out.expect_equal(where + " flow", collector.place_of(row.row.flow_id), expected["flow"].get<std::size_t>());
  compare_tuple(where, row.row.flow, expected, out);
  out.expect_equal(where + " packets_up", row.row.packets_up, expected["packets_up"].get<std::uint32_t>());
  out.expect_equal(where + " packets_down", row.row.packets_down,
                   expected["packets_down"].get<std::uint32_t>());
  out.expect_equal(where + " bytes_up", row.row.bytes_up, expected["bytes_up"].get<std::uint64_t>());
  out.expect_equal(where + " bytes_down", row.row.bytes_down, expected["bytes_down"].get<std::uint64_t>());
  out.expect_equal(where + " probability without a model", row.row.decision.probability, 0.5F);
  out.expect_equal(where + " uncertain without a model", row.row.decision.uncertain, true);
  for (std::size_t i = 0; i < kFeatureCount; ++i) {
    out.expect_close(where + " " + std::string(feature_table()[i].name), row.features[i],
                     expected["features"][i].get<double>());
  }
  for (std::size_t i = 0; i < kBinValues; ++i) {
    out.expect_equal(where + " bin " + std::to_string(i), row.bins[i],
                     expected["bins"][i].get<std::uint32_t>());
  }
}

void compare_flow(const FlowSummary& got, const json& expected, Differences& out) {
  const std::string where = "flow " + std::to_string(expected["flow"].get<int>());
  compare_tuple(where, got.flow, expected, out);
  out.expect_equal(where + " reason", std::string(name_of(got.reason)),
                   expected["reason"].get<std::string>());
  out.expect_equal(where + " first_ns", got.first_ns, expected["first_ns"].get<std::int64_t>());
  out.expect_equal(where + " last_ns", got.last_ns, expected["last_ns"].get<std::int64_t>());
  out.expect_equal(where + " packets_up", got.packets_up, expected["packets_up"].get<std::uint64_t>());
  out.expect_equal(where + " packets_down", got.packets_down, expected["packets_down"].get<std::uint64_t>());
  out.expect_equal(where + " bytes_up", got.bytes_up, expected["bytes_up"].get<std::uint64_t>());
  out.expect_equal(where + " bytes_down", got.bytes_down, expected["bytes_down"].get<std::uint64_t>());
  out.expect_equal(where + " windows", got.windows, expected["windows"].get<std::uint32_t>());
  out.expect_equal(where + " idle_windows", got.idle_windows, expected["idle_windows"].get<std::uint32_t>());
}

// The counters that are not 0, by name.
template <class Reason, class Counts>
json by_name(const Counts& counts) {
  json result = json::object();
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] != 0) result[name_of(static_cast<Reason>(i))] = counts[i];
  }
  return result;
}

json to_json(const ClassifierStats& stats, const ingest::CaptureStatus& status) {
  return {{"records", stats.records},
          {"packets", stats.packets},
          {"super_packets", stats.super_packets},
          {"late", stats.late},
          {"dropped", by_name<DropReason>(stats.dropped)},
          {"skipped", by_name<ingest::SkipReason>(status.skipped)},
          {"time_steps", stats.time_steps},
          {"flows", stats.flows},
          {"peak_flows", stats.peak_flows},
          {"ended", by_name<FlowEnd>(stats.ended)},
          {"windows", stats.windows},
          {"idle_windows", stats.idle_windows}};
}

// Reads the whole capture, `batch` packets to an add(), and returns the statistics.
json classify(const json& header, std::size_t batch, Collector& collector) {
  const fs::path path = golden_folder() / "captures" / header["capture"].get<std::string>();
  auto reader = ingest::open_capture(path.string());
  if (!reader) {
    ADD_FAILURE() << reader.error().message;
    return {};
  }
  ClassifierOptions options;
  options.max_flows = header["options"]["max_flows"].get<std::uint32_t>();
  options.idle_timeout_ns = header["options"]["idle_timeout_ns"].get<std::int64_t>();
  options.active_timeout_ns = header["options"]["active_timeout_ns"].get<std::int64_t>();
  auto classifier = Classifier::create(nullptr, collector, options);
  if (!classifier) {
    ADD_FAILURE() << classifier.error().message;
    return {};
  }
  std::array<ingest::CaptureRecord, 64> records;
  std::vector<ParsedPacket> packets;
  while (const std::size_t count = reader.value()->read(records)) {
    for (std::size_t i = 0; i < count; ++i) {
      const ingest::CaptureRecord& record = records[i];
      ParsedPacket packet;
      const DropReason reason =
          parse_packet(record.link, {record.data, record.captured_bytes}, record.wire_bytes, packet);
      if (reason != DropReason::kNone) {
        classifier.value().count_drop(reason);
        continue;
      }
      packet.time_ns = record.time_ns;
      packets.push_back(packet);
      if (packets.size() == batch) {
        classifier.value().add(packets);
        packets.clear();
      }
    }
  }
  classifier.value().add(packets);
  classifier.value().finish();
  EXPECT_EQ(classifier.value().held_packets(), 0U);
  EXPECT_FALSE(reader.value()->status().truncated_at.has_value());
  EXPECT_FALSE(reader.value()->status().damage.has_value());
  collector.sort_flows();
  return to_json(classifier.value().stats(), reader.value()->status());
}

class GoldenVectors : public testing::TestWithParam<std::tuple<std::string, std::size_t>> {};

TEST_P(GoldenVectors, Classify_GoldenCapture_EqualsReference) {
  const auto& [name, batch] = GetParam();
  const Vectors vectors = read_vectors(name);
  ASSERT_FALSE(vectors.header.is_null());
  ASSERT_EQ(vectors.header["schema"]["version"].get<int>(), kPacketSchemaVersion);
  ASSERT_EQ(vectors.header["schema"]["view"].get<std::string>(), kPacketView);
  ASSERT_EQ(vectors.rows.size(), vectors.header["rows"].get<std::size_t>());

  Collector collector;
  const json stats = classify(vectors.header, batch, collector);

  Differences out;
  for (const auto& [key, expected] : vectors.header["stats"].items()) {
    out.expect_equal("stats " + key, stats.value(key, json()), expected);
  }
  out.expect_equal("rows", collector.rows.size(), vectors.rows.size());
  out.expect_equal("flows", collector.flows.size(), vectors.flows.size());
  for (std::size_t i = 0; i < std::min(collector.rows.size(), vectors.rows.size()); ++i) {
    compare_row(i, collector, vectors.rows[i], out);
  }
  for (std::size_t i = 0; i < std::min(collector.flows.size(), vectors.flows.size()); ++i) {
    compare_flow(collector.flows[i], vectors.flows[i], out);
  }
  EXPECT_TRUE(out.none()) << out.report(vectors.header["capture"].get<std::string>());
}

std::vector<std::string> all_names() {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(golden_folder() / "vectors")) {
    if (entry.path().extension() == ".jsonl") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// One packet at a time, and in batches that end anywhere within a second: the rows may not depend on it.
INSTANTIATE_TEST_SUITE_P(Captures, GoldenVectors,
                         testing::Combine(testing::ValuesIn(all_names()), testing::Values(1U, 37U, 256U)),
                         [](const auto& info) {
                           return std::get<0>(info.param) + "_batch_" +
                                  std::to_string(std::get<1>(info.param));
                         });

TEST(GoldenVectors, Header_EveryFile_NamesTheFeaturesOfTheTableInOrder) {
  std::vector<std::string> table;
  for (const FeatureDefinition& definition : feature_table()) table.emplace_back(definition.name);
  ASSERT_FALSE(all_names().empty());
  for (const std::string& name : all_names()) {
    EXPECT_EQ(read_vectors(name).header["schema"]["features"].get<std::vector<std::string>>(), table) << name;
  }
}

// A tunnel must not change what a flow looks like: every tunnelled capture has the bare flow's rows.
TEST(GoldenVectors, Tunnels_EveryKind_GiveTheRowsOfTheBareFlow) {
  const Vectors bare = read_vectors("tunnel_bare");
  ASSERT_FALSE(bare.rows.empty());
  int tunnels = 0;
  for (const std::string& name : all_names()) {
    if (name.rfind("tunnel_", 0) != 0) continue;
    const Vectors vectors = read_vectors(name);
    EXPECT_EQ(vectors.rows, bare.rows) << name;
    EXPECT_EQ(vectors.flows, bare.flows) << name;
    ++tunnels;
  }
  EXPECT_GE(tunnels, 10);
}

}  // namespace
}  // namespace reelsense
