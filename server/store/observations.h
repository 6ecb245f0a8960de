// What devices send back of their own accord: anonymised windows, on their way to retraining, as the log's
// file keeps them (docs/reference/inference-log.md).
//
// Nothing here says who sent a window or when: of a batch only its id and the UTC day of its receipt are
// kept, apart from its windows, and the windows of a day lie in random order. Thread safety: plain values.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace reelsense::server {

using BatchId = std::array<std::uint8_t, 16>;

struct Observation {
  bool video = false;  // the label that the device gave
  bool uncertain = false;
  float confidence = 0;
  std::optional<bool> truth_video = {};  // behind randomised response; nothing: the app did not know
};

// One request of a device.
struct ObservationBatch {
  BatchId id{};
  std::string model;        // "name@version", on the device
  std::string view;         // "packet"
  std::string schema_hash;  // of the view's features, 64 hexadecimal digits
  std::string sdk;          // version of the device's library
  double epsilon = 0;       // of the truths' randomised response
  std::size_t width = 0;    // features of the view
  std::vector<Observation> observations;
  std::vector<std::int16_t> values;  // row-major [observations.size(), width], in steps of each feature
};

struct ObservationsStored {
  std::size_t observations = 0;
  bool repeated = false;  // the batch was known: so many were stored then, none now
};

struct ObservationQuery {
  std::string view;            // required
  std::string schema_hash;     // required: what the columns mean
  std::string model = {};      // "name" or "name@version"; empty: all
  std::int64_t first_day = 0;  // UTC days since the epoch, both included
  std::int64_t last_day = INT64_MAX;
  std::optional<bool> video = {};
  std::optional<bool> uncertain = {};
  std::optional<bool> with_truth = {};
  std::optional<bool> truth_video = {};
  // Only what comes after this place: ObservationPage::next.
  std::int64_t after_day = -1;
  std::int64_t after_id = 0;
  std::size_t limit = 100;  // at most 10,000
};

struct ObservationRow {
  std::int64_t day = 0;
  std::int64_t id = 0;  // random
  std::string model;
  std::string sdk;
  double epsilon = 0;
  Observation observation;
  std::vector<std::int16_t> values;  // [width]
};

struct ObservationPage {
  std::vector<ObservationRow> rows;  // by day; within a day in no order
  // A page looks at a bounded number of rows: it may be short, even empty, and have a next one, which begins
  // after this place.
  bool more = false;
  std::int64_t next_day = 0;
  std::int64_t next_id = 0;
};

}  // namespace reelsense::server
