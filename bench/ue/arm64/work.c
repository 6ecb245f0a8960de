/* A known amount of work through the C ABI, for counting instructions: bench/ue/arm64/run.py runs it twice and takes the
 * difference, so that start-up, loading and reading are in no figure.
 *
 *   work packets CAPTURE MODEL TIMES   the capture's packets TIMES times, all within one second: no window ends
 *   work seconds CAPTURE MODEL TIMES   the capture TIMES times, one after the other, as it was: windows end and are labelled
 *   work score   CAPTURE MODEL CALLS   the capture's feature vectors, one a call, CALLS times
 *
 * Prints {"packets": N, "windows": N, "probability": SUM, "kernel": "…"}. A classic pcap of this machine's byte order. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reelsense.h"

enum { BATCH = 64, MAX_ROWS = 4096 };

typedef struct tally {
  uint64_t windows;
  double probability;
  float* rows; /* [MAX_ROWS, RS_MAX_FEATURES] */
  size_t kept;
} tally;

static void fail(const char* what, const char* why) {
  fprintf(stderr, "work: %s: %s\n", what, why);
  exit(2);
}

static uint8_t* read_file(const char* path, size_t* bytes) {
  FILE* file = fopen(path, "rb");
  if (file == NULL) fail(path, "cannot be opened");
  if (fseek(file, 0, SEEK_END) != 0) fail(path, "cannot be read");
  *bytes = (size_t)ftell(file);
  rewind(file);
  uint8_t* data = malloc(*bytes + 1);
  if (data == NULL || fread(data, 1, *bytes, file) != *bytes) fail(path, "cannot be read");
  fclose(file);
  return data;
}

static uint32_t u32(const uint8_t* at) {
  uint32_t value;
  memcpy(&value, at, 4);
  return value;
}

static rs_frame* read_frames(const char* path, size_t* n, uint32_t* link) {
  size_t bytes = 0;
  uint8_t* data = read_file(path, &bytes);
  if (bytes < 24 || (u32(data) != 0xa1b2c3d4u && u32(data) != 0xa1b23c4du)) fail(path, "a classic pcap is expected");
  const int64_t unit = u32(data) == 0xa1b23c4du ? 1 : 1000;
  *link = u32(data + 20) & 0xffff;
  rs_frame* frames = malloc((bytes / 16 + 1) * sizeof *frames);
  if (frames == NULL) fail(path, "no memory");
  *n = 0;
  for (size_t at = 24; at + 16 <= bytes;) {
    rs_frame* frame = &frames[(*n)++];
    frame->time_ns = (int64_t)u32(data + at) * 1000000000 + (int64_t)u32(data + at + 4) * unit;
    frame->captured_bytes = u32(data + at + 8);
    frame->wire_bytes = u32(data + at + 12);
    frame->data = data + at + 16;
    at += 16 + (size_t)frame->captured_bytes;
    if (at > bytes) --*n;
  }
  return frames;
}

static void on_windows(void* user, const rs_window* windows, size_t n) {
  tally* seen = user;
  seen->windows += n;
  for (size_t i = 0; i < n; ++i) {
    seen->probability += (double)windows[i].decision.probability;
    if (seen->rows == NULL || seen->kept == MAX_ROWS) continue;
    memcpy(seen->rows + seen->kept++ * RS_MAX_FEATURES, windows[i].features,
           rs_feature_count(RS_VIEW_PACKET) * sizeof(float));
  }
}

static uint64_t add(rs_classifier* classifier, uint32_t link, const rs_frame* frames, size_t n, int64_t shift_ns,
                    int one_second) {
  rs_frame batch[BATCH];
  for (size_t i = 0; i < n; i += BATCH) {
    const size_t count = n - i < BATCH ? n - i : BATCH;
    for (size_t j = 0; j < count; ++j) {
      batch[j] = frames[i + j];
      batch[j].time_ns = one_second ? frames[0].time_ns / 1000000000 * 1000000000 + 500000000 : batch[j].time_ns + shift_ns;
    }
    if (rs_add_frames(classifier, link, batch, count) != RS_OK) fail("rs_add_frames", "refused");
  }
  return n;
}

int main(int argc, char** argv) {
  if (argc != 5) fail("usage", "work packets|seconds|score CAPTURE MODEL TIMES");
  size_t n = 0, model_bytes = 0;
  uint32_t link = 0;
  rs_frame* frames = read_frames(argv[2], &n, &link);
  uint8_t* onnx = read_file(argv[3], &model_bytes);
  const long times = atol(argv[4]);
  rs_model* model = NULL;
  rs_error error = {""};
  if (rs_model_load(&model, onnx, model_bytes, &error) != RS_OK) fail(argv[3], error.message);
  rs_model_info info;
  rs_model_info_init(&info, sizeof info);
  rs_model_describe(&info, model);

  tally seen = {0, 0, NULL, 0};
  const int score = strcmp(argv[1], "score") == 0;
  if (score) seen.rows = calloc(MAX_ROWS * RS_MAX_FEATURES, sizeof(float));
  rs_options options;
  rs_options_init(&options, sizeof options);
  options.user = &seen;
  options.on_windows = on_windows;
  rs_classifier* classifier = NULL;
  if (rs_classifier_create(&classifier, model, &options, &error) != RS_OK) fail("classifier", error.message);

  uint64_t packets = 0;
  /* Whole seconds, so that windows fall as in the first round. */
  const int64_t span = ((frames[n - 1].time_ns - frames[0].time_ns) / 1000000000 + 2) * 1000000000;
  for (long i = 0; i < (score ? 1 : times); ++i) {
    packets += add(classifier, link, frames, n, i * span, strcmp(argv[1], "packets") == 0);
  }
  if (rs_classifier_finish(classifier) != RS_OK) fail("rs_classifier_finish", "refused");
  const uint32_t width = rs_feature_count(RS_VIEW_PACKET);
  if (score) {
    seen.windows = 0;
    seen.probability = 0;
    for (long i = 0; i < times; ++i, ++seen.windows) {
      rs_decision decision;
      float row[RS_MAX_FEATURES];
      memcpy(row, seen.rows + (size_t)i % seen.kept * RS_MAX_FEATURES, width * sizeof(float));
      if (rs_model_classify(model, &decision, row, 1) != RS_OK) fail("rs_model_classify", "refused");
      seen.probability += (double)decision.probability;
    }
  }
  printf("{\"packets\": %llu, \"windows\": %llu, \"probability\": %.6f, \"kernel\": \"%s\"}\n",
         (unsigned long long)packets, (unsigned long long)seen.windows, seen.probability, info.kernel);
  rs_classifier_free(classifier);
  rs_model_free(model);
  return 0;
}
