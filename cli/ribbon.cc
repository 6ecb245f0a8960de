#include "cli/ribbon.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "cli/output/format.h"

namespace reelsense::cli {
namespace {

constexpr std::size_t kMostCells = 7200;  // of one track: flows end earlier by the active timeout
constexpr const char* kReset = "\x1b[0m";

// How cells look: one colour a class and shade, letters where there is no colour.
struct Style {
  bool colour;
  bool utf8;

  [[nodiscard]] std::string idle() const {
    const std::string dot = utf8 ? "·" : ".";
    return colour ? "\x1b[38;5;240m" + dot : dot;
  }
  [[nodiscard]] std::string cell(RibbonCell cell) const {
    if (cell.idle()) return idle();
    if (!colour) return cell.video() ? (cell.uncertain() ? "v" : "V") : (cell.uncertain() ? "n" : "N");
    // Three shades from pale to full as confidence grows.
    constexpr std::array kVideo = {"180", "215", "208"};
    constexpr std::array kOther = {"67", "32", "27"};
    const std::size_t shade = cell.confidence() < 0.7F ? 0 : cell.confidence() < 0.9F ? 1 : 2;
    const std::string block = !utf8 ? (cell.uncertain() ? "?" : "#") : (cell.uncertain() ? "▒" : "█");
    return "\x1b[38;5;" + std::string(cell.video() ? kVideo[shade] : kOther[shade]) + "m" + block;
  }
  [[nodiscard]] std::string end() const { return colour ? kReset : ""; }
};

// The seconds that the picture spans and how many go into a cell.
struct Scale {
  std::int64_t first = 0;
  std::int64_t seconds = 1;
  std::int64_t per_cell = 1;
  std::size_t cells = 1;
};

Scale scale_to(const std::vector<RibbonTrack>& tracks, std::size_t width) {
  Scale scale;
  std::int64_t end = tracks.front().first_second + 1;
  scale.first = tracks.front().first_second;
  for (const RibbonTrack& track : tracks) {
    scale.first = std::min(scale.first, track.first_second);
    end = std::max(end, track.first_second + static_cast<std::int64_t>(track.cells.size()));
  }
  scale.seconds = end - scale.first;
  const auto columns = static_cast<std::int64_t>(width);
  const std::int64_t least = (scale.seconds + columns - 1) / columns;
  scale.per_cell = least;
  // A round number of seconds a cell makes the axis readable.
  for (const std::int64_t nice : {1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600}) {
    if (nice < least) continue;
    scale.per_cell = nice;
    break;
  }
  scale.cells = static_cast<std::size_t>((scale.seconds + scale.per_cell - 1) / scale.per_cell);
  return scale;
}

std::string draw_cells(const RibbonTrack& track, const Scale& scale, const Style& style) {
  std::string text;
  const std::int64_t offset = track.first_second - scale.first;
  const auto size = static_cast<std::int64_t>(track.cells.size());
  for (std::size_t i = 0; i < scale.cells; ++i) {
    const std::int64_t start = static_cast<std::int64_t>(i) * scale.per_cell - offset;
    const std::int64_t from = std::clamp<std::int64_t>(start, 0, size);
    const std::int64_t to = std::clamp<std::int64_t>(start + scale.per_cell, 0, size);
    const bool outside = start + scale.per_cell <= 0 || start >= size;
    // Outside its life a flow is blank, between its packets a dot.
    text += outside ? " " : style.cell(majority(track.cells.data() + from, track.cells.data() + to));
  }
  return text + style.end();
}

std::string duration_text(std::int64_t seconds) {
  char text[32];
  if (seconds < 60) {
    std::snprintf(text, sizeof text, "%lld s", static_cast<long long>(seconds));
  } else if (seconds < 3600) {
    std::snprintf(text, sizeof text, "%lld:%02lld", static_cast<long long>(seconds / 60),
                  static_cast<long long>(seconds % 60));
  } else {
    std::snprintf(text, sizeof text, "%lld:%02lld:%02lld", static_cast<long long>(seconds / 3600),
                  static_cast<long long>(seconds / 60 % 60), static_cast<long long>(seconds % 60));
  }
  return text;
}

// A label of elapsed time every ten or twenty cells, under the cell it names.
std::string draw_axis(const Scale& scale, std::size_t margin) {
  const std::size_t step = scale.cells > 100 ? 20 : 10;
  std::string line(margin, ' ');
  for (std::size_t at = 0; at < scale.cells; at += step) {
    line.resize(std::max(line.size(), margin + at), ' ');
    line += "|" + duration_text(static_cast<std::int64_t>(at) * scale.per_cell);
  }
  return line + "\n";
}

// Cut in the middle, so that both the address and the port can be told.
std::string fit(const std::string& text, std::size_t width) {
  if (text.size() <= width) return text + std::string(width - text.size(), ' ');
  const std::size_t tail = (width - 2) / 2;
  return text.substr(0, width - 2 - tail) + ".." + text.substr(text.size() - tail);
}

std::string track_name(const RibbonTrack& track, bool with_client) {
  if (track.is_session) return address_text(track.flow.client);
  char protocol[16];
  *put_protocol(protocol, track.flow.protocol) = '\0';
  const std::string server = endpoint_text(track.flow.server, track.flow.server_port);
  const std::string name = std::string(protocol) + " " + server;
  return with_client ? endpoint_text(track.flow.client, track.flow.client_port) + " > " + name : name;
}

std::string legend(const Style& style, const Scale& scale) {
  const auto sample = [&](bool video, float confidence, bool uncertain) {
    return style.cell(RibbonCell::of({0, confidence, video ? Label::kVideo : Label::kNonVideo, uncertain})) +
           style.end();
  };
  const auto scale_text = "1 cell = " + duration_text(scale.per_cell);
  std::string shades[2];
  for (const bool video : {false, true}) {
    if (style.colour) shades[video] = sample(video, 0.6F, false) + sample(video, 0.8F, false);
    shades[video] += sample(video, 1.0F, false);
  }
  return shades[1] + " video   " + shades[0] + " non-video   " + sample(true, 0.55F, true) +
         sample(false, 0.55F, true) + " uncertain   " + style.idle() + style.end() + " idle   " + scale_text +
         "\n";
}

}  // namespace

RibbonCell RibbonCell::of(const Decision& decision) noexcept {
  const float level = std::clamp((decision.confidence - 0.5F) * 62.0F, 0.0F, 31.0F);
  const unsigned code = 0x80U | (decision.label == Label::kVideo ? 0x40U : 0U) |
                        (decision.uncertain ? 0x20U : 0U) | static_cast<unsigned>(level + 0.5F);
  return {static_cast<std::uint8_t>(code)};
}

RibbonCell majority(const RibbonCell* begin, const RibbonCell* end) noexcept {
  std::array<int, 2> count{};
  std::array<int, 2> uncertain{};
  std::array<float, 2> confidence{};
  for (const RibbonCell* cell = begin; cell != end; ++cell) {
    if (cell->idle()) continue;
    const std::size_t video = cell->video() ? 1 : 0;
    ++count[video];
    uncertain[video] += cell->uncertain() ? 1 : 0;
    confidence[video] += cell->confidence();
  }
  if (count[0] + count[1] == 0) return {};
  const std::size_t video =
      count[1] != count[0] ? (count[1] > count[0] ? 1 : 0) : (confidence[1] > confidence[0] ? 1 : 0);
  return RibbonCell::of({0, confidence[video] / static_cast<float>(count[video]),
                         video == 1 ? Label::kVideo : Label::kNonVideo, 2 * uncertain[video] > count[video]});
}

void Ribbon::add(std::uint64_t track_id, const LabelRow& row) {
  RibbonTrack& track = live_[track_id];
  if (track.cells.empty()) {
    track.flow = *row.flow;
    track.is_session = row.is_session;
    track.first_second = row.second;
  }
  track.bytes += row.bytes_up + row.bytes_down;
  const std::int64_t at = row.second - track.first_second;
  if (at < 0 || at >= static_cast<std::int64_t>(kMostCells)) return;
  const auto index = static_cast<std::size_t>(at);
  if (index >= track.cells.size()) track.cells.resize(index + 1);
  track.cells[index] = RibbonCell::of(row.decision);
}

void Ribbon::end_track(std::uint64_t track_id) {
  const auto at = live_.find(track_id);
  if (at == live_.end()) return;
  keep(std::move(at->second));
  live_.erase(at);
}

void Ribbon::keep(RibbonTrack track) {
  ended_.push_back(std::move(track));
  if (ended_.size() >= 2 * top_ + 64) prune(top_);
}

void Ribbon::prune(std::size_t limit) {
  std::stable_sort(ended_.begin(), ended_.end(),
                   [](const RibbonTrack& a, const RibbonTrack& b) { return a.bytes > b.bytes; });
  for (std::size_t i = limit; i < ended_.size(); ++i) {
    ++pruned_;
    pruned_bytes_ += ended_[i].bytes;
  }
  if (ended_.size() > limit) ended_.resize(limit);
}

std::string Ribbon::draw(const std::string& name, const Terminal& terminal) {
  for (auto& [id, track] : live_) keep(std::move(track));
  live_.clear();
  prune(top_);
  const std::vector<RibbonTrack> tracks = std::move(ended_);
  ended_.clear();
  const std::uint64_t hidden = std::exchange(pruned_, 0);
  const std::uint64_t hidden_bytes = std::exchange(pruned_bytes_, 0);
  if (tracks.empty()) return name + ": no windows\n";

  const Style style{terminal.colour, terminal.utf8};
  const bool with_client = std::any_of(tracks.begin(), tracks.end(), [&](const RibbonTrack& track) {
    return track.flow.client != tracks.front().flow.client;
  });
  std::size_t name_width = 0;
  for (const RibbonTrack& track : tracks)
    name_width = std::max(name_width, track_name(track, with_client).size());
  name_width = std::clamp(name_width, std::size_t{8}, std::max<std::size_t>(20, terminal.width * 2 / 5));
  const std::size_t margin = name_width + 11;
  const Scale scale = scale_to(tracks, terminal.width > margin + 20 ? terminal.width - margin : 20);

  std::string text = name + "   " + utc_text(scale.first) + " UTC, " + duration_text(scale.seconds);
  if (!with_client && !tracks.front().is_session)
    text += ", client " + address_text(tracks.front().flow.client);
  text += "\n";
  for (const RibbonTrack& track : tracks) {
    char bytes[16];
    std::snprintf(bytes, sizeof bytes, " %8s  ", bytes_text(track.bytes).c_str());
    text += fit(track_name(track, with_client), name_width) + bytes + draw_cells(track, scale, style) + "\n";
  }
  text += draw_axis(scale, margin);
  if (hidden != 0) {
    const char* what = tracks.front().is_session ? " sessions (" : " flows (";
    text += "and " + grouped(hidden) + " smaller" + what + bytes_text(hidden_bytes) + "); --top shows more\n";
  }
  return text + legend(style, scale);
}

}  // namespace reelsense::cli
