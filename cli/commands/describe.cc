#include "cli/commands/describe.h"

#include <nlohmann/json.hpp>

#include "cli/output/format.h"

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

std::string describe_as_text(const ViewSchema& schema) {
  const ViewText words = view_text(schema.view);
  std::string text = "view " + std::string(schema.name) + ", version " + std::to_string(schema.version) +
                     ", " + std::to_string(schema.features.size()) + " features\nschema hash " +
                     schema.hash() + "\n\nFeatures (* robust: meant to survive another collector)\n";
  for (const FeatureDefinition& feature : schema.features) {
    text += feature.robust ? "* " : "  ";
    text += feature.name;
    text +=
        " [" + std::string(feature.unit) + "]\n      " + std::string(words.formulas[feature.index]) + "\n";
    text += "      missing: " + float_text(feature.missing) + "\n";
  }
  text += "\nTerms\n";
  for (const FeatureTerm& term : words.terms) {
    text += "  " + std::string(term.word) + ": " + std::string(term.meaning) + "\n";
  }
  return text;
}

std::string describe_as_json(const ViewSchema& schema) {
  const ViewText words = view_text(schema.view);
  nlohmann::ordered_json document;
  document["view"] = schema.name;
  document["version"] = schema.version;
  document["schema_hash"] = schema.hash();
  document["terms"] = nlohmann::ordered_json::array();
  for (const FeatureTerm& term : words.terms) {
    document["terms"].push_back({{"word", term.word}, {"meaning", term.meaning}});
  }
  document["features"] = nlohmann::ordered_json::array();
  for (const FeatureDefinition& feature : schema.features) {
    document["features"].push_back({{"name", feature.name},
                                    {"unit", feature.unit},
                                    {"robust", feature.robust},
                                    {"missing", feature.missing},
                                    {"formula", words.formulas[feature.index]}});
  }
  return document.dump(2) + "\n";
}

std::string describe_as_markdown(const ViewSchema& schema) {
  const ViewText words = view_text(schema.view);
  std::string text =
      "<!-- Made by `reelsense features --describe --format markdown" +
      (schema.view == View::kPacket ? "" : " --view " + std::string(schema.name)) + "` from " +
      std::string(schema.source) + ". Do not edit. -->\n# Features of the " + std::string(schema.name) +
      " view\n\nVersion " + std::to_string(schema.version) + ", " + std::to_string(schema.features.size()) +
      " features, float32, in this order. Schema hash\n`" + schema.hash() +
      "`.\nA *robust* feature is meant to survive another collector (other clocks, offloads, snap lengths); "
      "the others "
      "are kept\nfor comparison. A model's manifest names the subset it uses. *Missing* is the value where "
      "the formula "
      "has no input.\n\n"
      "## Terms\n\n| term | meaning |\n|---|---|\n";
  for (const FeatureTerm& term : words.terms) {
    text += "| " + cell(term.word) + " | " + cell(term.meaning) + " |\n";
  }
  text += "\n## Features\n\n| # | name | unit | robust | missing | formula |\n|---:|---|---|---|---:|---|\n";
  std::size_t index = 0;
  for (const FeatureDefinition& feature : schema.features) {
    text += "| " + std::to_string(index++) + " | `" + std::string(feature.name) + "` | " +
            cell(feature.unit) + " | " + (feature.robust ? "yes" : "") + " | " + float_text(feature.missing) +
            " | " + cell(words.formulas[feature.index]) + " |\n";
  }
  return text;
}

}  // namespace reelsense::cli
