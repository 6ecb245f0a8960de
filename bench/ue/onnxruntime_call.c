/* ONNX Runtime called as an app calls it, from C, so that no figure holds what a call from Python costs. The
 * wheel has the library but no header: of its table of functions only the few that are needed are named, by
 * their places, which the C API keeps for ever.
 *
 *   onnxruntime_call LIBRARY MODEL.onnx ROWS.f32 INPUTS score|time CALLS
 *
 * ROWS: float32 [n, INPUTS]. One row a call, the tensors made once, one thread. score prints the sum of the
 * answers; time prints quantiles of a call's wall time as JSON. */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef void* handle;
typedef handle (*any_function)(); /* returns an OrtStatus*, NULL when well */

enum place {
  kGetErrorMessage = 2,
  kCreateEnv = 3,
  kCreateSession = 7,
  kRun = 9,
  kCreateSessionOptions = 10,
  kSetIntraOpNumThreads = 24,
  kSetInterOpNumThreads = 25,
  kCreateTensorWithData = 49,
  kCreateCpuMemoryInfo = 69
};
enum { kApiVersion = 16, kFloat = 1, kWarning = 2 };

static any_function* api;

static void must(handle status, const char* what) {
  if (status == NULL) return;
  const char* (*message)(handle) = (const char* (*)(handle))api[kGetErrorMessage];
  fprintf(stderr, "%s: %s\n", what, message(status));
  exit(2);
}

static int ascending(const void* a, const void* b) {
  const int64_t x = *(const int64_t*)a;
  const int64_t y = *(const int64_t*)b;
  return (x > y) - (x < y);
}

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static float* read_rows(const char* path, long* bytes) {
  FILE* file = fopen(path, "rb");
  if (file == NULL || fseek(file, 0, SEEK_END) != 0) exit(2);
  *bytes = ftell(file);
  rewind(file);
  float* rows = malloc((size_t)*bytes);
  if (rows == NULL || fread(rows, 1, (size_t)*bytes, file) != (size_t)*bytes) exit(2);
  fclose(file);
  return rows;
}

int main(int argc, char** argv) {
  if (argc != 7) {
    fprintf(stderr, "usage: onnxruntime_call LIBRARY MODEL.onnx ROWS.f32 INPUTS score|time CALLS\n");
    return 2;
  }
  void* library = dlopen(argv[1], RTLD_NOW);
  if (library == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    return 2;
  }
  const int64_t inputs = atoll(argv[4]);
  long bytes = 0;
  const float* rows = read_rows(argv[3], &bytes);
  const long n = bytes / (long)(inputs * (int64_t)sizeof(float));
  const char* output_name = "probability"; /* as in every bundle */
  const int timed = strcmp(argv[5], "time") == 0;
  const long calls = atol(argv[6]);

  struct base {
    any_function* (*get_api)(uint32_t);
  };
  struct base* (*get_base)(void) = (struct base * (*)(void)) dlsym(library, "OrtGetApiBase");
  api = get_base()->get_api(kApiVersion);
  handle env, options, session, memory, input, output;
  must(api[kCreateEnv](kWarning, "bench", &env), "env");
  must(api[kCreateSessionOptions](&options), "options");
  must(api[kSetIntraOpNumThreads](options, 1), "threads");
  must(api[kSetInterOpNumThreads](options, 1), "threads");
  must(api[kCreateSession](env, argv[2], options, &session), argv[2]);
  must(api[kCreateCpuMemoryInfo](0, 0, &memory), "memory");
  float row[4096];
  float answer = 0;
  const int64_t row_shape[2] = {1, inputs};
  const int64_t answer_shape[2] = {1, 1};
  must(api[kCreateTensorWithData](memory, row, (size_t)inputs * sizeof(float), row_shape, (size_t)2, kFloat,
                                  &input),
       "row");
  must(api[kCreateTensorWithData](memory, &answer, sizeof answer, answer_shape, (size_t)2, kFloat, &output),
       "answer");

  const char* input_name = "features";
  int64_t* ns = malloc((size_t)calls * sizeof *ns);
  if (ns == NULL) return 2;
  double sum = 0;
  for (long i = 0; i < calls; ++i) {
    memcpy(row, rows + (i % n) * inputs, (size_t)inputs * sizeof(float));
    const int64_t before = timed ? now_ns() : 0;
    must(api[kRun](session, NULL, &input_name, &input, (size_t)1, &output_name, (size_t)1, &output), "run");
    if (timed) ns[i] = now_ns() - before;
    sum += (double)answer;
  }
  if (!timed) {
    printf("%.9f\n", sum);
    return 0;
  }
  qsort(ns, (size_t)calls, sizeof *ns, ascending);
  const double last = (double)(calls - 1);
  printf("{\"p50_us\": %.3f, \"p99_us\": %.3f, \"p99.9_us\": %.3f, \"samples\": %ld}\n",
         (double)ns[(long)(0.5 * last)] / 1e3, (double)ns[(long)(0.99 * last)] / 1e3,
         (double)ns[(long)(0.999 * last)] / 1e3, calls);
  return 0;
}
