/* The C ABI used from C: what an SDK's author would write first. Prints what failed and exits 1. */
#include "reelsense.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures = 0;

#define EXPECT(condition)                                             \
  do {                                                                \
    if (!(condition)) {                                               \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      ++failures;                                                     \
    }                                                                 \
  } while (0)

static const int64_t kSecond = 1000000000;
static const int64_t kStart = 1700000000LL * 1000000000LL;

typedef struct seen {
  rs_classifier* classifier; /* to call back into */
  rs_feedback* feedback;
  uint32_t windows;
  uint32_t seconds;
  uint32_t ends;
  uint32_t busy;
  uint64_t last_flow;
  rs_decision last;
} seen;

static void on_windows(void* user, const rs_window* windows, size_t n) {
  seen* s = user;
  s->windows += (uint32_t)n;
  s->last_flow = windows[n - 1].flow;
  s->last = windows[n - 1].decision;
  if (s->classifier != NULL && rs_classifier_advance(s->classifier, kStart + 100 * kSecond) == RS_BUSY)
    ++s->busy;
  if (s->classifier != NULL) rs_classifier_free(s->classifier); /* ignored, as its documentation says */
  if (s->feedback != NULL) {
    const uint8_t random[16] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8};
    int kept = 0;
    EXPECT(rs_feedback_add(s->feedback, &kept, &windows[0], RS_TRUTH_VIDEO, random) == RS_OK);
    EXPECT(kept == 1);
  }
}

static void on_second(void* user, const rs_second* second) {
  seen* s = user;
  EXPECT(second->size == sizeof *second);
  ++s->seconds;
}

static void on_flow_end(void* user, const rs_flow_summary* flow) {
  seen* s = user;
  EXPECT(flow->size == sizeof *flow);
  ++s->ends;
}

static rs_model* load(const char* path) {
  static unsigned char bytes[1 << 20];
  FILE* file = fopen(path, "rb");
  if (file == NULL) {
    fprintf(stderr, "no %s\n", path);
    exit(1);
  }
  const size_t n = fread(bytes, 1, sizeof bytes, file);
  fclose(file);
  rs_error error;
  rs_model* model = NULL;
  if (rs_model_load(&model, bytes, n, &error) != RS_OK) {
    fprintf(stderr, "%s: %s\n", path, error.message);
    exit(1);
  }
  memset(bytes, 0xee, sizeof bytes); /* the model must not need them any more */
  return model;
}

static void check_socket_view(const rs_model* model) {
  seen s = {0};
  rs_options options;
  rs_options_init(&options, sizeof options);
  options.view = RS_VIEW_SOCKET;
  options.user = &s;
  options.on_windows = on_windows;
  options.on_second = on_second;
  options.on_flow_end = on_flow_end;
  rs_error error;
  rs_classifier* classifier = NULL;
  EXPECT(rs_classifier_create(&classifier, model, &options, &error) == RS_OK);
  s.classifier = classifier;

  uint64_t flow = 0;
  EXPECT(rs_flow_open(classifier, &flow, kStart) == RS_OK && flow != 0);
  EXPECT(rs_flow_write(classifier, flow, 400, kStart + 1) == RS_OK);
  for (int i = 0; i < 50; ++i) EXPECT(rs_flow_read(classifier, flow, 16384, kStart + i * 5000000LL) == RS_OK);
  rs_decision peeked;
  EXPECT(rs_flow_peek(classifier, &peeked, flow) == RS_OK);
  EXPECT(s.windows == 0);
  EXPECT(rs_classifier_advance(classifier, kStart + kSecond) == RS_OK);
  EXPECT(s.windows == 1 && s.seconds == 1 && s.last_flow == flow && s.busy == 1);
  EXPECT(memcmp(&peeked, &s.last, sizeof peeked) == 0);
  EXPECT(rs_flow_close(classifier, flow, kStart + kSecond) == RS_OK);
  EXPECT(rs_flow_close(classifier, flow, kStart + kSecond) == RS_CLOSED);
  EXPECT(rs_flow_read(classifier, flow, 1, kStart + kSecond) == RS_CLOSED);
  EXPECT(rs_flow_read(classifier, 0, 1, kStart + kSecond) == RS_CLOSED);
  EXPECT(s.ends == 1);

  const rs_frame none = {0};
  EXPECT(rs_add_frames(classifier, RS_LINK_RAW, &none, 1) == RS_MISMATCH);

  rs_counters counters;
  rs_counters_init(&counters, sizeof counters);
  EXPECT(rs_classifier_counters(&counters, classifier) == RS_OK);
  EXPECT(counters.records == 51 && counters.windows == 1 && counters.flows == 1 && counters.live_flows == 0);
  EXPECT(counters.refused_calls == 2); /* from inside the callback */
  EXPECT(counters.memory_bytes <= 1u << 20);
  s.classifier = NULL;
  rs_classifier_free(classifier);
}

static void check_refusals(const rs_model* model) {
  rs_error error;
  rs_model* none = NULL;
  EXPECT(rs_model_load(&none, "no model", 8, &error) == RS_CORRUPT && error.message[0] != 0);
  EXPECT(rs_model_load(NULL, "no model", 8, &error) == RS_INVALID_ARGUMENT);
  EXPECT(rs_model_load(&none, NULL, 8, NULL) == RS_INVALID_ARGUMENT);

  rs_classifier* classifier = NULL;
  rs_options options;
  memset(&options, 0xff, sizeof options);
  EXPECT(rs_classifier_create(&classifier, model, &options, &error) == RS_INVALID_ARGUMENT);
  rs_options_init(&options, sizeof options);
  options.view = RS_VIEW_PACKET;
  EXPECT(rs_classifier_create(&classifier, model, &options, &error) ==
         RS_MISMATCH); /* a model of view socket */
  options.view = RS_VIEW_SOCKET;
  options.max_flows = 0;
  EXPECT(rs_classifier_create(&classifier, model, &options, &error) == RS_INVALID_ARGUMENT);
  EXPECT(strstr(error.message, "max_flows is 0") != NULL);
  EXPECT(classifier == NULL);
  EXPECT(rs_classifier_advance(NULL, 1) == RS_INVALID_ARGUMENT);
  rs_classifier_free(NULL);
  rs_model_free(NULL);
  rs_policy_free(NULL);
  rs_feedback_free(NULL);

  struct {
    rs_options known;
    int64_t unknown;
  } newer; /* what a caller with a later header would pass */
  memset(&newer, 0, sizeof newer);
  rs_options_init(&newer.known, sizeof newer);
  newer.known.view = RS_VIEW_SOCKET;
  EXPECT(rs_classifier_create(&classifier, model, &newer.known, &error) == RS_OK);
  rs_classifier_free(classifier);
  newer.unknown = 1;
  EXPECT(rs_classifier_create(&classifier, model, &newer.known, &error) == RS_UNSUPPORTED);

  char misaligned[sizeof(rs_decision) + 8] = {0};
  EXPECT(rs_model_classify(model, (rs_decision*)(void*)(misaligned + 1), NULL, 1) == RS_INVALID_ARGUMENT);
}

static void check_feedback(const rs_model* model) {
  const size_t bytes = rs_feedback_memory(4);
  void* memory = calloc(1, bytes);
  rs_feedback_options sampling;
  rs_feedback_options_init(&sampling, sizeof sampling);
  sampling.sample = 1;
  rs_error error;
  seen s = {0};
  EXPECT(rs_feedback_open(&s.feedback, memory, bytes, model, &sampling, &error) == RS_OK);

  rs_options options;
  rs_options_init(&options, sizeof options);
  options.view = RS_VIEW_SOCKET;
  options.user = &s;
  options.on_windows = on_windows;
  rs_classifier* classifier = NULL;
  EXPECT(rs_classifier_create(&classifier, model, &options, &error) == RS_OK);
  uint64_t flow = 0;
  EXPECT(rs_flow_open(classifier, &flow, kStart) == RS_OK);
  for (int i = 0; i < 3; ++i) EXPECT(rs_flow_read(classifier, flow, 50000, kStart + i * kSecond) == RS_OK);
  EXPECT(rs_classifier_finish(classifier) == RS_OK);
  EXPECT(rs_feedback_count(s.feedback) == 3);
  rs_feedback_free(s.feedback); /* the process ends here; the memory stays */
  EXPECT(rs_feedback_open(&s.feedback, memory, bytes, model, &sampling, &error) == RS_OK);
  EXPECT(rs_feedback_count(s.feedback) == 3);

  static char json[16384];
  size_t written = 0;
  uint32_t records = 0;
  EXPECT(rs_feedback_peek(s.feedback, json, sizeof json, &written, &records, 10) == RS_OK);
  EXPECT(records == 3 && written == strlen(json) && json[0] == '{' && json[written - 1] == '}');
  EXPECT(strstr(json, "\"model\":\"reelsense-ue-socket@1.0.0\"") != NULL);
  EXPECT(rs_feedback_discard(s.feedback, 4) == RS_INVALID_ARGUMENT);
  EXPECT(rs_feedback_discard(s.feedback, 3) == RS_OK && rs_feedback_count(s.feedback) == 0);
  rs_feedback_free(s.feedback);
  rs_classifier_free(classifier);
  free(memory);
}

int main(void) {
  EXPECT(rs_abi_version() == RS_ABI_VERSION);
  EXPECT(strcmp(rs_status_name(RS_CLOSED), "RS_CLOSED") == 0 &&
         strcmp(rs_status_name((rs_status)99), "unknown") == 0);
  EXPECT(rs_feature_count(RS_VIEW_PACKET) == 48 && rs_feature_count((rs_view)7) == 0);
  EXPECT(rs_feature_name(RS_VIEW_SOCKET, 28) == NULL);
  char hash[65];
  EXPECT(rs_schema_hash(hash, RS_VIEW_SOCKET) == RS_OK && strlen(hash) == 64);

  rs_model* model = load(REELSENSE_SOURCE_DIR "/models/reelsense-ue-socket/1.0.0/model.onnx");
  rs_model_info info;
  rs_model_info_init(&info, sizeof info);
  EXPECT(rs_model_describe(&info, model) == RS_OK);
  EXPECT(strcmp(info.name, "reelsense-ue-socket") == 0 && info.view == RS_VIEW_SOCKET);
  check_socket_view(model);
  check_refusals(model);
  check_feedback(model);
  rs_model_free(model);
  if (failures != 0) fprintf(stderr, "%d failed\n", failures);
  return failures == 0 ? 0 : 1;
}
