// View and ViewSchema: what every view's feature table has in common. A view is how the traffic is seen; each
// has features of its own, listed in one table (schema.h, socket_schema.h, record_schema.h).
// Thread safety: constants.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace reelsense {

enum class View : std::uint8_t {
  kPacket,  // IP packets of a capture, a VPN or a network stack
  kSocket,  // bytes that an app read and wrote on a connection
  kRecord,  // NetFlow or IPFIX records
};
inline constexpr View kAllViews[] = {View::kPacket, View::kSocket, View::kRecord};

struct FeatureDefinition {
  // `id`: the feature's place in its view's enumeration.
  template <class Id>
  requires std::is_enum_v<Id>
  constexpr FeatureDefinition(Id id, std::string_view its_name, std::string_view its_unit, bool is_robust,
                              float if_missing) noexcept
      : name(its_name),
        unit(its_unit),
        missing(if_missing),
        index(static_cast<std::uint8_t>(id)),
        robust(is_robust) {}

  std::string_view name;  // snake_case
  std::string_view unit;  // "1", "bytes", "log2 bytes", "ms", "s", "count"
  float missing;          // value when the formula has no input
  std::uint8_t index;     // in the view's feature vector
  bool robust;            // meant to survive another collector (else kept for comparison)
};

// A word used by the formulas, with its exact meaning.
struct FeatureTerm {
  std::string_view word;
  std::string_view meaning;
};

struct ViewSchema {
  View view;
  std::string_view name;  // "packet"
  int version;
  std::string_view row;     // what one feature vector describes, for people
  std::string_view source;  // the file of its table
  std::span<const FeatureDefinition> features;
  std::string_view digest;  // definition_digest(view), kept with the table

  // The place of the feature called `feature`, if there is one.
  [[nodiscard]] std::optional<std::uint8_t> find(std::string_view feature) const noexcept;
  // The digest as a string. A model states it; a mismatch refuses to load.
  [[nodiscard]] std::string hash() const { return std::string(digest); }
};

// What the features mean, in words. Apart from the schema, so that a device's library, which shows them to
// nobody, does not carry them.
struct ViewText {
  std::span<const std::string_view> formulas;  // of each feature, in the words of the terms
  std::span<const FeatureTerm> terms;
};

// No view has more features.
inline constexpr std::size_t kMaxFeatureCount = 48;

const ViewSchema& view_schema(View view) noexcept;
ViewText view_text(View view) noexcept;
// SHA-256 (hex) over a view's name, version, terms and table: changes whenever a definition does.
std::string definition_digest(View view);
// The view called `name`, or null.
const ViewSchema* find_view(std::string_view name) noexcept;

// Holds that a table follows the order of its enumeration.
constexpr bool in_order(std::span<const FeatureDefinition> table) noexcept {
  for (std::size_t i = 0; i < table.size(); ++i) {
    if (table[i].index != i) return false;
  }
  return true;
}

}  // namespace reelsense
