#include "cli/run/remote_sink.h"

#include <algorithm>

namespace reelsense::cli {

RemoteSink::RemoteSink(LabelStream& stream, LabelSink& labelled, const RemoteSinkOptions& options)
    : stream_(stream), labelled_(labelled), options_(options) {}

void RemoteSink::on_windows(std::span<const WindowRow> rows) {
  for (const WindowRow& row : rows) {
    make_room();
    if (failed_) return;
    stream_.add(row);
    windows_.push_back({row, 0, false});
    windows_.back().row.features = nullptr;
    windows_.back().row.bins = nullptr;
    if (released_ + windows_.size() - sent_ >= options_.windows_per_message) send();
  }
  receive(false);
}

void RemoteSink::on_flow_end(const FlowSummary& flow) {
  make_room();
  if (failed_) return;
  stream_.end_flow(flow.flow_id);
  if (++unsent_ends_ >= options_.windows_per_message) send();
  hold_end({released_ + windows_.size(), flow});
}

void RemoteSink::on_second_end(std::int64_t k) {
  make_room();
  if (failed_) return;
  hold_end({released_ + windows_.size(), k});
  if (options_.wait_for_seconds) wait_for_all();
}

void RemoteSink::end_input() {
  wait_for_all();
  if (!failed_) labelled_.end_input();
}

Status RemoteSink::close() {
  const Status closed = stream_.close();
  return problem_ ? closed : problem_;
}

void RemoteSink::hold_end(HeldEnd end) {
  ends_.push_back(std::move(end));
  release();
}

void RemoteSink::make_room() {
  while (!failed_ && windows_.size() + ends_.size() >= options_.max_held) {
    send();
    receive(true);
  }
}

void RemoteSink::wait_for_all() {
  send();
  while (!failed_ && !windows_.empty()) receive(true);
}

void RemoteSink::send() {
  const std::uint64_t end = released_ + windows_.size();
  if (failed_ || (sent_ == end && unsent_ends_ == 0)) return;
  const std::uint64_t message = sent_;
  sent_ = end;
  unsent_ends_ = 0;
  // A message that cannot be sent is not yet the end: labels that came before are still to be had.
  if (!stream_.send(message)) receive(true);
}

void RemoteSink::receive(bool wait) {
  if (failed_) return;
  labels_.clear();
  const bool open = stream_.receive(labels_, wait);
  for (const StreamedLabel& label : labels_) {
    if (!take(label)) {
      return fail("it labelled second " + std::to_string(label.second) +
                  " of a flow, which it was not asked or had labelled before");
    }
  }
  release();
  if (!open && !windows_.empty()) failed_ = true;  // close() says why
}

// A message holds few windows, so that looking through it costs less than an index.
bool RemoteSink::take(const StreamedLabel& label) {
  const std::uint64_t message_end = std::min(label.message + options_.windows_per_message, sent_);
  for (std::uint64_t n = std::max(label.message, released_); n < message_end; ++n) {
    HeldWindow& window = windows_[static_cast<std::size_t>(n - released_)];
    if (window.row.flow_id != label.flow_id || window.row.second != label.second) continue;
    if (window.labelled) return false;
    window.row.decision = label.decision;
    window.model = label.model;
    window.labelled = true;
    return true;
  }
  return false;
}

// Hands on, from the front, what is labelled and the ends between.
void RemoteSink::release() {
  for (;;) {
    while (!ends_.empty() && ends_.front().after == released_) {
      const HeldEnd end = std::move(ends_.front());
      ends_.pop_front();
      if (const auto* flow = std::get_if<FlowSummary>(&end.what)) {
        labelled_.on_flow_end(*flow);
      } else {
        labelled_.on_second_end(std::get<std::int64_t>(end.what));
      }
    }
    const std::uint64_t limit = ends_.empty() ? released_ + windows_.size() : ends_.front().after;
    const auto most = static_cast<std::size_t>(limit - released_);
    std::size_t n = 0;
    while (n < most && windows_[n].labelled && windows_[n].model == windows_.front().model) ++n;
    if (n == 0) return;
    hand_on(n);
  }
}

void RemoteSink::hand_on(std::size_t windows) {
  if (windows_.front().model != model_) {
    model_ = windows_.front().model;
    model_name_ = stream_.model_name(model_);
    labelled_.on_model(model_name_);
  }
  rows_.clear();
  for (std::size_t i = 0; i < windows; ++i) rows_.push_back(windows_[i].row);
  windows_.erase(windows_.begin(), windows_.begin() + static_cast<std::ptrdiff_t>(windows));
  released_ += windows;
  labelled_.on_windows(rows_);
}

void RemoteSink::fail(std::string message) {
  failed_ = true;
  problem_ = Error{ErrorCode::kCorrupt, std::move(message)};
  stream_.cancel();
}

}  // namespace reelsense::cli
