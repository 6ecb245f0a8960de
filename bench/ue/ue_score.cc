// Rows through the native engine, one a call, for counting instructions: ue_score MODEL.onnx ROWS.f32 CALLS.
// Rows are full feature vectors, float32 row-major. Prints the sum of the probabilities, so that nothing is
// optimised away.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "frames.h"

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: ue_score MODEL.onnx ROWS.f32 CALLS\n");
    return 2;
  }
  rs_model* model = bench_ue::load_model(argv[1]);
  rs_model_info info;
  rs_model_info_init(&info, sizeof info);
  if (rs_model_describe(&info, model) != RS_OK) return 2;
  const std::size_t width = rs_feature_count(info.view);
  const std::string bytes = bench_ue::read_file(argv[2]);
  std::vector<float> rows(bytes.size() / sizeof(float));
  std::memcpy(rows.data(), bytes.data(), rows.size() * sizeof(float));
  const std::size_t n = rows.size() / width;
  const int calls = std::atoi(argv[3]);
  double sum = 0;
  for (int i = 0; i < calls; ++i) {
    rs_decision decision{};
    rs_model_classify(model, &decision, &rows[static_cast<std::size_t>(i) % n * width], 1);
    sum += static_cast<double>(decision.probability);
  }
  std::printf("%.9f\n", sum);
  rs_model_free(model);
}
