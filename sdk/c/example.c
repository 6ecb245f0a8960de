#include <reelsense.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void on_windows(void* user, const rs_window* windows, size_t n) {
  (void)user;
  for (size_t i = 0; i < n; ++i) {
    printf("flow %llu: %s, confidence %.2f%s\n", (unsigned long long)windows[i].flow,
           windows[i].decision.label == RS_VIDEO ? "video" : "non-video", (double)windows[i].decision.confidence,
           windows[i].decision.uncertain ? ", uncertain" : "");
  }
}

static void on_second(void* user, const rs_second* second) {
  (void)user;
  printf("prefetch %u clips, buffer %u ms, at most %u kbit/s\n", second->qos.prefetch_depth,
         second->qos.buffer_target_ms, second->qos.max_bitrate_kbps);
}

int main(int argc, char** argv) {
  /* The model is a file of the bundle; an app has it among its assets. */
  static unsigned char onnx[1 << 20];
  FILE* file = argc == 2 ? fopen(argv[1], "rb") : NULL;
  if (file == NULL) return 2;
  const size_t bytes = fread(onnx, 1, sizeof onnx, file);
  fclose(file);

  rs_error error;
  rs_model* model = NULL;
  rs_classifier* classifier = NULL;
  rs_options options;
  rs_options_init(&options, sizeof options);
  options.view = RS_VIEW_SOCKET;
  options.on_windows = on_windows;
  options.on_second = on_second;
  if (rs_abi_version() != RS_ABI_VERSION || rs_model_load(&model, onnx, bytes, &error) != RS_OK ||
      rs_classifier_create(&classifier, model, &options, &error) != RS_OK) {
    fprintf(stderr, "%s\n", error.message);
    return 1;
  }

  /* A connection asks for a clip and reads it: 4 MB in two seconds. */
  int64_t now_ns = 1700000000LL * 1000000000LL;
  uint64_t flow = 0;
  rs_flow_open(classifier, &flow, now_ns);
  rs_flow_write(classifier, flow, 420, now_ns);
  for (int i = 0; i < 256; ++i) rs_flow_read(classifier, flow, 16384, now_ns += 8000000);
  rs_classifier_advance(classifier, now_ns + 1000000000LL); /* once a second, while there is traffic */
  rs_flow_close(classifier, flow, now_ns + 1000000000LL);

  rs_classifier_free(classifier);
  rs_model_free(model);
  return 0;
}
