/* reelsense.h: the C ABI of Reelsense's device tier, the one door for every SDK.
 *
 * Packets or socket bytes go in; labels, session labels and QoS decisions come out. The library has no thread, timer,
 * clock, file or log of its own: it runs only inside the calls below, on the caller's thread, with the caller's time.
 *
 * Rules, for every function:
 *  - Order of arguments: the handle (or where a new one goes), what is written, what is read, a length right after its
 *    array, rs_error last.
 *  - Times are event times in nanoseconds since the Unix epoch, 0 … 2200-01-01. Windows are the seconds of that clock.
 *  - A struct that begins with `size` is set up by its rs_…_init and says which version of it the caller knows; a library
 *    that is newer or older fills or reads only what both know.
 *  - Nothing is allocated but in rs_model_load, rs_policy_create, rs_classifier_create and rs_feedback_open.
 *  - NULL where a pointer is needed, a misaligned pointer or a bad number is RS_INVALID_ARGUMENT and changes nothing.
 *    Every …_free takes NULL.
 *  - Threads: an rs_model is immutable and may be used by any number of threads at once. Every other handle belongs to
 *    one call at a time. A second call that comes while one runs, from a callback or from another thread, is refused
 *    with RS_BUSY and changes nothing; builds with assertions stop there when it came from another thread.
 *  - Callbacks run inside the call that caused them. What they are given is valid until they return.
 */
#ifndef REELSENSE_H_
#define REELSENSE_H_

#include <stddef.h>
#include <stdint.h>

#if defined(REELSENSE_STATIC)
#define RS_API
#elif defined(__GNUC__)
#define RS_API __attribute__((visibility("default")))
#else
#define RS_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- versions and errors ---------------------------------------------------------------------------------------- */

/* The version of this header. A change that breaks callers raises it. */
#define RS_ABI_VERSION 1u

/* The version that the library implements: refuse to go on if it is not RS_ABI_VERSION. */
RS_API uint32_t rs_abi_version(void);
/* The library's own version, "0.4.0". Static. */
RS_API const char* rs_version(void);

typedef enum rs_status {
  RS_OK = 0,
  RS_INVALID_ARGUMENT = 1, /* a NULL, misaligned or out-of-range argument */
  RS_CORRUPT = 2,          /* bytes that do not follow their format: a damaged model or feedback memory */
  RS_UNSUPPORTED = 3,      /* well-formed, but not something this build reads */
  RS_MISMATCH = 4,         /* two things that must agree do not: schema hash, view of model and call, ABI version */
  RS_LIMIT = 5,            /* over a documented bound: table full, buffer too small, feedback queue full */
  RS_BUSY = 6,             /* another call on this handle is running (see Threads) */
  RS_CLOSED = 7,           /* the flow was closed, evicted, or never opened */
  RS_MEMORY = 8            /* the system gave no memory */
} rs_status;

/* "RS_OK", "RS_INVALID_ARGUMENT", …; "unknown" for any other number. Static. */
RS_API const char* rs_status_name(rs_status status);

/* What went wrong, where, and what was expected: UTF-8, ended by 0. Filled on failure only; may be NULL everywhere. */
typedef struct rs_error {
  char message[512];
} rs_error;

/* ---- views and features ------------------------------------------------------------------------------------------ */

typedef enum rs_view {
  RS_VIEW_PACKET = 0, /* IP packets of a capture, a VPN or a network stack */
  RS_VIEW_SOCKET = 1  /* bytes that an app read and wrote on a connection */
} rs_view;

/* Bytes in 20 × 50 ms down, then 20 × 50 ms up. */
#define RS_BINS 40u
#define RS_MAX_FEATURES 48u

/* Number of features of a view; 0 for no view. */
RS_API uint32_t rs_feature_count(rs_view view);
/* Name of a feature, "down_bytes_log2"; NULL if there is none. Static. */
RS_API const char* rs_feature_name(rs_view view, uint32_t index);
/* SHA-256 of the view's feature table, 64 hexadecimal digits and a 0: what a model must have been trained on. */
RS_API rs_status rs_schema_hash(char out[65], rs_view view);

typedef enum rs_direction { RS_UP = 0, RS_DOWN = 1 } rs_direction;

/* Feature vectors of one flow, for training and analysis: the same code, and so the same bits, as a classifier's.
 * In: n packets (RS_VIEW_PACKET: IP lengths on the wire) or reads and writes (RS_VIEW_SOCKET: bytes) in the order of
 * their times; a time before its predecessor's counts as that one. directions: rs_direction. Out: a row for each second
 * that had any: features row-major [rows, rs_feature_count(view)], seconds [rows], bins [rows, RS_BINS] or NULL. *rows
 * is the number there are; RS_LIMIT if that is more than `capacity`: the first `capacity` rows are written. At most one
 * row a packet. features and seconds may be NULL if capacity is 0. */
RS_API rs_status rs_extract(float* features, int64_t* seconds, uint32_t* bins, size_t capacity, size_t* rows,
                            rs_view view, const int64_t* times_ns, const uint32_t* bytes, const uint8_t* directions,
                            size_t n, rs_error* error);

/* ---- models ------------------------------------------------------------------------------------------------------ */

typedef struct rs_model rs_model;

/* Reads a bundle's model.onnx from memory; the bytes may go away afterwards. RS_CORRUPT, RS_UNSUPPORTED, RS_LIMIT (over
 * 16 MiB), RS_MISMATCH (trained on another feature table). */
RS_API rs_status rs_model_load(rs_model** model, const void* onnx, size_t onnx_bytes, rs_error* error);
/* Classifiers that use the model keep it alive. */
RS_API void rs_model_free(rs_model* model);

typedef struct rs_model_info {
  size_t size;
  const char* name;    /* "reelsense-ue"; lives as long as the model */
  const char* version; /* "1.0.0" */
  rs_view view;
  uint32_t inputs;       /* features it uses */
  float threshold;       /* video if probability >= threshold */
  float uncertain_low;   /* uncertain if low < probability < high */
  float uncertain_high;
  const char* kernel; /* "avx2", "neon", "portable", …: what scores it on this machine */
} rs_model_info;
RS_API void rs_model_info_init(rs_model_info* info, size_t size);
RS_API rs_status rs_model_describe(rs_model_info* info, const rs_model* model);

typedef enum rs_label { RS_NON_VIDEO = 0, RS_VIDEO = 1 } rs_label;

typedef struct rs_decision {
  float probability; /* of video, calibrated */
  float confidence;  /* of the label, [0.5, 1] */
  uint8_t label;     /* RS_NON_VIDEO or RS_VIDEO */
  uint8_t uncertain; /* 1: not to be acted on alone */
  uint8_t reserved[2];
} rs_decision;

/* Labels n full feature vectors, row-major [n, rs_feature_count(view of the model)], into decisions [n]. Allocates
 * nothing. A NaN is taken as the model takes it (trees: their default branch). */
RS_API rs_status rs_model_classify(const rs_model* model, rs_decision* decisions, const float* rows, size_t n);

/* ---- QoS policy -------------------------------------------------------------------------------------------------- */

typedef struct rs_policy rs_policy;

/* The default policy. Settings are those of docs/reference/qos-policy.md, all of them numbers. */
RS_API rs_status rs_policy_create(rs_policy** policy, rs_error* error);
RS_API void rs_policy_free(rs_policy* policy);
/* RS_INVALID_ARGUMENT names the setting and its range; the policy stays as it was. */
RS_API rs_status rs_policy_set(rs_policy* policy, const char* key, double value, rs_error* error);
RS_API rs_status rs_policy_get(double* value, const rs_policy* policy, const char* key, rs_error* error);

typedef struct rs_policy_key {
  const char* name; /* all strings are static */
  const char* unit;
  const char* help; /* a sentence or two; empty in the builds for Android */
  double low;       /* smallest and largest value */
  double high;
  double standard; /* default */
} rs_policy_key;
/* The settings, by index from 0; RS_INVALID_ARGUMENT after the last. */
RS_API rs_status rs_policy_key_at(rs_policy_key* key, uint32_t index);

/* Why a decision is as it is. */
typedef enum rs_reason {
  RS_REASON_DEFAULT = 0,     /* nothing known yet: what an app does without Reelsense */
  RS_REASON_VIDEO = 1,       /* video, and the path keeps up */
  RS_REASON_CONGESTED = 2,   /* video, and the path does not keep up */
  RS_REASON_NON_VIDEO = 3,   /* other traffic */
  RS_REASON_UNCERTAIN = 4,   /* not sure: safe values */
  RS_REASON_HOLD = 5,        /* not sure since a moment: the last sure decision is held */
  RS_REASON_IDLE = 6,        /* silence between bursts: the last decision stays */
  RS_REASON_BULK = 7         /* a long transfer that is not video: may stand back */
} rs_reason;
/* "default", "video", … Static. */
RS_API const char* rs_reason_name(rs_reason reason);

/* Differentiated services code points that a flow may be given. Never NQB: video builds queues. */
#define RS_DSCP_DEFAULT 0u
#define RS_DSCP_LOWER_EFFORT 1u /* RFC 8622 */
#define RS_DSCP_VIDEO 26u       /* AF31, multimedia streaming of RFC 4594 */

/* What an app or network should do for a session (all flows of one classifier), from a second on. */
typedef struct rs_qos {
  uint32_t prefetch_depth;   /* clips to fetch ahead */
  uint32_t buffer_target_ms; /* media to hold before fetching pauses */
  uint32_t max_bitrate_kbps; /* 0: no limit */
  uint32_t throughput_kbps;  /* estimate that these rest on; 0: not known */
  uint8_t prefetch_reason;   /* rs_reason */
  uint8_t buffer_reason;
  uint8_t bitrate_reason;
  uint8_t changed; /* 1: differs from the second before */
} rs_qos;

/* ---- the classifier ---------------------------------------------------------------------------------------------- */

typedef struct rs_classifier rs_classifier;

typedef struct rs_flow_tuple {
  uint8_t client[16]; /* IPv6, or IPv4 as ::ffff:a.b.c.d; network byte order; zero in the socket view */
  uint8_t server[16];
  uint16_t client_port;
  uint16_t server_port;
  uint8_t protocol;   /* IANA */
  uint8_t ip_version; /* 4, 6; 0 in the socket view */
  uint8_t reserved[2];
} rs_flow_tuple;

/* One flow's second that had packets, reads or writes. 128 bytes. */
typedef struct rs_window {
  int64_t second; /* k: the window is [k, k + 1) s since the epoch */
  uint64_t flow;  /* socket view: as rs_flow_open gave it; packet view: number in order of first packets */
  uint64_t bytes_up;
  uint64_t bytes_down;
  uint32_t packets_up; /* socket view: writes and reads */
  uint32_t packets_down;
  rs_decision decision; /* without a model: probability 0.5, uncertain */
  const float* features; /* [rs_feature_count(view)] */
  const uint32_t* bins;  /* [RS_BINS] */
  rs_flow_tuple tuple;
  uint8_t dscp;        /* RS_DSCP_…, from this second on */
  uint8_t dscp_reason; /* rs_reason */
  uint8_t reserved[14];
} rs_window;

/* A second of the whole session: all flows together, idle seconds too. */
typedef struct rs_second {
  size_t size;
  int64_t second;
  rs_decision session; /* is video being watched? also through idle seconds between bursts */
  rs_qos qos;
  uint64_t bytes_up;
  uint64_t bytes_down;
  uint32_t windows; /* flows with packets in it */
  uint32_t live_flows;
} rs_second;

typedef enum rs_flow_end {
  RS_END_FINISHED = 0,  /* packet view: RST, or FIN from both sides; socket view: closed */
  RS_END_IDLE = 1,
  RS_END_ACTIVE = 2,
  RS_END_REOPENED = 3,
  RS_END_EVICTED = 4,   /* the table was full */
  RS_END_TIME_STEP = 5, /* the clock was set anew */
  RS_END_END = 6        /* rs_classifier_finish */
} rs_flow_end;

typedef struct rs_flow_summary {
  size_t size;
  uint64_t flow;
  int64_t first_ns;
  int64_t last_ns;
  uint64_t packets_up;
  uint64_t packets_down;
  uint64_t bytes_up;
  uint64_t bytes_down;
  uint32_t windows; /* labelled */
  uint32_t idle_windows;
  uint32_t video_windows;
  uint32_t reason; /* rs_flow_end */
  rs_flow_tuple tuple;
} rs_flow_summary;

typedef struct rs_options {
  size_t size;
  rs_view view;       /* must be the model's */
  uint32_t max_flows; /* 256; 1 … 16777216. About 520 bytes each */
  int64_t idle_timeout_ns;   /* 120 s; 1 s … 1 day: a flow without packets ends. In the socket view its features begin
                                anew instead, and its handle stays */
  int64_t active_timeout_ns; /* 3600 s; 1 s … 7 days: the same for a flow that is that old */
  const rs_policy* policy;   /* NULL: the default; copied */
  void* user;                /* given to the callbacks */
  /* Each may be NULL. Rows of a second come first, then its rs_second; flows that end come when they end. */
  void (*on_windows)(void* user, const rs_window* windows, size_t n);
  void (*on_second)(void* user, const rs_second* second);
  void (*on_flow_end)(void* user, const rs_flow_summary* flow);
} rs_options;
RS_API void rs_options_init(rs_options* options, size_t size);

/* `model` may be NULL: features without labels. `options` may be NULL: the defaults, the model's view, no callbacks.
 * RS_MISMATCH if the model's view is not options->view. */
RS_API rs_status rs_classifier_create(rs_classifier** classifier, const rs_model* model, const rs_options* options,
                                      rs_error* error);
/* Does not finish: what is open is dropped without a callback. Inside a callback it does nothing. */
RS_API void rs_classifier_free(rs_classifier* classifier);

/* Swaps the model, of the same view, between two seconds: windows that are open are scored by the new one. */
RS_API rs_status rs_classifier_set_model(rs_classifier* classifier, const rs_model* model);

/* Event time has reached now_ns: closes the seconds before it, labels them, calls back. An app calls it once a second
 * while it has flows, and not at all while it sleeps. An earlier time than the latest seen changes nothing. */
RS_API rs_status rs_classifier_advance(rs_classifier* classifier, int64_t now_ns);
/* End of input: closes every window, ends every flow. The classifier may be used again. */
RS_API rs_status rs_classifier_finish(rs_classifier* classifier);

/* -- packet view -- */

/* Link layers as in a capture file (DLT numbers). A VpnService or NEPacketTunnelProvider has RS_LINK_RAW. */
#define RS_LINK_ETHERNET 1u
#define RS_LINK_RAW 101u

typedef struct rs_frame {
  int64_t time_ns;
  const void* data;        /* from the link layer's first byte; only headers are read */
  uint32_t captured_bytes; /* of data that are there */
  uint32_t wire_bytes;     /* length on the link; less than captured_bytes: taken as that */
} rs_frame;
/* Frames in the order they were captured; those that hold no readable IP packet are counted by reason. Fastest in
 * batches of 32 and more. RS_UNSUPPORTED: a link type that this library does not read. */
RS_API rs_status rs_add_frames(rs_classifier* classifier, uint32_t link, const rs_frame* frames, size_t n);

/* A packet of which the headers were read elsewhere. */
typedef struct rs_packet {
  int64_t time_ns;
  uint8_t source[16]; /* as in rs_flow_tuple */
  uint8_t destination[16];
  uint32_t wire_bytes; /* IP packet, header included */
  uint16_t source_port;
  uint16_t destination_port;
  uint16_t header_bytes; /* IP and transport headers; 0: 40 */
  uint8_t ip_version;    /* 4 or 6 */
  uint8_t protocol;      /* IANA */
  uint8_t tcp_flags;     /* FIN 1, SYN 2, RST 4, ACK 16 */
  uint8_t reserved[3];
} rs_packet;
RS_API rs_status rs_add_packets(rs_classifier* classifier, const rs_packet* packets, size_t n);

/* -- socket view -- */

/* A connection was opened. *flow is never 0 and never given twice. If the table is full, the flow that was quiet for
 * longest is ended as RS_END_EVICTED. */
RS_API rs_status rs_flow_open(rs_classifier* classifier, uint64_t* flow, int64_t now_ns);
/* The app read or wrote `bytes` bytes, 2^31 at most; 0 only tells the time. RS_CLOSED: not one of the open flows. A time
 * before the latest seen counts as late, in that one's second; one more than 300 s before it is a clock that was set: the
 * open windows close and every flow begins anew. A time outside 1970 … 2200 is dropped and counted. */
RS_API rs_status rs_flow_read(rs_classifier* classifier, uint64_t flow, uint64_t bytes, int64_t now_ns);
RS_API rs_status rs_flow_write(rs_classifier* classifier, uint64_t flow, uint64_t bytes, int64_t now_ns);
/* Its open window is labelled, then it ends. A second close is RS_CLOSED. */
RS_API rs_status rs_flow_close(rs_classifier* classifier, uint64_t flow, int64_t now_ns);

/* What is known of one flow so far, without waiting for its second to end: the open window, labelled as if its second
 * ended now; the latest window's label where none is open; uncertain before the first. For decisions before the body of
 * a response is read. */
RS_API rs_status rs_flow_peek(const rs_classifier* classifier, rs_decision* decision, uint64_t flow);

/* -- counters -- */

#define RS_DROP_REASONS 8u
typedef struct rs_counters {
  size_t size;
  uint64_t records; /* packets, or reads and writes, that count for a flow */
  uint64_t packets; /* those they stand for (offloads merge packets) */
  uint64_t late;
  uint64_t dropped[RS_DROP_REASONS]; /* by rs_drop_name */
  uint64_t flows;
  uint64_t ended[7]; /* by rs_flow_end */
  uint64_t windows;
  uint64_t video_windows;
  uint64_t uncertain_windows;
  uint64_t idle_windows;
  uint64_t time_steps;
  uint64_t refused_calls; /* RS_BUSY */
  uint32_t live_flows;
  uint32_t peak_flows;
  size_t memory_bytes; /* what the classifier holds at most, its model not counted */
} rs_counters;
RS_API void rs_counters_init(rs_counters* counters, size_t size);
RS_API rs_status rs_classifier_counters(rs_counters* counters, const rs_classifier* classifier);
/* "link_type", "not_ip", … of counters.dropped[reason]; NULL beyond. Static. */
RS_API const char* rs_drop_name(uint32_t reason);

/* ---- feedback ---------------------------------------------------------------------------------------------------- */

/* Anonymised windows on their way to retraining (docs/explanation/privacy.md): quantised features, the label given, and
 * the truth behind randomised response. No address, name, flow or time is ever put into one.
 *
 * The queue lives in memory of the caller's, which may be a mapped file: what was added is there after a crash of the
 * process, and rs_feedback_open finds it. A record that was being written when the process died is left out. */
typedef struct rs_feedback rs_feedback;

typedef struct rs_feedback_options {
  size_t size;
  double sample; /* 0.01: share of the windows that is kept, 0 … 1. A window with truth is kept likewise */
  double epsilon; /* 1.0: of the truth bit's randomised response, 0.1 … 10 */
} rs_feedback_options;
RS_API void rs_feedback_options_init(rs_feedback_options* options, size_t size);

/* Bytes of memory for `records` of them, 1 … 1000000. 0 if out of range. */
RS_API size_t rs_feedback_memory(uint32_t records);
/* memory: 8-byte aligned, rs_feedback_memory bytes or more; new memory is all zero. RS_CORRUPT: it is something else
 * (then nothing is touched). `model` names the features and is remembered in each record. */
RS_API rs_status rs_feedback_open(rs_feedback** feedback, void* memory, size_t bytes, const rs_model* model,
                                  const rs_feedback_options* options, rs_error* error);
RS_API void rs_feedback_free(rs_feedback* feedback);

typedef enum rs_truth { RS_TRUTH_UNKNOWN = 0, RS_TRUTH_NON_VIDEO = 1, RS_TRUTH_VIDEO = 2 } rs_truth;

/* Adds a window, if the sample takes it (*kept). random: 16 bytes from the system's generator, new for each call.
 * RS_LIMIT: the queue is full and the window was left out, which the queue counts. */
RS_API rs_status rs_feedback_add(rs_feedback* feedback, int* kept, const rs_window* window, rs_truth truth,
                                 const uint8_t random[16]);
/* Records that wait. */
RS_API uint32_t rs_feedback_count(const rs_feedback* feedback);
/* Records that were left out since the queue was made, because it was full. */
RS_API uint64_t rs_feedback_lost(const rs_feedback* feedback);
/* The body of POST /v1/observations for the oldest records, at most max_records and as many as fit: UTF-8 JSON, ended by
 * 0. *written counts bytes without it, *records the records inside. They stay until rs_feedback_discard. RS_LIMIT: not
 * even one fits (4 KiB always hold one). */
RS_API rs_status rs_feedback_peek(const rs_feedback* feedback, char* json, size_t capacity, size_t* written,
                                  uint32_t* records, uint32_t max_records);
/* The server has the oldest `records`: forget them. */
RS_API rs_status rs_feedback_discard(rs_feedback* feedback, uint32_t records);

#ifdef __cplusplus
}
#endif

#endif /* REELSENSE_H_ */
