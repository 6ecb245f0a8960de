/* Classifiers: a session is the core's classifier and its event buffer. */
#include <stdlib.h>
#include <string.h>

#include "bridge.h"

/* One setting of `policy`, by name. False: an exception is pending. */
static int set_policy(JNIEnv* env, rs_policy* policy, jobjectArray keys, jdoubleArray values, jsize index) {
  jdouble value = 0;
  (*env)->GetDoubleArrayRegion(env, values, index, 1, &value);
  jstring text = (*env)->GetObjectArrayElement(env, keys, index);
  if ((*env)->ExceptionCheck(env)) return 0;
  const char* key = (*env)->GetStringUTFChars(env, text, NULL);
  if (key == NULL) return 0;
  rs_error error = {""};
  const rs_status status = rs_policy_set(policy, key, value, &error);
  (*env)->ReleaseStringUTFChars(env, text, key);
  (*env)->DeleteLocalRef(env, text);
  if (status != RS_OK) throw_status(env, status, error.message);
  return status == RS_OK;
}

static rs_policy* make_policy(JNIEnv* env, jobjectArray keys, jdoubleArray values) {
  rs_policy* policy = NULL;
  rs_error error = {""};
  const rs_status status = rs_policy_create(&policy, &error);
  if (status != RS_OK) {
    throw_status(env, status, error.message);
    return NULL;
  }
  const jsize n = (*env)->GetArrayLength(env, keys);
  for (jsize i = 0; i < n; ++i) {
    if (!set_policy(env, policy, keys, values, i)) {
      rs_policy_free(policy);
      return NULL;
    }
  }
  return policy;
}

static jlong classifier_create(JNIEnv* env, jclass unused, jlong model, jint view, jint max_flows, jlong idle_ns,
                               jlong active_ns, jobjectArray keys, jdoubleArray values, jboolean with_features) {
  (void)unused;
  rs_policy* policy = make_policy(env, keys, values);
  if (policy == NULL) return 0;
  session* s = calloc(1, sizeof *s);
  rs_error error = {"no memory for a classifier"};
  rs_status status = RS_MEMORY;
  if (s != NULL) {
    s->features = rs_feature_count((rs_view)view);
    s->with_features = with_features == JNI_TRUE;
    rs_options options;
    rs_options_init(&options, sizeof options);
    options.view = (rs_view)view;
    options.max_flows = max_flows < 0 ? 0 : (uint32_t)max_flows;
    options.idle_timeout_ns = idle_ns;
    options.active_timeout_ns = active_ns;
    options.policy = policy;
    events_connect(&options, s);
    status = rs_classifier_create(&s->core, from_handle(model), &options, &error);
  }
  rs_policy_free(policy);
  if (status != RS_OK) {
    free(s);
    throw_status(env, status, error.message);
    return 0;
  }
  return to_handle(s);
}

static void classifier_free(JNIEnv* env, jclass unused, jlong handle) {
  (void)env, (void)unused;
  session* s = from_handle(handle);
  if (s == NULL) return;
  rs_classifier_free(s->core);
  free(s->events);
  free(s);
}

static jint answer(const session* s, rs_status status) {
  return (jint)status | (s->used != 0 ? EVENTS_WAIT : 0);
}

static jint set_model(JNIEnv* env, jclass unused, jlong handle, jlong model) {
  (void)env, (void)unused;
  session* s = from_handle(handle);
  return answer(s, rs_classifier_set_model(s->core, from_handle(model)));
}

static jint advance(JNIEnv* env, jclass unused, jlong handle, jlong now_ns) {
  (void)env, (void)unused;
  session* s = from_handle(handle);
  return answer(s, rs_classifier_advance(s->core, now_ns));
}

static jint finish(JNIEnv* env, jclass unused, jlong handle) {
  (void)env, (void)unused;
  session* s = from_handle(handle);
  return answer(s, rs_classifier_finish(s->core));
}

static jint flow_open(JNIEnv* env, jclass unused, jlong handle, jlong now_ns, jlongArray flow) {
  (void)unused;
  session* s = from_handle(handle);
  uint64_t opened = 0;
  const rs_status status = rs_flow_open(s->core, &opened, now_ns);
  const jlong value = (jlong)opened;
  (*env)->SetLongArrayRegion(env, flow, 0, 1, &value);
  return answer(s, status);
}

static jint flow_bytes(JNIEnv* env, jclass unused, jlong handle, jlong flow, jboolean down, jlong bytes, jlong now_ns) {
  (void)env, (void)unused;
  session* s = from_handle(handle);
  if (bytes < 0) return answer(s, RS_INVALID_ARGUMENT);
  return answer(s, down == JNI_TRUE ? rs_flow_read(s->core, (uint64_t)flow, (uint64_t)bytes, now_ns)
                                    : rs_flow_write(s->core, (uint64_t)flow, (uint64_t)bytes, now_ns));
}

static jint flow_close(JNIEnv* env, jclass unused, jlong handle, jlong flow, jlong now_ns) {
  (void)env, (void)unused;
  session* s = from_handle(handle);
  return answer(s, rs_flow_close(s->core, (uint64_t)flow, now_ns));
}

/* out [4]: probability, confidence, label, uncertain. */
static jint flow_peek(JNIEnv* env, jclass unused, jlong handle, jlong flow, jfloatArray out) {
  (void)unused;
  session* s = from_handle(handle);
  rs_decision decision = {0};
  const rs_status status = rs_flow_peek(s->core, &decision, (uint64_t)flow);
  if (status == RS_OK) {
    const jfloat numbers[4] = {decision.probability, decision.confidence, decision.label, decision.uncertain};
    (*env)->SetFloatArrayRegion(env, out, 0, 4, numbers);
  }
  return answer(s, status);
}

/* frames: a direct buffer of n records {int64 time_ns, uint32 captured, uint32 wire, bytes padded to 8}. */
static jint add_frames(JNIEnv* env, jclass unused, jlong handle, jint link, jobject frames, jint used, jint n) {
  (void)unused;
  enum { BLOCK = 64 };
  session* s = from_handle(handle);
  const uint8_t* at = (*env)->GetDirectBufferAddress(env, frames);
  const jlong capacity = (*env)->GetDirectBufferCapacity(env, frames);
  if (at == NULL || used < 0 || (jlong)used > capacity || n < 0) return answer(s, RS_INVALID_ARGUMENT);
  const uint8_t* const end = at + used;
  rs_frame block[BLOCK];
  size_t held = 0;
  for (jint i = 0; i < n; ++i) {
    if (end - at < 16) return answer(s, RS_INVALID_ARGUMENT);
    rs_frame* frame = &block[held++];
    memcpy(&frame->time_ns, at, 8);
    memcpy(&frame->captured_bytes, at + 8, 4);
    memcpy(&frame->wire_bytes, at + 12, 4);
    frame->data = at + 16;
    const uint64_t padded = ((uint64_t)frame->captured_bytes + 7) & ~(uint64_t)7;
    if (padded > (uint64_t)(end - at) - 16) return answer(s, RS_INVALID_ARGUMENT);
    at += 16 + padded;
    if (held == BLOCK || i + 1 == n) {
      const rs_status status = rs_add_frames(s->core, (uint32_t)link, block, held);
      if (status != RS_OK) return answer(s, status);
      held = 0;
    }
  }
  return answer(s, RS_OK);
}

static jbyteArray take_events(JNIEnv* env, jclass unused, jlong handle) {
  (void)unused;
  session* s = from_handle(handle);
  jbyteArray events = (*env)->NewByteArray(env, (jsize)s->used);
  if (events == NULL) return NULL;
  (*env)->SetByteArrayRegion(env, events, 0, (jsize)s->used, (const jbyte*)s->events);
  s->used = 0;
  return events;
}

/* out: records, packets, late, dropped, flows, windows, video windows, uncertain windows, idle windows, time steps,
 * refused calls, live flows, peak flows, memory bytes, lost events. */
static jint counters(JNIEnv* env, jclass unused, jlong handle, jlongArray out) {
  (void)unused;
  const session* s = from_handle(handle);
  rs_counters c;
  rs_counters_init(&c, sizeof c);
  const rs_status status = rs_classifier_counters(&c, s->core);
  uint64_t dropped = 0;
  for (uint32_t i = 0; i < RS_DROP_REASONS; ++i) dropped += c.dropped[i];
  const jlong numbers[15] = {
      (jlong)c.records,       (jlong)c.packets,           (jlong)c.late,         (jlong)dropped,
      (jlong)c.flows,         (jlong)c.windows,           (jlong)c.video_windows, (jlong)c.uncertain_windows,
      (jlong)c.idle_windows,  (jlong)c.time_steps,        (jlong)c.refused_calls, (jlong)c.live_flows,
      (jlong)c.peak_flows,    (jlong)(c.memory_bytes + s->capacity), (jlong)s->lost};
  (*env)->SetLongArrayRegion(env, out, 0, 15, numbers);
  return (jint)status;
}

#define METHOD(name, signature, function) {(char*)(name), (char*)(signature), (void*)(function)}
const JNINativeMethod kClassifierMethods[] = {
    METHOD("classifierCreate", "(JIIJJ[Ljava/lang/String;[DZ)J", classifier_create),
    METHOD("classifierFree", "(J)V", classifier_free),
    METHOD("classifierSetModel", "(JJ)I", set_model),
    METHOD("classifierAdvance", "(JJ)I", advance),
    METHOD("classifierFinish", "(J)I", finish),
    METHOD("flowOpen", "(JJ[J)I", flow_open),
    METHOD("flowBytes", "(JJZJJ)I", flow_bytes),
    METHOD("flowClose", "(JJJ)I", flow_close),
    METHOD("flowPeek", "(JJ[F)I", flow_peek),
    METHOD("addFrames", "(JILjava/nio/ByteBuffer;II)I", add_frames),
    METHOD("takeEvents", "(J)[B", take_events),
    METHOD("counters", "(J[J)I", counters),
};
const jint kClassifierMethodCount = sizeof kClassifierMethods / sizeof *kClassifierMethods;
