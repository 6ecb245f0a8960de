// RemoteSink: lets a LabelStream label the windows of a classifier without a model, and hands them to a
// LabelSink in the order in which the classifier gave them, so that what is written does not depend on who
// labels.
//
// Bounds: at most `max_held` windows and ends of flows and seconds wait for labels; then the classifier
// waits. Thread safety: none.
#pragma once

#include <cstdint>
#include <deque>
#include <variant>
#include <vector>

#include "cli/run/label_sink.h"
#include "cli/run/label_stream.h"

namespace reelsense::cli {

struct RemoteSinkOptions {
  std::size_t max_held = 4096;
  std::size_t windows_per_message = 64;
  bool wait_for_seconds = false;  // a live reader gets the rows of a second when it ends
};

class RemoteSink : public ClassifierSink {
 public:
  // Both must outlive the sink.
  RemoteSink(LabelStream& stream, LabelSink& labelled, const RemoteSinkOptions& options = {});

  void on_windows(std::span<const WindowRow> rows) override;
  void on_flow_end(const FlowSummary& flow) override;
  void on_second_end(std::int64_t k) override;
  // After the last row of an input: waits for every label.
  void end_input();

  // The stream ended early or answered nonsense: nothing is handed on any more.
  [[nodiscard]] bool failed() const noexcept { return failed_; }
  // Closes the stream; the first thing that went wrong.
  Status close();

  [[nodiscard]] std::uint64_t windows_labelled() const noexcept { return released_; }
  // "name@version" that labelled last; empty: none did.
  [[nodiscard]] const std::string& model() const noexcept { return model_name_; }

 private:
  struct HeldWindow {
    WindowRow row;  // without features and bins
    std::uint32_t model = 0;
    bool labelled = false;
  };
  struct HeldEnd {
    std::uint64_t after = 0;  // number of the window that it comes before
    std::variant<FlowSummary, std::int64_t> what;
  };

  void hold_end(HeldEnd end);
  void make_room();
  void send();
  void receive(bool wait);
  void wait_for_all();
  [[nodiscard]] bool take(const StreamedLabel& label);
  void release();
  void hand_on(std::size_t windows);
  void fail(std::string message);

  static constexpr std::uint32_t kNoModel = 0xffffffffU;

  LabelStream& stream_;
  LabelSink& labelled_;
  RemoteSinkOptions options_;
  std::deque<HeldWindow> windows_;  // the first one is number released_
  std::deque<HeldEnd> ends_;
  std::uint64_t released_ = 0;
  std::uint64_t sent_ = 0;       // windows before this number
  std::size_t unsent_ends_ = 0;  // of flows
  std::vector<StreamedLabel> labels_;
  std::vector<WindowRow> rows_;
  std::uint32_t model_ = kNoModel;
  std::string model_name_;
  bool failed_ = false;
  Status problem_ = ok_status();
};

}  // namespace reelsense::cli
