/* The feedback queue over memory that the JVM mapped. */
#include <stdlib.h>
#include <string.h>

#include "bridge.h"

static jlong feedback_memory(JNIEnv* env, jclass unused, jint records) {
  (void)env, (void)unused;
  return records < 0 ? 0 : (jlong)rs_feedback_memory((uint32_t)records);
}

static jlong feedback_open(JNIEnv* env, jclass unused, jobject memory, jlong model, jdouble sample, jdouble epsilon) {
  (void)unused;
  void* address = (*env)->GetDirectBufferAddress(env, memory);
  const jlong bytes = (*env)->GetDirectBufferCapacity(env, memory);
  if (address == NULL || bytes < 0) {
    throw_status(env, RS_INVALID_ARGUMENT, "feedback memory: a direct or mapped buffer is expected");
    return 0;
  }
  rs_feedback_options options;
  rs_feedback_options_init(&options, sizeof options);
  options.sample = sample;
  options.epsilon = epsilon;
  rs_feedback* feedback = NULL;
  rs_error error = {""};
  const rs_status status = rs_feedback_open(&feedback, address, (size_t)bytes, from_handle(model), &options, &error);
  if (status != RS_OK) throw_status(env, status, error.message);
  return to_handle(feedback);
}

static void feedback_free(JNIEnv* env, jclass unused, jlong feedback) {
  (void)env, (void)unused;
  rs_feedback_free(from_handle(feedback));
}

/* The window of these features and decision [probability, confidence, label, uncertain]. Returns the status, 0x100 set
 * if the sample took it. */
static jint feedback_add(JNIEnv* env, jclass unused, jlong feedback, jfloatArray features, jintArray bins,
                         jfloatArray decision, jint truth, jbyteArray random) {
  (void)unused;
  float values[RS_MAX_FEATURES] = {0};
  jint bin_values[RS_BINS] = {0};
  uint32_t unsigned_bins[RS_BINS];
  jfloat numbers[4];
  jbyte bytes[16];
  const jsize n = (*env)->GetArrayLength(env, features);
  const jsize n_bins = (*env)->GetArrayLength(env, bins);
  if (n > (jsize)RS_MAX_FEATURES || n_bins != (jsize)RS_BINS) return RS_INVALID_ARGUMENT;
  (*env)->GetFloatArrayRegion(env, features, 0, n, values);
  (*env)->GetIntArrayRegion(env, bins, 0, n_bins, bin_values);
  (*env)->GetFloatArrayRegion(env, decision, 0, 4, numbers);
  (*env)->GetByteArrayRegion(env, random, 0, 16, bytes);
  if ((*env)->ExceptionCheck(env)) return RS_INVALID_ARGUMENT;
  memcpy(unsigned_bins, bin_values, sizeof bin_values);
  rs_window window;
  memset(&window, 0, sizeof window);
  window.decision.probability = numbers[0];
  window.decision.confidence = numbers[1];
  window.decision.label = (uint8_t)numbers[2];
  window.decision.uncertain = (uint8_t)numbers[3];
  window.features = values;
  window.bins = unsigned_bins;
  int kept = 0;
  const rs_status status =
      rs_feedback_add(from_handle(feedback), &kept, &window, (rs_truth)truth, (const uint8_t*)bytes);
  return (jint)status | (kept ? 0x100 : 0);
}

static jint feedback_count(JNIEnv* env, jclass unused, jlong feedback) {
  (void)env, (void)unused;
  return (jint)rs_feedback_count(from_handle(feedback));
}

static jlong feedback_lost(JNIEnv* env, jclass unused, jlong feedback) {
  (void)env, (void)unused;
  return (jlong)rs_feedback_lost(from_handle(feedback));
}

/* UTF-8 JSON of the oldest records; records[0] says how many. NULL if none waits. */
static jbyteArray feedback_peek(JNIEnv* env, jclass unused, jlong feedback, jint capacity, jint max_records,
                                jintArray records) {
  (void)unused;
  if (capacity < 0 || max_records < 0) {
    throw_status(env, RS_INVALID_ARGUMENT, "capacity and max_records: not negative is expected");
    return NULL;
  }
  char* json = malloc((size_t)capacity + 1);
  if (json == NULL) {
    throw_status(env, RS_MEMORY, "no memory for a batch of feedback");
    return NULL;
  }
  size_t written = 0;
  uint32_t inside = 0;
  const rs_status status = rs_feedback_peek(from_handle(feedback), json, (size_t)capacity, &written, &inside,
                                            (uint32_t)max_records);
  jbyteArray body = NULL;
  if (status != RS_OK) {
    throw_status(env, status, "feedback: the batch does not fit, 4096 bytes always hold one record");
  } else {
    const jint count = (jint)inside;
    (*env)->SetIntArrayRegion(env, records, 0, 1, &count);
    body = (*env)->NewByteArray(env, (jsize)written);
    if (body != NULL) (*env)->SetByteArrayRegion(env, body, 0, (jsize)written, (const jbyte*)json);
  }
  free(json);
  return body;
}

static jint feedback_discard(JNIEnv* env, jclass unused, jlong feedback, jint records) {
  (void)env, (void)unused;
  return records < 0 ? (jint)RS_INVALID_ARGUMENT : (jint)rs_feedback_discard(from_handle(feedback), (uint32_t)records);
}

#define METHOD(name, signature, function) {(char*)(name), (char*)(signature), (void*)(function)}
const JNINativeMethod kFeedbackMethods[] = {
    METHOD("feedbackMemory", "(I)J", feedback_memory),
    METHOD("feedbackOpen", "(Ljava/nio/ByteBuffer;JDD)J", feedback_open),
    METHOD("feedbackFree", "(J)V", feedback_free),
    METHOD("feedbackAdd", "(J[F[I[FI[B)I", feedback_add),
    METHOD("feedbackCount", "(J)I", feedback_count),
    METHOD("feedbackLost", "(J)J", feedback_lost),
    METHOD("feedbackPeek", "(JII[I)[B", feedback_peek),
    METHOD("feedbackDiscard", "(JI)I", feedback_discard),
};
const jint kFeedbackMethodCount = sizeof kFeedbackMethods / sizeof *kFeedbackMethods;
