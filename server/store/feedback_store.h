// FeedbackStore: ground truth into the inference log's table `feedback`, durable when store() returns.
//
// What the server had said is looked up for entries that do not bring it: among the newest rows and, as
// `second` mostly counts from the epoch, among the rows written after it. Both are bounded, so it may not be
// found; then label, confidence and model stay NULL and only queries that join the log know them. Thread
// safety: none.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "server/store/inference_log.h"
#include "server/store/sqlite.h"

namespace reelsense::server {

class FeedbackStore {
 public:
  static constexpr std::int64_t kLookupRows =
      200'000;                                         // newest, and again in all after the seconds asked for
  static constexpr std::int64_t kBytesPerEntry = 128;  // more than one takes, with its index entry

  // `database` must outlive it. `max_bytes`: of the file; feedback may have half of it.
  static Result<FeedbackStore> open(Database& database, std::uint64_t max_bytes);

  // kLimit if `more` entries would be over the bound.
  Status check_room(std::size_t more);
  // All or nothing, on the disk when it returns. A later truth of a window replaces the earlier one.
  Status store(std::span<const FeedbackEntry> entries, std::int64_t time_ms);

 private:
  struct Key {
    std::uint64_t flow;
    std::int64_t second;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct HashKey {
    std::size_t operator()(const Key& key) const noexcept {
      return key.flow ^ (static_cast<std::uint64_t>(key.second) * 0x9e3779b97f4a7c15ULL);
    }
  };
  struct Said {
    std::int64_t label = 0;
    std::int64_t confidence = 0;
    std::int64_t model = 0;  // id
  };
  using Sought = std::unordered_map<Key, std::optional<Said>, HashKey>;

  Status insert(std::span<const FeedbackEntry> entries, std::int64_t time_ms);
  Status insert_one(const FeedbackEntry& entry, const Sought& sought, std::int64_t time_ms);
  // Fills in what was said. Returns when all is found or the bounds are reached.
  Status look_up(Sought& sought);
  // Newest first. Returns how many of `left` were not found.
  Result<std::size_t> scan(std::int64_t first_row, std::int64_t last_row, Sought& sought, std::size_t left);
  Result<std::string> model_name(std::int64_t id);

  Database* database_ = nullptr;
  std::int64_t most_entries_ = 0;
  std::int64_t entries_ = 0;  // at most so many; counted anew when the bound seems reached
  Statement insert_, scan_, last_row_, row_at_, model_name_, count_;
};

}  // namespace reelsense::server
