#include "reelsense/features/view.h"

#include "reelsense/base/sha256.h"
#include "reelsense/features/record_schema.h"
#include "reelsense/features/schema.h"
#include "reelsense/features/socket_schema.h"

namespace reelsense {
namespace {

void append_field(std::string& text, std::string_view field) {
  text += field;
  text += '\n';
}

}  // namespace

std::optional<std::uint8_t> ViewSchema::find(std::string_view feature) const noexcept {
  for (const FeatureDefinition& definition : features) {
    if (definition.name == feature) return definition.index;
  }
  return std::nullopt;
}

std::string ViewSchema::hash() const {
  std::string text(name);
  append_field(text, "/v" + std::to_string(version));
  for (const FeatureTerm& term : terms) {
    append_field(text, term.word);
    append_field(text, term.meaning);
  }
  for (const FeatureDefinition& d : features) {
    append_field(text, d.name);
    append_field(text, d.unit);
    append_field(text, std::to_string(d.missing));
    append_field(text, d.formula);
  }
  return sha256_hex({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

const ViewSchema& view_schema(View view) noexcept {
  static_assert(kFeatureCount <= kMaxFeatureCount && kSocketFeatureCount <= kMaxFeatureCount &&
                kRecordFeatureCount <= kMaxFeatureCount);
  static const ViewSchema kSchemas[] = {
      {View::kPacket, kPacketView, kPacketSchemaVersion, "one flow's second with packets",
       "core/features/schema.cc", feature_table(), feature_terms()},
      {View::kSocket, kSocketView, kSocketSchemaVersion, "one connection's second with reads or writes",
       "core/features/socket_schema.cc", socket_feature_table(), socket_feature_terms()},
      {View::kRecord, kRecordView, kRecordSchemaVersion, "one flow record, at the second of its end",
       "core/features/record_schema.cc", record_feature_table(), record_feature_terms()},
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
