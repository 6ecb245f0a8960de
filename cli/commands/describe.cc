#include "cli/commands/describe.h"

#include <nlohmann/json.hpp>

#include "cli/output/format.h"
#include "reelsense/features/schema.h"

namespace reelsense::cli {
namespace {

std::string float_text(float value) {
  char text[kMaxFloatText];
  return {text, put_float(text, value)};
}

// '|' would end a table's cell.
std::string cell(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '|') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

}  // namespace

std::string describe_as_text() {
  std::string text = "view " + std::string(kPacketView) + ", version " +
                     std::to_string(kPacketSchemaVersion) + ", " + std::to_string(kFeatureCount) +
                     " features\nschema hash " + packet_schema_hash() +
                     "\n\nFeatures (* robust: meant to survive another collector)\n";
  for (const FeatureDefinition& feature : feature_table()) {
    text += feature.robust ? "* " : "  ";
    text += feature.name;
    text += " [" + std::string(feature.unit) + "]\n      " + std::string(feature.formula) + "\n";
    text += "      missing: " + float_text(feature.missing) + "\n";
  }
  text += "\nTerms\n";
  for (const FeatureTerm& term : feature_terms()) {
    text += "  " + std::string(term.word) + ": " + std::string(term.meaning) + "\n";
  }
  return text;
}

std::string describe_as_json() {
  nlohmann::ordered_json document;
  document["view"] = kPacketView;
  document["version"] = kPacketSchemaVersion;
  document["schema_hash"] = packet_schema_hash();
  document["terms"] = nlohmann::ordered_json::array();
  for (const FeatureTerm& term : feature_terms()) {
    document["terms"].push_back({{"word", term.word}, {"meaning", term.meaning}});
  }
  document["features"] = nlohmann::ordered_json::array();
  for (const FeatureDefinition& feature : feature_table()) {
    document["features"].push_back({{"name", feature.name},
                                    {"unit", feature.unit},
                                    {"robust", feature.robust},
                                    {"missing", feature.missing},
                                    {"formula", feature.formula}});
  }
  return document.dump(2) + "\n";
}

std::string describe_as_markdown() {
  std::string text =
      "<!-- Made by `reelsense features --describe --format markdown` from core/features/schema.cc. Do not "
      "edit. -->\n"
      "# Features of the packet view\n\n"
      "Version " +
      std::to_string(kPacketSchemaVersion) + ", " + std::to_string(kFeatureCount) +
      " features, float32, in this order. Schema hash\n`" + packet_schema_hash() +
      "`.\nA *robust* feature is meant to survive another collector (other clocks, offloads, snap lengths); "
      "the others "
      "are kept\nfor comparison. A model's manifest names the subset it uses. *Missing* is the value where "
      "the formula "
      "has no input.\n\n"
      "## Terms\n\n| term | meaning |\n|---|---|\n";
  for (const FeatureTerm& term : feature_terms()) {
    text += "| " + cell(term.word) + " | " + cell(term.meaning) + " |\n";
  }
  text += "\n## Features\n\n| # | name | unit | robust | missing | formula |\n|---:|---|---|---|---:|---|\n";
  std::size_t index = 0;
  for (const FeatureDefinition& feature : feature_table()) {
    text += "| " + std::to_string(index++) + " | `" + std::string(feature.name) + "` | " +
            cell(feature.unit) + " | " + (feature.robust ? "yes" : "") + " | " + float_text(feature.missing) +
            " | " + cell(feature.formula) + " |\n";
  }
  return text;
}

}  // namespace reelsense::cli
