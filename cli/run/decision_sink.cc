#include "cli/run/decision_sink.h"

#include <algorithm>

#include "reelsense/flow/flow_key.h"

namespace reelsense::cli {

DecisionSink::DecisionSink(Output& out, DecisionWriter& rows, const DecisionSinkOptions& options)
    : out_(out), rows_(rows), options_(options) {}

std::size_t DecisionSink::AddressHash::operator()(const Address& address) const noexcept {
  const AddressWords words = to_words(address);
  const std::uint64_t mixed = (words.high ^ (words.low * 0x9e3779b97f4a7c15ULL)) * 0xff51afd7ed558ccdULL;
  return static_cast<std::size_t>(mixed ^ (mixed >> 32));
}

void DecisionSink::on_windows(std::span<const WindowRow> rows) {
  for (const WindowRow& row : rows) add_to_session(row, mark_flow(row));
}

FlowPolicy::Mark DecisionSink::mark_flow(const WindowRow& row) {
  FlowEntry& flow = flows_[row.flow_id];
  const FlowPolicy::Mark mark =
      flow.policy.step(options_.policy, row.second, row.decision, row.bytes_up, row.bytes_down,
                       requests_of(View::kPacket, row.features), &peers_);
  const bool changed = mark.dscp != flow.dscp;
  flow.dscp = mark.dscp;
  if (options_.flows && (changed || !options_.changes)) {
    rows_.write({row.second, &row.flow, row.decision, row.bytes_up, row.bytes_down, nullptr, mark, changed});
  }
  return mark;
}

void DecisionSink::add_to_session(const WindowRow& row, FlowPolicy::Mark mark) {
  // A second that lies before closed ones means that the clock was set anew.
  if (!sessions_.empty() && row.second < next_second_) forget_sessions();
  if (!sessions_.empty()) close_until(row.second - 1);
  if (sessions_.empty()) next_second_ = row.second;

  const auto [at, added] = index_.try_emplace(row.flow.client, sessions_.size());
  if (added) {
    if (sessions_.size() >= options_.max_sessions) {
      index_.erase(at);
      ++refused_;
      return;
    }
    Session session{.who = {}, .policy = SessionPolicy(options_.policy)};
    session.who.client = row.flow.client;
    session.who.ip_version = row.flow.ip_version;
    sessions_.push_back(session);
  }
  Session& session = sessions_[at->second];
  session.bytes_up += row.bytes_up;
  session.bytes_down += row.bytes_down;
  session.policy.add(row.decision, row.bytes_up, row.bytes_down, row.bins, mark);
}

void DecisionSink::on_flow_end(const FlowSummary& flow) {
  flows_.erase(flow.flow_id);
}

void DecisionSink::on_second_end(std::int64_t k) {
  close_until(k);
  if (options_.flush_seconds) out_.flush();
}

void DecisionSink::close_until(std::int64_t k) {
  while (!sessions_.empty() && next_second_ <= k) close_second(next_second_++);
}

void DecisionSink::close_second(std::int64_t k) {
  for (Session& session : sessions_) {
    const SessionResult result = session.policy.end_second(k);
    session.over = result.over;
    if (!options_.changes || session.is_new || result.qos.changed) {
      rows_.write({k,
                   &session.who,
                   options_.to_decision(result.probability),
                   session.bytes_up,
                   session.bytes_down,
                   &result.qos,
                   {},
                   result.qos.changed});
    }
    session.is_new = false;
    session.bytes_up = 0;
    session.bytes_down = 0;
  }
  if (std::erase_if(sessions_, [](const Session& session) { return session.over; }) == 0) return;
  index_.clear();
  for (std::size_t i = 0; i < sessions_.size(); ++i) index_[sessions_[i].who.client] = i;
}

void DecisionSink::end_input() {
  const auto open = [](const Session& session) { return session.bytes_up + session.bytes_down > 0; };
  if (std::any_of(sessions_.begin(), sessions_.end(), open)) close_second(next_second_);
  forget_sessions();
  flows_.clear();
  peers_ = {};
}

void DecisionSink::forget_sessions() {
  sessions_.clear();
  index_.clear();
}

}  // namespace reelsense::cli
