#include "cli/run/label_sink.h"

#include "reelsense/flow/flow_key.h"

namespace reelsense::cli {
namespace {

// A ribbon's track of a session: its client's address, folded.
std::uint64_t session_track(const Address& client) noexcept {
  const AddressWords words = to_words(client);
  return words.high * 0x9e3779b97f4a7c15ULL ^ words.low;
}

}  // namespace

LabelSink::LabelSink(Output& out, RowWriter* rows, Ribbon* ribbon, const LabelSinkOptions& options)
    : out_(out), rows_(rows), ribbon_(ribbon), options_(options) {
  if (options_.sessions) {
    sessions_.emplace(options_.to_decision, options_.max_sessions,
                      [this](const LabelRow& row) { emit(session_track(row.flow->client), row); });
  }
}

void LabelSink::on_windows(std::span<const WindowRow> rows) {
  for (const WindowRow& row : rows) {
    bytes_down_ += row.bytes_down;
    if (row.decision.label == Label::kVideo) {
      video_bytes_down_ += row.bytes_down;
      ++video_windows_;
    }
    if (row.decision.uncertain) ++uncertain_windows_;
    if (options_.timed != nullptr) latency_.offer(row.features);
    if (options_.truth != nullptr) options_.truth->compare(row);
    if (sessions_) {
      sessions_->add(row);
    } else {
      emit(row.flow_id, LabelRow::of(row));
    }
  }
}

void LabelSink::emit(std::uint64_t track_id, const LabelRow& row) {
  if (ribbon_ != nullptr) ribbon_->add(track_id, row);
  if (row.decision.confidence < options_.min_confidence) {
    ++hidden_;
  } else if (rows_ != nullptr) {
    rows_->write(row);
    ++written_;
  }
}

void LabelSink::on_flow_end(const FlowSummary& flow) {
  if (ribbon_ != nullptr && !sessions_) ribbon_->end_track(flow.flow_id);
}

void LabelSink::on_second_end(std::int64_t k) {
  if (sessions_) sessions_->end_second(k);
  if (options_.flush_seconds) out_.flush();
}

void LabelSink::on_model(std::string_view model) {
  if (rows_ != nullptr) rows_->set_model(model);
}

void LabelSink::end_input() {
  if (sessions_) sessions_->finish();
}

void LabelSink::fill(Summary& summary) const {
  summary.stats.video_windows = video_windows_;
  summary.stats.uncertain_windows = uncertain_windows_;
  summary.bytes_down = bytes_down_;
  summary.video_bytes_down = video_bytes_down_;
  summary.rows = written_;
  summary.hidden_rows = hidden_;
  if (sessions_) summary.refused_windows = sessions_->refused_windows();
  if (options_.timed != nullptr) summary.latency = latency_.measure(*options_.timed);
  if (options_.truth != nullptr) summary.truth = options_.truth->report();
}

}  // namespace reelsense::cli
