#include "reelsense/base/sha256.h"
#include "reelsense/features/record_schema.h"
#include "reelsense/features/schema.h"
#include "reelsense/features/socket_schema.h"
#include "reelsense/features/view.h"

namespace reelsense {
namespace {

void append_field(std::string& text, std::string_view field) {
  text += field;
  text += '\n';
}

}  // namespace

ViewText view_text(View view) noexcept {
  switch (view) {
    case View::kPacket:
      return {feature_formulas(), feature_terms()};
    case View::kSocket:
      return {socket_feature_formulas(), socket_feature_terms()};
    case View::kRecord:
      break;
  }
  return {record_feature_formulas(), record_feature_terms()};
}

std::string definition_digest(View view) {
  const ViewSchema& schema = view_schema(view);
  const ViewText words = view_text(view);
  std::string text(schema.name);
  append_field(text, "/v" + std::to_string(schema.version));
  for (const FeatureTerm& term : words.terms) {
    append_field(text, term.word);
    append_field(text, term.meaning);
  }
  for (const FeatureDefinition& d : schema.features) {
    append_field(text, d.name);
    append_field(text, d.unit);
    append_field(text, std::to_string(d.missing));
    append_field(text, words.formulas[d.index]);
  }
  return sha256_hex({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

}  // namespace reelsense
