#include "reelsense/features/view.h"

#include "reelsense/features/record_schema.h"
#include "reelsense/features/schema.h"
#include "reelsense/features/socket_schema.h"

namespace reelsense {

std::optional<std::uint8_t> ViewSchema::find(std::string_view feature) const noexcept {
  for (const FeatureDefinition& definition : features) {
    if (definition.name == feature) return definition.index;
  }
  return std::nullopt;
}

const ViewSchema& view_schema(View view) noexcept {
  static_assert(kFeatureCount <= kMaxFeatureCount && kSocketFeatureCount <= kMaxFeatureCount &&
                kRecordFeatureCount <= kMaxFeatureCount);
  static const ViewSchema kSchemas[] = {
      {View::kPacket, kPacketView, kPacketSchemaVersion, "one flow's second with packets",
       "core/features/schema.cc", feature_table(),
       "6f60f63a87e5b9404352014819512093f28e48e02cb822f9d260008aae12cce7"},
      {View::kSocket, kSocketView, kSocketSchemaVersion, "one connection's second with reads or writes",
       "core/features/socket_schema.cc", socket_feature_table(),
       "c6f8d81548b6790b27a1b05ef292c2634c35d0aefbdc25c967e0e4be3fb6ee86"},
      {View::kRecord, kRecordView, kRecordSchemaVersion, "one flow record, at the second of its end",
       "core/features/record_schema.cc", record_feature_table(),
       "1ef8a9327698c6cf1ca0365f64b7bc8578315cf3bc8a40e8fa16f97c64355777"},
  };
  return kSchemas[static_cast<std::size_t>(view)];
}

const ViewSchema* find_view(std::string_view name) noexcept {
  for (const View view : kAllViews) {
    if (view_schema(view).name == name) return &view_schema(view);
  }
  return nullptr;
}

}  // namespace reelsense
