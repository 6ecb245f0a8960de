// Feature rows as CSV (index columns, then features) or .npy (features) with an index CSV beside it.
// Thread safety: none. No allocation a row.
#pragma once

#include <cstdint>
#include <optional>

#include "cli/output/npy.h"
#include "cli/output/output.h"
#include "reelsense/classifier/classifier.h"
#include "reelsense/features/view.h"

namespace reelsense::cli {

enum class FeatureFormat : std::uint8_t { kCsv, kNpy };
enum class FeatureIndex : std::uint8_t { kCapture, kSeries };

class FeatureWriter {
 public:
  // `out` (and `index`, may be null: no index file) must outlive the writer. For kNpy `out` must be seekable.
  FeatureWriter(Output& out, Output* index, FeatureFormat format, bool bins, FeatureIndex kind,
                const ViewSchema& schema);

  void write_header();
  // row.features: [schema.features.size()]. row.bins is read only with bins. Of a series only flow_id (its
  // place), second, the counts, features and bins are used.
  void write(const WindowRow& row);
  void finish();

 private:
  char* put_index(char* to, const WindowRow& row) const noexcept;

  Output& out_;
  Output* index_;
  FeatureFormat format_;
  bool bins_;
  FeatureIndex kind_;
  const ViewSchema& schema_;
  std::optional<NpyWriter> npy_;
};

}  // namespace reelsense::cli
