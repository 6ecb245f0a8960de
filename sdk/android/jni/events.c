/* The event buffer: what a classifier's callbacks said, in the order in which they came. */
#include <stdlib.h>
#include <string.h>

#include "bridge.h"

/* Room for a record, its header written; NULL (and counted) if there is none. */
static uint8_t* append(session* s, uint32_t type, uint32_t bytes) {
  const uint32_t total = (bytes + 8 + 7) & ~7u;
  if (s->used + total > s->capacity) {
    size_t grown = s->capacity == 0 ? 16384 : s->capacity;
    while (grown < s->used + total) grown *= 2;
    uint8_t* memory = grown > MAX_EVENT_BYTES ? NULL : realloc(s->events, grown);
    if (memory == NULL) {
      ++s->lost;
      return NULL;
    }
    s->events = memory;
    s->capacity = grown;
  }
  uint8_t* record = s->events + s->used;
  memset(record, 0, total);
  memcpy(record, &type, 4);
  memcpy(record + 4, &total, 4);
  s->used += total;
  return record + 8;
}

static uint8_t* put(uint8_t* at, const void* value, size_t bytes) {
  memcpy(at, value, bytes);
  return at + bytes;
}
#define PUT(at, value) put(at, &(value), sizeof(value))

static uint8_t* put_decision(uint8_t* at, const rs_decision* decision) {
  at = PUT(at, decision->probability);
  at = PUT(at, decision->confidence);
  at = PUT(at, decision->label);
  return PUT(at, decision->uncertain);
}

/* 40 bytes. */
static uint8_t* put_tuple(uint8_t* at, const rs_flow_tuple* tuple) {
  at = PUT(at, tuple->client);
  at = PUT(at, tuple->server);
  at = PUT(at, tuple->client_port);
  at = PUT(at, tuple->server_port);
  at = PUT(at, tuple->protocol);
  at = PUT(at, tuple->ip_version);
  return at + 2;
}

static void on_windows(void* user, const rs_window* windows, size_t n) {
  session* s = user;
  const uint32_t features = s->with_features ? s->features : 0;
  const uint32_t bins = s->with_features ? RS_BINS : 0;
  for (size_t i = 0; i < n; ++i) {
    const rs_window* w = &windows[i];
    uint8_t* at = append(s, EVENT_WINDOW, 104 + 4 * (features + bins));
    if (at == NULL) continue;
    at = PUT(at, w->second);
    at = PUT(at, w->flow);
    at = PUT(at, w->bytes_up);
    at = PUT(at, w->bytes_down);
    at = PUT(at, w->packets_up);
    at = PUT(at, w->packets_down);
    at = put_decision(at, &w->decision);
    at = PUT(at, w->dscp);
    at = PUT(at, w->dscp_reason);
    at = PUT(at, features);
    at = put_tuple(at + 8, &w->tuple);
    at = put(at, w->features, 4 * (size_t)features);
    put(at, w->bins, 4 * (size_t)bins);
  }
}

static void on_second(void* user, const rs_second* second) {
  uint8_t* at = append(user, EVENT_SECOND, 64);
  if (at == NULL) return;
  at = PUT(at, second->second);
  at = PUT(at, second->bytes_up);
  at = PUT(at, second->bytes_down);
  at = PUT(at, second->windows);
  at = PUT(at, second->live_flows);
  at = PUT(at, second->qos.prefetch_depth);
  at = PUT(at, second->qos.buffer_target_ms);
  at = PUT(at, second->qos.max_bitrate_kbps);
  at = PUT(at, second->qos.throughput_kbps);
  at = PUT(at, second->qos.prefetch_reason);
  at = PUT(at, second->qos.buffer_reason);
  at = PUT(at, second->qos.bitrate_reason);
  at = PUT(at, second->qos.changed);
  put_decision(at, &second->session);
}

static void on_flow_end(void* user, const rs_flow_summary* flow) {
  uint8_t* at = append(user, EVENT_FLOW_END, 112);
  if (at == NULL) return;
  at = PUT(at, flow->flow);
  at = PUT(at, flow->first_ns);
  at = PUT(at, flow->last_ns);
  at = PUT(at, flow->packets_up);
  at = PUT(at, flow->packets_down);
  at = PUT(at, flow->bytes_up);
  at = PUT(at, flow->bytes_down);
  at = PUT(at, flow->windows);
  at = PUT(at, flow->idle_windows);
  at = PUT(at, flow->video_windows);
  at = PUT(at, flow->reason);
  put_tuple(at, &flow->tuple);
}

void events_connect(rs_options* options, session* owner) {
  options->user = owner;
  options->on_windows = on_windows;
  options->on_second = on_second;
  options->on_flow_end = on_flow_end;
}
