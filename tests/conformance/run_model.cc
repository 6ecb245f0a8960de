#include "runner.h"

namespace conformance {

void run_model(const fs::path& root, const fs::path& file) {
  const json golden = json::parse(read_text(root / file));
  const ModelHandle model = load_model((root / file).parent_path() / "model.onnx");
  rs_model_info info;
  rs_model_info_init(&info, sizeof info);
  require_ok(rs_model_describe(&info, model.get()), "rs_model_describe");
  const std::uint32_t width = rs_feature_count(info.view);
  std::vector<std::uint32_t> columns;
  for (const json& name : golden["features"]) {
    for (std::uint32_t f = 0; f < width; ++f) {
      if (name == rs_feature_name(info.view, f)) columns.push_back(f);
    }
  }
  expect_equal("features", columns.size(), golden["features"].size());
  expect_equal("inputs", info.inputs, columns.size());

  const std::size_t n = golden["rows"].size();
  std::vector<float> rows(n * width);
  for (std::size_t r = 0; r < n; ++r) {
    for (std::size_t c = 0; c < columns.size(); ++c) rows[r * width + columns[c]] = golden["rows"][r][c];
  }
  std::vector<rs_decision> decisions(n);
  require_ok(rs_model_classify(model.get(), decisions.data(), rows.data(), n), "rs_model_classify");
  for (std::size_t r = 0; r < n; ++r) {
    expect_close("row " + std::to_string(r), static_cast<double>(decisions[r].probability),
                 golden["probability"][r]);
  }
}

}  // namespace conformance
