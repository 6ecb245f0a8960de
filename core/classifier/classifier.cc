#include "reelsense/classifier/classifier.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

#include "check_options.h"
#include "reelsense/features/feature_state.h"
#include "reelsense/flow/event_clock.h"
#include "reelsense/flow/flow_table.h"
#include "reelsense/flow/fragment_table.h"

namespace reelsense {
namespace {

constexpr std::int64_t kFinishedLingerNs = 5 * kSecondNs;
constexpr std::size_t kLookahead = 32;  // packets whose cache lines are fetched ahead
constexpr std::uint32_t kBinNs = 50'000'000;
constexpr std::size_t kBatch = UeModel::kMaxBatch;

// Per slot, beside the table's header: what every packet touches …
struct alignas(64) SlotHot {
  FeatureHot features;
  std::int64_t first_ns;
  std::uint64_t bytes[2];
  std::uint32_t packets[2];
  std::uint32_t windows;
  std::uint32_t video_windows;
};
// … and what a window's opening and end touch.
struct SlotCold {
  FeatureCold features;
  std::uint32_t flow_id;    // low bits of WindowRow::flow_id
  std::uint32_t active_at;  // place in the list of open windows
};
static_assert(sizeof(SlotHot) == 128);
constexpr std::size_t kBytesPerFlow =
    FlowTable::bytes_per_flow() + sizeof(SlotHot) + sizeof(SlotCold) + sizeof(std::uint32_t);
static_assert(kBytesPerFlow <= 512, "a flow's state, index and history included, stays within 512 bytes");

std::size_t index_of(Direction direction) noexcept {
  return static_cast<std::size_t>(direction);
}

template <class Counters, class Reason>
void count(Counters& counters, Reason reason, std::uint64_t by = 1) noexcept {
  counters[static_cast<std::size_t>(reason)] += by;
}

}  // namespace

const char* name_of(FlowEnd reason) noexcept {
  constexpr std::array<const char*, static_cast<std::size_t>(FlowEnd::kCount)> kNames = {
      "finished", "idle", "active", "reopened", "evicted", "time_step", "end"};
  const auto i = static_cast<std::size_t>(reason);
  return i < kNames.size() ? kNames[i] : "unknown";
}

struct Classifier::Impl {
  // Packets on their way, with fragments' ports filled in.
  struct Block {
    std::span<const ParsedPacket> packets;
    std::array<KeyedPacket, kLookahead> keyed;
    std::array<ParsedPacket, kLookahead> resolved;
  };

  Impl(const UeModel* ue_model, ClassifierSink& rows_to, const ClassifierOptions& limits)
      : model(ue_model),
        sink(rows_to),
        options(limits),
        table(limits.max_flows),
        hot(limits.max_flows),
        cold(limits.max_flows),
        active(limits.max_flows) {}

  void add(std::span<const ParsedPacket> packets) noexcept;
  void prepare(std::span<const ParsedPacket> packets, Block& block) noexcept;
  void resolve_fragments(Block& block) noexcept;
  void prefetch(const Block& block, std::size_t i) const noexcept;
  void judge(const KeyedPacket& keyed, const ParsedPacket& packet) noexcept;
  void step() noexcept;

  void enter(std::int64_t t_ns) noexcept;
  void begin_second(std::int64_t t_ns) noexcept;
  void process(const KeyedPacket& keyed, const ParsedPacket& packet) noexcept;
  void place(const KeyedPacket& keyed, const ParsedPacket& packet, std::int64_t t_ns) noexcept;
  std::uint32_t slot_for(const KeyedPacket& keyed, const ParsedPacket& packet, std::int64_t t_ns) noexcept;
  std::uint32_t open_flow(const KeyedPacket& keyed, const ParsedPacket& packet, std::int64_t t_ns) noexcept;
  void open_window(std::uint32_t slot) noexcept;
  void compact_active() noexcept;
  void count_bytes(std::uint32_t slot, Direction direction, const ParsedPacket& packet,
                   std::int64_t t_ns) noexcept;
  void follow_tcp(std::uint32_t slot, bool from_a, std::uint8_t tcp_flags) noexcept;

  void close_second() noexcept;
  void close_window(std::uint32_t slot) noexcept;
  void flush() noexcept;
  void expire(std::int64_t now_ns) noexcept;
  void end_old_flows(std::int64_t now_ns) noexcept;
  void end_flow(std::uint32_t slot, FlowEnd reason) noexcept;
  void end_all(FlowEnd reason) noexcept;
  [[nodiscard]] FiveTuple five_tuple(std::uint32_t slot) const noexcept;
  [[nodiscard]] std::uint64_t flow_id(std::uint32_t slot) const noexcept;

  const UeModel* model;
  ClassifierSink& sink;
  ClassifierOptions options;
  ClassifierStats stats;

  EventClock clock;
  std::int64_t second = 0;  // the clock's second; meaningful once the clock started
  std::int64_t second_start_ns = 0;
  std::int64_t second_end_ns = INT64_MIN;
  std::int64_t next_active_end_ns = INT64_MAX;  // no flow is over the active timeout before it

  FlowTable table;
  FragmentTable fragments;
  LazyArray<SlotHot> hot;
  LazyArray<SlotCold> cold;
  LazyArray<std::uint32_t> active;  // slots with an open window, by first packet; kNone where closed early
  std::uint32_t active_count = 0;
  std::array<Block, 2> blocks;

  // The batch being filled.
  std::size_t batch_count = 0;
  std::array<WindowRow, kBatch> rows;
  alignas(64) std::array<float, kBatch * kFeatureCount> features;
  alignas(64) std::array<std::uint32_t, kBatch * kBinValues> bins;
  std::array<Decision, kBatch> decisions;
};

// ---------------------------------------------------------------- packets

// Two blocks are under way: while the flows of one are worked on, the cache lines of the next come in.
void Classifier::Impl::add(std::span<const ParsedPacket> packets) noexcept {
  Block* now = &blocks[0];
  Block* next = &blocks[1];
  now->packets = {};
  do {
    const std::size_t n = std::min(kLookahead, packets.size());
    prepare(packets.first(n), *next);
    packets = packets.subspan(n);
    const std::size_t ahead = next->packets.size();
    for (std::size_t i = 0; i < now->packets.size(); ++i) {
      if (i < ahead) prefetch(*next, i);
      const ParsedPacket& packet = now->packets[i];
      if (clock.follows(packet.time_ns)) [[likely]] {
        enter(packet.time_ns);
        place(now->keyed[i], packet, packet.time_ns);
      } else {
        judge(now->keyed[i], packet);
      }
    }
    for (std::size_t i = now->packets.size(); i < ahead; ++i) prefetch(*next, i);
    std::swap(now, next);
  } while (!now->packets.empty() || !packets.empty());
}

// Keys and hashes of a block; asks for its places in the index.
void Classifier::Impl::prepare(std::span<const ParsedPacket> packets, Block& block) noexcept {
  block.packets = packets;
  bool fragmented = false;
  for (std::size_t i = 0; i < packets.size(); ++i) {
    fragmented |= packets[i].first_fragment || packets[i].later_fragment;
    key_of(packets[i], block.keyed[i]);
    table.prefetch_index(block.keyed[i].hash);
  }
  if (fragmented) resolve_fragments(block);
}

void Classifier::Impl::resolve_fragments(Block& block) noexcept {
  std::size_t n = 0;
  for (const ParsedPacket& packet : block.packets) {
    block.resolved[n] = packet;
    if (packet.first_fragment) fragments.remember(packet);
    if (packet.later_fragment && !fragments.resolve(block.resolved[n])) {
      count(stats.dropped, DropReason::kFragmentUnknown);
      continue;
    }
    key_of(block.resolved[n], block.keyed[n]);
    ++n;
  }
  block.packets = {block.resolved.data(), n};
}

inline void Classifier::Impl::prefetch(const Block& block, std::size_t i) const noexcept {
  const std::uint32_t slot = table.likely_slot(block.keyed[i].hash);
  if (slot == FlowTable::kNone) return;
  __builtin_prefetch(&table[slot], 1);
  __builtin_prefetch(&hot[slot], 1);
  __builtin_prefetch(reinterpret_cast<const char*>(&hot[slot]) + 64, 1);
  // The bin of its time, should the clock not move on to another second before. Unsigned: times may be
  // anything.
  const auto offset_ns =
      static_cast<std::uint64_t>(block.packets[i].time_ns) - static_cast<std::uint64_t>(second_start_ns);
  const auto bin = static_cast<std::size_t>(static_cast<std::uint32_t>(offset_ns) / kBinNs);
  __builtin_prefetch(&cold[slot].features.bins[std::min(bin, kBinsPerWindow - 1)], 1);
}

void Classifier::Impl::judge(const KeyedPacket& keyed, const ParsedPacket& packet) noexcept {
  const EventClock::Verdict verdict = clock.judge(packet);
  count(stats.dropped, DropReason::kTimeStep, clock.dropped());
  switch (verdict) {
    case EventClock::Verdict::kFits:
      process(keyed, packet);
      break;
    case EventClock::Verdict::kHeld:
      break;
    case EventClock::Verdict::kStep:
      step();
      break;
    case EventClock::Verdict::kInvalid:
      count(stats.dropped, DropReason::kTimeStep);
      break;
  }
}

// The held packets showed that time really stepped: everything before it ends.
void Classifier::Impl::step() noexcept {
  std::array<ParsedPacket, EventClock::kStepPackets> held;
  const std::size_t n = clock.held().size();
  std::copy_n(clock.held().begin(), n, held.begin());
  ++stats.time_steps;
  close_second();
  end_all(FlowEnd::kTimeStep);
  clock.restart();
  second_end_ns = INT64_MIN;
  for (std::size_t i = 0; i < n; ++i) process(key_of(held[i]), held[i]);
}

// Moves the clock to t_ns; when that lies in a later second, the present one is closed first.
inline void Classifier::Impl::enter(std::int64_t t_ns) noexcept {
  if (t_ns >= second_end_ns) begin_second(t_ns);
  clock.move_to(t_ns);
}

void Classifier::Impl::begin_second(std::int64_t t_ns) noexcept {
  if (clock.started()) close_second();
  second = t_ns / kSecondNs;
  second_start_ns = second * kSecondNs;
  second_end_ns = second_start_ns + kSecondNs;
  expire(second_start_ns);
}

// A packet whose time is believed, be it late or not.
void Classifier::Impl::process(const KeyedPacket& keyed, const ParsedPacket& packet) noexcept {
  const std::int64_t t_ns = packet.time_ns;
  if (clock.started() && t_ns < clock.now_ns()) {
    ++stats.late;
    place(keyed, packet, std::max(t_ns, second_start_ns));
  } else {
    enter(t_ns);
    place(keyed, packet, t_ns);
  }
}

inline void Classifier::Impl::place(const KeyedPacket& keyed, const ParsedPacket& packet,
                                    std::int64_t t_ns) noexcept {
  const std::uint32_t slot = slot_for(keyed, packet, t_ns);
  FlowHeader& header = table[slot];
  t_ns = std::max(t_ns, header.last_ns);
  header.last_ns = t_ns;
  if (!header.window_open) open_window(slot);
  const Direction direction = keyed.from_a == header.client_is_a ? Direction::kUp : Direction::kDown;
  count_bytes(slot, direction, packet, t_ns);
  if ((packet.tcp_flags & (kTcpFin | kTcpRst)) != 0 && !header.finished) {
    follow_tcp(slot, keyed.from_a, packet.tcp_flags);
  }
}

inline std::uint32_t Classifier::Impl::slot_for(const KeyedPacket& keyed, const ParsedPacket& packet,
                                                std::int64_t t_ns) noexcept {
  const std::uint32_t slot = table.find(keyed.key, keyed.hash);
  if (slot != FlowTable::kNone) {
    const bool opens = packet.protocol == kProtocolTcp && (packet.tcp_flags & (kTcpSyn | kTcpAck)) == kTcpSyn;
    if (!opens || !table[slot].finished) return slot;
    end_flow(slot, FlowEnd::kReopened);
  }
  return open_flow(keyed, packet, t_ns);
}

std::uint32_t Classifier::Impl::open_flow(const KeyedPacket& keyed, const ParsedPacket& packet,
                                          std::int64_t t_ns) noexcept {
  if (table.full()) {
    const std::uint32_t finished = table.oldest_finished();
    end_flow(finished != FlowTable::kNone ? finished : table.oldest_live(), FlowEnd::kEvicted);
  }
  const std::uint32_t slot = table.insert(keyed.key, keyed.hash);
  FlowHeader& header = table[slot];
  header.client_is_a = sender_is_client(packet) == keyed.from_a;
  header.last_ns = t_ns;
  hot[slot] = SlotHot{};
  hot[slot].first_ns = t_ns;
  cold[slot] = SlotCold{};
  cold[slot].flow_id = static_cast<std::uint32_t>(stats.flows);
  next_active_end_ns = std::min(next_active_end_ns, t_ns + options.active_timeout_ns);
  ++stats.flows;
  stats.live_flows = table.size();
  stats.peak_flows = std::max(stats.peak_flows, table.size());
  return slot;
}

void Classifier::Impl::open_window(std::uint32_t slot) noexcept {
  table[slot].window_open = true;
  table.touch(slot);
  if (active_count == options.max_flows) compact_active();
  cold[slot].active_at = active_count;
  active[active_count++] = slot;
  FeatureState(hot[slot].features, cold[slot].features).open_window(hot[slot].first_ns, second);
}

// Windows closed early left holes; without them the open ones, this flow's not yet among them, leave room.
void Classifier::Impl::compact_active() noexcept {
  std::uint32_t kept = 0;
  for (std::uint32_t i = 0; i < active_count; ++i) {
    if (active[i] == FlowTable::kNone) continue;
    cold[active[i]].active_at = kept;
    active[kept++] = active[i];
  }
  active_count = kept;
}

inline void Classifier::Impl::count_bytes(std::uint32_t slot, Direction direction, const ParsedPacket& packet,
                                          std::int64_t t_ns) noexcept {
  SlotHot& state = hot[slot];
  FeatureState features_of(state.features, cold[slot].features);
  const auto offset_ns = static_cast<std::uint32_t>(t_ns - second_start_ns);
  ++stats.records;
  if (packet.wire_bytes <= kMtuBytes) [[likely]] {
    ++stats.packets;
    features_of.add(direction, packet.wire_bytes, offset_ns);
    return;
  }
  const SuperPacket stands_for = expand_super_packet(packet.wire_bytes, packet.header_bytes);
  ++stats.super_packets;
  stats.packets += stands_for.count;
  for (std::uint32_t i = 1; i < stands_for.count; ++i) features_of.add(direction, kMtuBytes, offset_ns);
  features_of.add(direction, stands_for.last_bytes, offset_ns);
}

void Classifier::Impl::follow_tcp(std::uint32_t slot, bool from_a, std::uint8_t tcp_flags) noexcept {
  FlowHeader& header = table[slot];
  if ((tcp_flags & kTcpFin) != 0) {
    header.fin_from_a |= from_a;
    header.fin_from_b |= !from_a;
  }
  if ((tcp_flags & kTcpRst) != 0 || (header.fin_from_a && header.fin_from_b)) table.finish(slot);
}

// ---------------------------------------------------------------- windows

void Classifier::Impl::close_second() noexcept {
  if (!clock.started()) return;
  for (std::uint32_t i = 0; i < active_count; ++i) {
    if (i + 4 < active_count && active[i + 4] != FlowTable::kNone) {
      const auto* ahead = reinterpret_cast<const char*>(&cold[active[i + 4]]);
      for (std::size_t line = 0; line < sizeof(SlotCold); line += 64) __builtin_prefetch(ahead + line, 1);
      __builtin_prefetch(&hot[active[i + 4]]);
    }
    if (active[i] != FlowTable::kNone) close_window(active[i]);
  }
  active_count = 0;
  flush();
  sink.on_second_end(second);
}

void Classifier::Impl::close_window(std::uint32_t slot) noexcept {
  FlowHeader& header = table[slot];
  assert(header.window_open);
  header.window_open = false;
  active[cold[slot].active_at] = FlowTable::kNone;
  ++hot[slot].windows;

  const std::size_t n = batch_count++;
  SlotHot& state = hot[slot];
  float* row_features = &features[n * kFeatureCount];
  std::uint32_t* row_bins = &bins[n * kBinValues];
  FeatureState(state.features, cold[slot].features)
      .close_window(state.first_ns, second, row_features, row_bins);

  WindowRow& row = rows[n];
  row.slot = slot;
  row.second = second;
  row.flow = five_tuple(slot);
  row.flow_id = flow_id(slot);
  row.packets_up = state.features.window.packets[index_of(Direction::kUp)];
  row.packets_down = state.features.window.packets[index_of(Direction::kDown)];
  row.bytes_down = 0;
  row.bytes_up = 0;
  for (std::size_t b = 0; b < kBinsPerWindow; ++b) {
    row.bytes_down += row_bins[b];
    row.bytes_up += row_bins[kBinsPerWindow + b];
  }
  row.features = row_features;
  row.bins = row_bins;
  state.packets[index_of(Direction::kUp)] += row.packets_up;
  state.packets[index_of(Direction::kDown)] += row.packets_down;
  state.bytes[index_of(Direction::kUp)] += row.bytes_up;
  state.bytes[index_of(Direction::kDown)] += row.bytes_down;
  if (batch_count == kBatch) flush();
}

// Scores and delivers the batch. Every flow in it is still in the table.
void Classifier::Impl::flush() noexcept {
  if (batch_count == 0) return;
  if (model != nullptr) {
    model->decide(features.data(), batch_count, decisions.data());
  } else {
    std::fill_n(decisions.begin(), batch_count, Decision{});
  }
  for (std::size_t i = 0; i < batch_count; ++i) {
    rows[i].decision = decisions[i];
    const bool video = decisions[i].label == Label::kVideo;
    hot[rows[i].slot].video_windows += video ? 1 : 0;
    stats.video_windows += video ? 1 : 0;
    stats.uncertain_windows += decisions[i].uncertain ? 1 : 0;
  }
  stats.windows += batch_count;
  sink.on_windows({rows.data(), batch_count});
  batch_count = 0;
}

// ---------------------------------------------------------------- ends of flows

void Classifier::Impl::expire(std::int64_t now_ns) noexcept {
  for (std::uint32_t slot = table.oldest_finished(); slot != FlowTable::kNone;) {
    const std::uint32_t next = table.next_of(slot);
    const std::int64_t silent_ns = now_ns - table[slot].last_ns;
    if (silent_ns >= kFinishedLingerNs) {
      end_flow(slot, FlowEnd::kFinished);
    } else if (silent_ns >= options.idle_timeout_ns) {
      end_flow(slot, FlowEnd::kIdle);
    }
    slot = next;
  }
  // The live list is ordered by the second of each flow's latest window: beyond the due second nothing is
  // due.
  const std::int64_t due_ns = now_ns - options.idle_timeout_ns;
  for (std::uint32_t slot = table.oldest_live(); slot != FlowTable::kNone;) {
    const std::int64_t last_ns = table[slot].last_ns;
    if (last_ns / kSecondNs > due_ns / kSecondNs) break;
    const std::uint32_t next = table.next_of(slot);
    if (last_ns <= due_ns) end_flow(slot, FlowEnd::kIdle);
    slot = next;
  }
  if (now_ns >= next_active_end_ns) end_old_flows(now_ns);
}

// Ends flows over the active timeout and finds when the next one is due, so that most seconds look at none.
void Classifier::Impl::end_old_flows(std::int64_t now_ns) noexcept {
  next_active_end_ns = INT64_MAX;
  for (std::uint32_t head : {table.oldest_finished(), table.oldest_live()}) {
    for (std::uint32_t slot = head; slot != FlowTable::kNone;) {
      const std::uint32_t next = table.next_of(slot);
      const std::int64_t end_ns = hot[slot].first_ns + options.active_timeout_ns;
      if (end_ns <= now_ns) {
        end_flow(slot, FlowEnd::kActive);
      } else {
        next_active_end_ns = std::min(next_active_end_ns, end_ns);
      }
      slot = next;
    }
  }
}

void Classifier::Impl::end_flow(std::uint32_t slot, FlowEnd reason) noexcept {
  if (table[slot].window_open) {
    close_window(slot);
    flush();
  }
  const SlotHot& state = hot[slot];
  FlowSummary summary;
  summary.flow = five_tuple(slot);
  summary.flow_id = flow_id(slot);
  summary.slot = slot;
  summary.first_ns = state.first_ns;
  summary.last_ns = table[slot].last_ns;
  summary.packets_up = state.packets[index_of(Direction::kUp)];
  summary.packets_down = state.packets[index_of(Direction::kDown)];
  summary.bytes_up = state.bytes[index_of(Direction::kUp)];
  summary.bytes_down = state.bytes[index_of(Direction::kDown)];
  summary.windows = state.windows;
  const std::int64_t seconds = summary.last_ns / kSecondNs - summary.first_ns / kSecondNs + 1;
  summary.idle_windows = static_cast<std::uint32_t>(seconds - summary.windows);
  summary.video_windows = state.video_windows;
  summary.reason = reason;

  stats.idle_windows += summary.idle_windows;
  count(stats.ended, reason);
  table.erase(slot);
  stats.live_flows = table.size();
  sink.on_flow_end(summary);
}

void Classifier::Impl::end_all(FlowEnd reason) noexcept {
  while (table.oldest_finished() != FlowTable::kNone) end_flow(table.oldest_finished(), reason);
  while (table.oldest_live() != FlowTable::kNone) end_flow(table.oldest_live(), reason);
  next_active_end_ns = INT64_MAX;
}

FiveTuple Classifier::Impl::five_tuple(std::uint32_t slot) const noexcept {
  const FlowHeader& header = table[slot];
  const FlowKey& key = header.key;
  FiveTuple flow;
  flow.client = to_address(header.client_is_a ? key.a : key.b);
  flow.server = to_address(header.client_is_a ? key.b : key.a);
  flow.client_port = header.client_is_a ? key.a_port : key.b_port;
  flow.server_port = header.client_is_a ? key.b_port : key.a_port;
  flow.protocol = key.protocol;
  flow.ip_version = key.ip_version;
  return flow;
}

// The slot keeps the low 32 bits; a live flow is never 2^32 flows old.
std::uint64_t Classifier::Impl::flow_id(std::uint32_t slot) const noexcept {
  const std::uint64_t newest = stats.flows - 1;
  return newest - (static_cast<std::uint32_t>(newest) - cold[slot].flow_id);
}

// ---------------------------------------------------------------- the public face

Classifier::Classifier(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
Classifier::Classifier(Classifier&&) noexcept = default;
Classifier& Classifier::operator=(Classifier&&) noexcept = default;
Classifier::~Classifier() = default;

Result<Classifier> Classifier::create(const UeModel* model, ClassifierSink& sink,
                                      const ClassifierOptions& options) {
  if (const Status fits = check_options(model, View::kPacket, options); !fits) return fits.error();
  return Classifier(std::make_unique<Impl>(model, sink, options));
}

void Classifier::add(std::span<const ParsedPacket> packets) noexcept {
  impl_->add(packets);
}

void Classifier::count_drop(DropReason reason) noexcept {
  count(impl_->stats.dropped, reason);
}

void Classifier::advance(std::int64_t now_ns) noexcept {
  if (impl_->clock.started() && now_ns > impl_->clock.now_ns()) impl_->enter(now_ns);
}

void Classifier::finish() noexcept {
  if (!impl_->clock.held().empty()) impl_->step();
  impl_->close_second();
  impl_->end_all(FlowEnd::kEnd);
  impl_->clock.restart();
  impl_->second_end_ns = INT64_MIN;
  impl_->fragments = FragmentTable{};
}

void Classifier::set_model(const UeModel* model) noexcept {
  assert(model == nullptr || model->view() == View::kPacket);
  impl_->model = model;
}

const ClassifierStats& Classifier::stats() const noexcept {
  return impl_->stats;
}

std::uint32_t Classifier::held_packets() const noexcept {
  return static_cast<std::uint32_t>(impl_->clock.held().size());
}

std::size_t Classifier::bytes_per_flow() noexcept {
  return kBytesPerFlow;
}

std::size_t Classifier::memory_bytes() const noexcept {
  return sizeof(Impl) + impl_->table.capacity() * kBytesPerFlow;
}

}  // namespace reelsense
