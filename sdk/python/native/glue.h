/* What the extension adds to the C ABI, in C++ beside it: loops that would be slow in Python. Not a public
 * interface.
 *
 * Only captures and flow windows have state; both are for one thread at a time, which their Python owners see
 * to. */
#ifndef REELSENSE_PYTHON_GLUE_H_
#define REELSENSE_PYTHON_GLUE_H_

#include <stddef.h>
#include <stdint.h>

#include "reelsense.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- rows of a callback ---- */

/* Copies the features and bins that n windows point at: features [n, width], bins [n, RS_BINS]. */
void rspy_gather(float* features, uint32_t* bins, const rs_window* windows, size_t n, size_t width);

/* ---- captures: ingest/'s readers in front of rs_add_frames ---- */

typedef struct rspy_capture rspy_capture;

#define RSPY_SKIP_REASONS 4

typedef struct rspy_capture_status {
  uint64_t records;                    /* given to the classifier */
  uint64_t skipped[RSPY_SKIP_REASONS]; /* by rspy_skip_name */
  uint64_t bytes_read;
  uint64_t bytes_total; /* 0: not known */
  int64_t truncated_at; /* -1: it was not cut */
  char damage[512];     /* empty: none */
  char description[256];
} rspy_capture_status;

/* An uncompressed classic pcap or pcapng: a path, "-" or a pipe. RS_INVALID_ARGUMENT: it cannot be opened or
 * read; RS_UNSUPPORTED, RS_CORRUPT: it is no capture; the message names the path. */
rs_status rspy_capture_open(rspy_capture** capture, const char* path, rs_error* error);
void rspy_capture_free(rspy_capture* capture);
/* Reads records and gives them to the classifier until at least `most` were read or the capture ends.
 * *records: how many; 0 at the end. */
rs_status rspy_capture_pump(rspy_capture* capture, uint64_t* records, rs_classifier* classifier,
                            uint64_t most);
void rspy_capture_describe(const rspy_capture* capture, rspy_capture_status* status);
const char* rspy_skip_name(uint32_t reason);

/* ---- one flow's packets as the server's /v1/classify takes them ---- */

typedef struct rspy_flow rspy_flow;

#define RSPY_ROW 88 /* 48 features and 40 bins of the packet view */

rspy_flow* rspy_flow_new(void); /* NULL: no memory */
void rspy_flow_free(rspy_flow* flow);
/* Adds n packets and writes a row [RSPY_ROW] and its second for each window that this closes: by a packet of
 * a later second, by until_ns reaching its end (negative: not said), or by `end`. At most n + 1; rows and
 * seconds have room for them. Returns their number. directions: rs_direction. */
size_t rspy_flow_add(rspy_flow* flow, float* rows, int64_t* seconds, const int64_t* times_ns,
                     const uint32_t* bytes, const uint8_t* directions, size_t n, int64_t until_ns, int end);

#ifdef __cplusplus
}
#endif

#endif /* REELSENSE_PYTHON_GLUE_H_ */
