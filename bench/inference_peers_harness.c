/* Calls LightGBM's fast single-row function and lleaves' compiled function from C, so that the price of a
 * call from Python is in no figure. inference_peers.py compiles it into a shared object and loads it.
 *
 * Every function times `repeats` passes over the n rows and returns the fastest pass, in nanoseconds of this
 * thread's processor time a row; out[n] receives the answers of the last pass. Not thread-safe; rows and out
 * belong to the caller. */
#include <stdint.h>
#include <time.h>

static double now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* int LGBM_BoosterPredictForMatSingleRowFast(config, data, &out_len, out) */
typedef int (*lightgbm_row_fn)(void*, const void*, int64_t*, double*);

double time_lightgbm_row(lightgbm_row_fn predict, void* config, const float* rows, int64_t n,
                         int64_t features, int repeats, double* out) {
  double best = 1e300;
  for (int r = 0; r < repeats; ++r) {
    const double start = now_ns();
    for (int64_t i = 0; i < n; ++i) {
      int64_t length;
      if (predict(config, rows + i * features, &length, out + i) != 0) return -1;
    }
    const double ns = (now_ns() - start) / (double)n;
    if (ns < best) best = ns;
  }
  return best;
}

/* int LGBM_BoosterPredictForMat(booster, data, type, rows, columns, row_major, predict_type, start,
 * iterations, parameters, &out_len, out) */
typedef int (*lightgbm_batch_fn)(void*, const void*, int, int32_t, int32_t, int, int, int, int, const char*,
                                 int64_t*, double*);

double time_lightgbm_batch(lightgbm_batch_fn predict, void* booster, const float* rows, int64_t n,
                           int64_t features, int32_t batch, int repeats, double* out) {
  double best = 1e300;
  for (int r = 0; r < repeats; ++r) {
    const double start = now_ns();
    for (int64_t i = 0; i + batch <= n; i += batch) {
      int64_t length;
      if (predict(booster, rows + i * features, 0, batch, (int32_t)features, 1, 0, 0, -1, "num_threads=1",
                  &length, out + i) != 0) {
        return -1;
      }
    }
    const double ns = (now_ns() - start) / (double)n;
    if (ns < best) best = ns;
  }
  return best;
}

/* void forest_root(const double* rows, double* out, int start, int end) */
typedef void (*lleaves_fn)(const double*, double*, int, int);

double time_lleaves(lleaves_fn predict, const double* rows, int64_t n, int64_t features, int64_t batch,
                    int repeats, double* out) {
  double best = 1e300;
  for (int r = 0; r < repeats; ++r) {
    const double start = now_ns();
    for (int64_t i = 0; i + batch <= n; i += batch) predict(rows + i * features, out + i, 0, (int)batch);
    const double ns = (now_ns() - start) / (double)n;
    if (ns < best) best = ns;
  }
  return best;
}
