#include "cli/run/session_sink.h"

#include <algorithm>

#include "reelsense/flow/flow_key.h"

namespace reelsense::cli {

SessionTable::SessionTable(ToDecision to_decision, std::size_t max_sessions, Emit emit)
    : to_decision_(std::move(to_decision)), max_sessions_(max_sessions), emit_(std::move(emit)) {}

std::size_t SessionTable::AddressHash::operator()(const Address& address) const noexcept {
  const AddressWords words = to_words(address);
  const std::uint64_t mixed = (words.high ^ (words.low * 0x9e3779b97f4a7c15ULL)) * 0xff51afd7ed558ccdULL;
  return static_cast<std::size_t>(mixed ^ (mixed >> 32));
}

void SessionTable::add(const WindowRow& row) {
  // A second that lies before closed ones means that the clock was set anew.
  if (!sessions_.empty() && row.second < next_second_) finish();
  if (sessions_.empty()) next_second_ = row.second;
  if (row.second > next_second_) end_second(row.second - 1);
  if (sessions_.empty()) next_second_ = row.second;

  const auto [at, added] = index_.try_emplace(row.flow.client, sessions_.size());
  if (added) {
    if (sessions_.size() >= max_sessions_) {
      index_.erase(at);
      ++refused_;
      return;
    }
    Session session;
    session.who.client = row.flow.client;
    session.who.ip_version = row.flow.ip_version;
    sessions_.push_back(session);
  }
  SessionSecond& second = sessions_[at->second].open;
  second.packets_up += row.packets_up;
  second.packets_down += row.packets_down;
  second.bytes_up += row.bytes_up;
  second.bytes_down += row.bytes_down;
  second.add(row.decision.probability, row.bytes_down);
}

void SessionTable::end_second(std::int64_t k) {
  while (!sessions_.empty() && next_second_ <= k) close_second(next_second_++);
}

void SessionTable::close_second(std::int64_t k) {
  for (Session& session : sessions_) {
    const auto score = static_cast<float>(session.score.step(session.open));
    const SessionSecond& open = session.open;
    emit_({k, &session.who, true, open.packets_up, open.packets_down, open.bytes_up, open.bytes_down,
           to_decision_(score)});
    session.open = {};
  }
  const auto over = [](const Session& session) { return session.score.is_over(); };
  if (std::none_of(sessions_.begin(), sessions_.end(), over)) return;
  std::erase_if(sessions_, over);
  index_.clear();
  for (std::size_t i = 0; i < sessions_.size(); ++i) index_[sessions_[i].who.client] = i;
}

void SessionTable::finish() {
  const auto open = [](const Session& session) { return session.open.has_windows(); };
  if (std::any_of(sessions_.begin(), sessions_.end(), open)) close_second(next_second_);
  sessions_.clear();
  index_.clear();
}

}  // namespace reelsense::cli
