#include "cli/run/truth.h"

#include <array>
#include <cstdio>
#include <fstream>
#include <optional>
#include <string_view>
#include <vector>

#include "cli/output/format.h"
#include "cli/output/row_writer.h"

namespace reelsense::cli {
namespace {

constexpr std::uint64_t kActivePackets = 10;
constexpr std::uint64_t kActiveDownBytes = 20'000;
constexpr std::array<std::string_view, 7> kColumns = {"time",        "client_ip", "client_port", "server_ip",
                                                      "server_port", "protocol",  "label"};
constexpr std::size_t kLabelColumn = kColumns.size() - 1;

double share(std::uint64_t part, std::uint64_t whole) noexcept {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

std::vector<std::string_view> split(std::string_view line) {
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  std::vector<std::string_view> fields;
  std::size_t start = 0;
  for (std::size_t comma; (comma = line.find(',', start)) != std::string_view::npos; start = comma + 1) {
    fields.push_back(line.substr(start, comma - start));
  }
  fields.push_back(line.substr(start));
  return fields;
}

// Where in a row each of kColumns stands, or the name of one that is not there.
struct Layout {
  std::array<std::size_t, kColumns.size()> place{};
  std::string_view missing;
};

Layout layout_of(const std::vector<std::string_view>& header) {
  Layout layout;
  for (std::size_t c = 0; c < kColumns.size(); ++c) {
    std::size_t place = 0;
    while (place < header.size() && header[place] != kColumns[c]) ++place;
    if (place == header.size() && layout.missing.empty()) layout.missing = kColumns[c];
    layout.place[c] = place;
  }
  return layout;
}

std::optional<bool> is_video(std::string_view label) {
  if (label == "video") return true;
  if (label == "non-video") return false;
  return std::nullopt;
}

Error problem(const std::string& path, std::size_t line, const std::string& what) {
  return {ErrorCode::kCorrupt, path + ": line " + std::to_string(line) + ": " + what};
}

std::string percent(std::uint64_t windows, double value) {
  if (windows == 0) return "no windows";
  char text[32];
  std::snprintf(text, sizeof text, "%.1f %% of %s", 100 * value, grouped(windows).c_str());
  return text;
}

std::string line_of(const char* name, const Confusion& found) {
  char f1[16] = "-";
  if (found.videos() != 0) std::snprintf(f1, sizeof f1, "%.3f", found.f1());
  return std::string(name) + "video found " + percent(found.videos(), found.recall()) + ", non-video found " +
         percent(found.others(), found.specificity()) + ", F1 " + f1 + "\n";
}

}  // namespace

void Confusion::add(bool video, bool said_video) noexcept {
  auto& count =
      video ? (said_video ? video_as_video : video_as_other) : (said_video ? other_as_video : other_as_other);
  ++count;
}

double Confusion::recall() const noexcept {
  return share(video_as_video, videos());
}

double Confusion::specificity() const noexcept {
  return share(other_as_other, others());
}

double Confusion::f1() const noexcept {
  return share(2 * video_as_video, 2 * video_as_video + video_as_other + other_as_video);
}

Result<Truth> Truth::read(const std::string& path) {
  std::ifstream file(path);
  if (!file) return Error{ErrorCode::kNotFound, path + ": cannot be opened"};
  std::string line;
  std::getline(file, line);
  const std::vector<std::string_view> header = split(line);
  const Layout layout = layout_of(header);
  if (!layout.missing.empty()) return problem(path, 1, "no column " + std::string(layout.missing));

  Truth truth;
  truth.report_.file = path;
  for (std::size_t number = 2; std::getline(file, line); ++number) {
    const std::vector<std::string_view> fields = split(line);
    if (fields.size() != header.size()) {
      return problem(
          path, number,
          std::to_string(fields.size()) + " fields, the header has " + std::to_string(header.size()));
    }
    const std::optional<bool> video = is_video(fields[layout.place[kLabelColumn]]);
    if (!video) {
      return problem(
          path, number,
          "label '" + std::string(fields[layout.place[kLabelColumn]]) + "', expected video or non-video");
    }
    std::string key;
    for (std::size_t c = 0; c < kLabelColumn; ++c) key.append(fields[layout.place[c]]) += ',';
    if (!truth.entries_.emplace(std::move(key), Entry{*video, false}).second) {
      return problem(path, number, "this flow and second was there before");
    }
  }
  if (file.bad()) return Error{ErrorCode::kIo, path + ": cannot be read"};
  return truth;
}

void Truth::compare(const WindowRow& row) {
  char key[kMaxIntegerText + 1 + kMaxFlowText];
  char* end = put_signed(key, row.second);
  *end++ = ',';
  end = put_flow_csv(end, row.flow);
  const auto found = entries_.find(std::string(key, end));
  if (found == entries_.end()) {
    ++report_.unknown;
    return;
  }
  Entry& entry = found->second;
  entry.met = true;
  const bool said_video = row.decision.label == Label::kVideo;
  report_.all.add(entry.video, said_video);
  if (row.packets_up + row.packets_down >= kActivePackets && row.bytes_down >= kActiveDownBytes) {
    report_.active.add(entry.video, said_video);
  }
}

TruthReport Truth::report() const {
  TruthReport report = report_;
  for (const auto& [key, entry] : entries_) report.missed += entry.met ? 0 : 1;
  return report;
}

std::string truth_as_text(const TruthReport& report) {
  const std::uint64_t compared = report.all.videos() + report.all.others();
  return "truth       " + grouped(compared) + " windows compared with " + report.file + ", " +
         grouped(report.unknown) + " not in it, " + grouped(report.missed) + " of it not met\n" +
         line_of("  active    ", report.active) + line_of("  all       ", report.all) +
         "  (active: at least 10 packets and 20 kB down)\n";
}

}  // namespace reelsense::cli
