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
                              float if_missing, std::string_view its_formula) noexcept
      : index(static_cast<std::uint8_t>(id)),
        name(its_name),
        unit(its_unit),
        robust(is_robust),
        missing(if_missing),
        formula(its_formula) {}

  std::uint8_t index;        // in the view's feature vector
  std::string_view name;     // snake_case
  std::string_view unit;     // "1", "bytes", "log2 bytes", "ms", "s", "count"
  bool robust;               // meant to survive another collector (else kept for comparison)
  float missing;             // value when the formula has no input
  std::string_view formula;  // in the words of the view's terms
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
  std::span<const FeatureTerm> terms;

  // The place of the feature called `feature`, if there is one.
  [[nodiscard]] std::optional<std::uint8_t> find(std::string_view feature) const noexcept;
  // SHA-256 (hex) over name, version, terms and table: changes whenever a definition does. A model states it;
  // a mismatch refuses to load.
  [[nodiscard]] std::string hash() const;
};

// No view has more features.
inline constexpr std::size_t kMaxFeatureCount = 48;

const ViewSchema& view_schema(View view) noexcept;
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
