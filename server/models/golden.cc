#include "server/models/golden.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

namespace reelsense::server {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr const char* kGoldenFile = "golden.json";
constexpr std::size_t kGoldenLimit = 16u << 20;
constexpr float kTolerance = 1e-5F;

Error different(const std::string& where, float found, float expected) {
  return {ErrorCode::kMismatch, where + ": the model answers " + std::to_string(found) +
                                    ", golden.json says " + std::to_string(expected)};
}

bool close(float a, float b) noexcept {
  return std::fabs(a - b) <= kTolerance;  // false for NaN
}

Status answer_rows(const ServedModel& model, Scorer& scorer, const json& golden) {
  std::vector<std::size_t> place;
  for (const json& name : golden.at("features")) {
    const auto index = model.schema().find(name.get<std::string>());
    if (!index)
      return Error{ErrorCode::kMismatch, "feature " + name.get<std::string>() + " is not of this view"};
    place.push_back(*index);
  }
  const json& rows = golden.at("rows");
  std::vector<float> windows(rows.size() * model.width(), 0.0F);
  for (std::size_t r = 0; r < rows.size(); ++r) {
    for (std::size_t c = 0; c < place.size(); ++c)
      windows[r * model.width() + place[c]] = rows[r].at(c).get<float>();
  }
  std::vector<float> out(rows.size());
  if (Status status = scorer.step(windows.data(), nullptr, rows.size(), out.data(), nullptr); !status)
    return status;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const auto expected = golden.at("probability").at(r).get<float>();
    if (!close(out[r], expected)) return different("row " + std::to_string(r), out[r], expected);
  }
  return ok_status();
}

// All sequences step by step: side by side in one batch, or each alone.
Status answer_sequences(const ServedModel& model, Scorer& scorer, const json& golden, bool together) {
  const json& sequences = golden.at("windows");
  const std::size_t count = sequences.size();
  const std::size_t width = model.width();
  const std::size_t state_width = model.state_width();
  std::vector<float> windows(count * width), state(count * state_width, 0.0F), next(state.size()), out(count);
  const std::size_t steps = sequences.at(0).size();
  for (std::size_t t = 0; t < steps; ++t) {
    for (std::size_t q = 0; q < count; ++q) {
      for (std::size_t c = 0; c < width; ++c)
        windows[q * width + c] = sequences.at(q).at(t).at(c).get<float>();
    }
    const std::size_t batch = together ? count : 1;
    for (std::size_t q = 0; q < count; q += batch) {
      if (Status status = scorer.step(windows.data() + q * width, state.data() + q * state_width, batch,
                                      out.data() + q, next.data() + q * state_width);
          !status) {
        return status;
      }
    }
    state = next;
    for (std::size_t q = 0; q < count; ++q) {
      const auto expected = golden.at("probability").at(q).at(t).get<float>();
      if (!close(out[q], expected)) {
        return different("sequence " + std::to_string(q) + ", window " + std::to_string(t), out[q], expected);
      }
    }
  }
  return ok_status();
}

}  // namespace

Status answer_golden(const ServedModel& model, const fs::path& folder) {
  const fs::path file = folder / kGoldenFile;
  const auto bytes = bundle::read_file(file, kGoldenLimit);
  if (!bytes) return bytes.error();
  auto scorer = model.make_scorer(8);
  if (!scorer) return scorer.error();
  try {
    const json golden = json::parse(bytes.value());
    Status status = ok_status();
    if (model.state_width() == 0) {
      status = answer_rows(model, *scorer.value(), golden);
    } else {
      status = answer_sequences(model, *scorer.value(), golden, true);
      if (status) status = answer_sequences(model, *scorer.value(), golden, false);
    }
    if (!status) return status.error().in(file.string());
  } catch (const json::exception& error) {
    return Error{ErrorCode::kCorrupt, file.string() + ": " + error.what()};
  }
  return ok_status();
}

}  // namespace reelsense::server
