// The ribbon: one line a flow, one cell a second (or several, scaled to the terminal), coloured by label.
//
// Bounds: windows of live flows (the classifier's table bounds them) and, of ended ones, at most twice the
// flows to be shown; the others are only counted. Thread safety: none.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "cli/output/row_writer.h"
#include "cli/output/terminal.h"
#include "reelsense/classifier/classifier.h"

namespace reelsense::cli {

// One second of one flow in a byte: 0 is idle.
struct RibbonCell {
  std::uint8_t code = 0;

  static RibbonCell of(const Decision& decision) noexcept;
  [[nodiscard]] bool idle() const noexcept { return code == 0; }
  [[nodiscard]] bool video() const noexcept { return (code & 0x40) != 0; }
  [[nodiscard]] bool uncertain() const noexcept { return (code & 0x20) != 0; }
  [[nodiscard]] float confidence() const noexcept { return 0.5F + static_cast<float>(code & 0x1f) / 62.0F; }
};

struct RibbonTrack {
  FiveTuple flow;
  bool is_session = false;
  std::int64_t first_second = 0;
  std::uint64_t bytes = 0;  // both directions
  std::vector<RibbonCell> cells;
};

// The cell that stands for cells [begin, end): the label of the majority of the seconds with traffic (the
// more confident one of a tie), their mean confidence, uncertain if most of them are.
RibbonCell majority(const RibbonCell* begin, const RibbonCell* end) noexcept;

class Ribbon {
 public:
  explicit Ribbon(std::size_t top) : top_(top) {}

  void add(std::uint64_t track_id, const LabelRow& row);
  void end_track(std::uint64_t track_id);

  // Draws what was added since the last call, largest flows first, and forgets it. `name` heads the picture.
  std::string draw(const std::string& name, const Terminal& terminal);

 private:
  void keep(RibbonTrack track);
  void prune(std::size_t limit);

  std::size_t top_;
  std::unordered_map<std::uint64_t, RibbonTrack> live_;
  std::vector<RibbonTrack> ended_;
  std::uint64_t pruned_ = 0;
  std::uint64_t pruned_bytes_ = 0;
};

}  // namespace reelsense::cli
