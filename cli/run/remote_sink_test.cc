#include "cli/run/remote_sink.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>

namespace reelsense::cli {
namespace {

// Labels when told to; keeps what was sent.
class ScriptedStream : public LabelStream {
 public:
  struct Sent {
    std::uint64_t message;
    std::uint64_t flow_id;
    std::int64_t second;
  };

  void add(const WindowRow& row) override { building_.push_back({0, row.flow_id, row.second}); }
  void end_flow(std::uint64_t flow_id) override { ended_.push_back(flow_id); }
  bool send(std::uint64_t message) override {
    if (over_) return false;
    for (Sent& window : building_) window.message = message;
    most_waiting_ = std::max(most_waiting_, waiting_.size() + building_.size());
    waiting_.insert(waiting_.end(), building_.begin(), building_.end());
    building_.clear();
    ++messages_;
    return true;
  }
  // Someone who waits is answered as `on_wait` says.
  bool receive(std::vector<StreamedLabel>& labels, bool wait) override {
    if (wait && ready_.empty() && !over_) on_wait();
    labels.insert(labels.end(), ready_.begin(), ready_.end());
    const bool open = !over_ || !ready_.empty();
    ready_.clear();
    return open;
  }
  [[nodiscard]] std::string model_name(std::uint32_t model) const override {
    return "m@" + std::to_string(model);
  }
  Status close() override {
    if (over_) return Error{ErrorCode::kIo, "gone"};
    return ok_status();
  }
  void cancel() override { over_ = true; }

  // Labels the n-th waiting window.
  void label(std::size_t n, std::uint32_t model = 0) {
    const Sent window = waiting_.at(n);
    waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(n));
    ready_.push_back({window.message, window.flow_id, window.second, {}, model});
  }
  void label_last() { label(waiting_.size() - 1); }

  std::function<void()> on_wait = [this] { label_last(); };
  std::vector<Sent> building_;
  std::vector<Sent> waiting_;
  std::vector<StreamedLabel> ready_;
  std::vector<std::uint64_t> ended_;
  std::size_t most_waiting_ = 0;
  std::size_t messages_ = 0;
  bool over_ = false;
};

class RemoteSinkTest : public ::testing::Test {
 protected:
  RemoteSinkTest()
      : path_(
            (std::filesystem::path(::testing::TempDir()) / ("sink." + std::to_string(::getpid()))).string()),
        out_(Output::open(path_).value()),
        rows_(RowWriter::create(RowFormat::kCsv, out_, {}, "first@1")),
        labelled_(out_, rows_.get(), nullptr, {}) {}
  ~RemoteSinkTest() override { std::filesystem::remove(path_); }

  void window(RemoteSink& sink, std::uint64_t flow, std::int64_t second) {
    WindowRow row;
    row.flow_id = flow;
    row.flow.client_port = static_cast<std::uint16_t>(flow);
    row.second = second;
    row.features = features_.data();
    row.bins = bins_.data();
    sink.on_windows({&row, 1});
  }

  // "second:flow" and, where it is not m@0, the model of the rows written so far.
  std::string written() {
    out_.flush();
    std::ifstream in(path_);
    std::string text;
    for (std::string line; std::getline(in, line);) {
      std::vector<std::string> fields;
      std::string field;
      for (std::istringstream parts(line); std::getline(parts, field, ',');) fields.push_back(field);
      text += (text.empty() ? "" : " ") + fields.at(0) + ":" + fields.at(2);
      if (fields.back() != "m@0") text += "(" + fields.back() + ")";
    }
    return text;
  }

  static RemoteSinkOptions options(std::size_t max_held, std::size_t windows_per_message) {
    RemoteSinkOptions made;
    made.max_held = max_held;
    made.windows_per_message = windows_per_message;
    return made;
  }

  std::string path_;
  Output out_;
  std::unique_ptr<RowWriter> rows_;
  LabelSink labelled_;
  ScriptedStream stream_;
  std::array<float, kFeatureCount> features_{};
  std::array<std::uint32_t, kBinValues> bins_{};
};

TEST_F(RemoteSinkTest, LabelsInAnyOrder_AreWrittenInTheirs) {
  RemoteSink sink(stream_, labelled_, options(100, 3));
  for (const auto& [flow, second] : {std::pair{1, 10}, {2, 10}, {3, 10}, {1, 11}, {2, 11}, {3, 11}}) {
    window(sink, static_cast<std::uint64_t>(flow), second);
  }
  EXPECT_EQ(stream_.messages_, 2U);
  stream_.label(5);
  stream_.label(1);
  sink.on_second_end(11);
  EXPECT_EQ(written(), "");
  stream_.label(0);
  window(sink, 1, 12);  // looks for labels on the way
  EXPECT_EQ(written(), "10:1 10:2");
  sink.end_input();
  EXPECT_EQ(written(), "10:1 10:2 10:3 11:1 11:2 11:3 12:1");
  EXPECT_EQ(sink.windows_labelled(), 7U);
  EXPECT_TRUE(sink.close().ok());
}

TEST_F(RemoteSinkTest, FullHold_WaitsForLabels) {
  RemoteSink sink(stream_, labelled_, options(8, 3));
  for (std::int64_t second = 0; second < 1000; ++second) window(sink, 1, second);
  sink.end_input();
  EXPECT_LE(stream_.most_waiting_, 8U);
  EXPECT_GE(stream_.most_waiting_, 6U);
  EXPECT_EQ(sink.windows_labelled(), 1000U);
}

TEST_F(RemoteSinkTest, EndsOfFlows_AreBoundedToo) {
  RemoteSink sink(stream_, labelled_, options(8, 4));
  window(sink, 1, 10);
  for (std::uint64_t flow = 100; flow < 200; ++flow) {
    FlowSummary summary;
    summary.flow_id = flow;
    sink.on_flow_end(summary);
  }
  sink.end_input();
  EXPECT_EQ(stream_.ended_.size(), 100U);
  EXPECT_EQ(written(), "10:1");
}

TEST_F(RemoteSinkTest, LiveReader_GetsEachSecondWhenItEnds) {
  RemoteSinkOptions live = options(100, 64);
  live.wait_for_seconds = true;
  RemoteSink sink(stream_, labelled_, live);
  window(sink, 1, 10);
  window(sink, 2, 10);
  EXPECT_EQ(written(), "");
  sink.on_second_end(10);
  EXPECT_EQ(written(), "10:1 10:2");
}

TEST_F(RemoteSinkTest, OtherModel_IsNamedFromItsFirstWindowOn) {
  RemoteSink sink(stream_, labelled_, options(100, 2));
  for (std::int64_t second = 0; second < 4; ++second) window(sink, 1, second);
  stream_.label(0, 0);
  stream_.label(0, 1);
  stream_.label(0, 1);
  stream_.label(0, 0);
  sink.end_input();
  EXPECT_EQ(written(), "0:1 1:1(m@1) 2:1(m@1) 3:1");
  EXPECT_EQ(sink.model(), "m@0");
}

TEST_F(RemoteSinkTest, StreamThatEnds_KeepsWhatWasLabelledAndDropsTheRest) {
  RemoteSink sink(stream_, labelled_, options(4, 2));
  for (std::int64_t second = 0; second < 3; ++second) window(sink, 1, second);
  stream_.label(0);
  stream_.over_ = true;
  for (std::int64_t second = 3; second < 50; ++second) window(sink, 1, second);
  sink.end_input();
  EXPECT_TRUE(sink.failed());
  EXPECT_EQ(written(), "0:1");
  EXPECT_EQ(sink.close().error().message, "gone");
}

TEST_F(RemoteSinkTest, LabelOfNothingThatWasAsked_EndsTheStream) {
  const StreamedLabel odd[] = {{0, 9, 0, {}, 0},  // another flow
                               {0, 1, 7, {}, 0},  // another second
                               {1, 1, 0, {}, 0},  // another message
                               {UINT64_MAX, 1, 0, {}, 0}};
  for (const StreamedLabel& label : odd) {
    ScriptedStream stream;
    RemoteSink sink(stream, labelled_, options(100, 2));
    for (std::int64_t second = 0; second < 3; ++second) window(sink, 1, second);
    stream.ready_.push_back(label);
    sink.end_input();
    EXPECT_TRUE(sink.failed());
    EXPECT_NE(sink.close().error().message.find("not asked"), std::string::npos);
  }
}

}  // namespace
}  // namespace reelsense::cli
