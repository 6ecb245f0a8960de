/* What the files of the JNI layer share. Private.
 *
 * The layer never calls up into the JVM from a callback of the C ABI: what a classifier says is written into
 * the session's event buffer, and Kotlin takes it after the call and tells its listeners then. So a listener
 * may call anything, and a pending exception never meets running native code.
 *
 * Thread safety: none here; dev.reelsense.Classifier and the other owners of a handle hold a lock around each
 * call and never use a handle after they freed it. */
#ifndef REELSENSE_BRIDGE_H_
#define REELSENSE_BRIDGE_H_

#include <jni.h>

#include "reelsense.h"

/* A record of the event buffer: little-endian, 8-byte aligned; dev.reelsense.internal.Events reads it. */
enum { EVENT_WINDOW = 1, EVENT_SECOND = 2, EVENT_FLOW_END = 3 };

/* Set in what a call returns if the session has events to take. */
#define EVENTS_WAIT 0x100
/* Events beyond this are dropped and counted: a caller that jumps far ahead gets the latest counters, not all
 * rows. */
#define MAX_EVENT_BYTES (16u << 20)

typedef struct session {
  rs_classifier* core;
  uint8_t* events;
  size_t used;
  size_t capacity;
  uint64_t lost;
  uint32_t features; /* of a window */
  int with_features; /* windows carry features and bins */
} session;

/* Fill a classifier's callbacks. */
void events_connect(rs_options* options, session* owner);

/* Throws dev.reelsense.ReelsenseException(status, message). */
void throw_status(JNIEnv* env, rs_status status, const char* message);

/* A handle as the JVM holds it. */
static inline void* from_handle(jlong handle) {
  return (void*)(uintptr_t)handle;
}
static inline jlong to_handle(const void* pointer) {
  return (jlong)(uintptr_t)pointer;
}

extern const JNINativeMethod kModelMethods[], kClassifierMethods[], kFeedbackMethods[];
extern const jint kModelMethodCount, kClassifierMethodCount, kFeedbackMethodCount;

#endif /* REELSENSE_BRIDGE_H_ */
