/* Models, feature tables, policy settings and the library's entry. */
#include <stdlib.h>
#include <string.h>

#include "bridge.h"

static jclass exception_class;
static jmethodID exception_init;

void throw_status(JNIEnv* env, rs_status status, const char* message) {
  if ((*env)->ExceptionCheck(env)) return;
  jstring text = (*env)->NewStringUTF(env, message);
  if (text == NULL) return; /* OutOfMemoryError is pending */
  jobject thrown = (*env)->NewObject(env, exception_class, exception_init, (jint)status, text);
  if (thrown != NULL) (*env)->Throw(env, thrown);
}

static jint abi_version(JNIEnv* env, jclass unused) {
  (void)env, (void)unused;
  return (jint)rs_abi_version();
}

static jstring version(JNIEnv* env, jclass unused) {
  (void)unused;
  return (*env)->NewStringUTF(env, rs_version());
}

static jstring feature_name(JNIEnv* env, jclass unused, jint view, jint index) {
  (void)unused;
  const char* name = index < 0 ? NULL : rs_feature_name((rs_view)view, (uint32_t)index);
  return name == NULL ? NULL : (*env)->NewStringUTF(env, name);
}

static jstring schema_hash(JNIEnv* env, jclass unused, jint view) {
  (void)unused;
  char hash[65] = "";
  const rs_status status = rs_schema_hash(hash, (rs_view)view);
  if (status != RS_OK) {
    throw_status(env, status, "view: packet or socket is expected");
    return NULL;
  }
  return (*env)->NewStringUTF(env, hash);
}

static jlong model_load(JNIEnv* env, jclass unused, jbyteArray onnx) {
  (void)unused;
  const jsize bytes = (*env)->GetArrayLength(env, onnx);
  jbyte* data = (*env)->GetByteArrayElements(env, onnx, NULL);
  if (data == NULL) return 0;
  rs_model* model = NULL;
  rs_error error = {""};
  const rs_status status = rs_model_load(&model, data, (size_t)bytes, &error);
  (*env)->ReleaseByteArrayElements(env, onnx, data, JNI_ABORT);
  if (status != RS_OK) throw_status(env, status, error.message);
  return to_handle(model);
}

static void model_free(JNIEnv* env, jclass unused, jlong model) {
  (void)env, (void)unused;
  rs_model_free(from_handle(model));
}

/* strings: name, version, kernel. numbers: view, inputs, threshold, uncertain low, high. */
static void model_describe(JNIEnv* env, jclass unused, jlong model, jobjectArray strings, jdoubleArray numbers) {
  (void)unused;
  rs_model_info info;
  rs_model_info_init(&info, sizeof info);
  const rs_status status = rs_model_describe(&info, from_handle(model));
  if (status != RS_OK) {
    throw_status(env, status, "model: cannot be described");
    return;
  }
  const char* texts[3] = {info.name, info.version, info.kernel};
  for (jsize i = 0; i < 3; ++i) {
    jstring text = (*env)->NewStringUTF(env, texts[i]);
    if (text == NULL) return;
    (*env)->SetObjectArrayElement(env, strings, i, text);
    (*env)->DeleteLocalRef(env, text);
  }
  const jdouble values[5] = {(double)info.view, (double)info.inputs, (double)info.threshold,
                             (double)info.uncertain_low, (double)info.uncertain_high};
  (*env)->SetDoubleArrayRegion(env, numbers, 0, 5, values);
}

/* rows [n, features]; out [n, 4]: probability, confidence, label, uncertain. Lengths are checked by the caller. */
static jint model_classify(JNIEnv* env, jclass unused, jlong model, jfloatArray rows, jint n, jint features,
                           jfloatArray out) {
  (void)unused;
  enum { BLOCK = 64 };
  rs_decision decisions[BLOCK];
  float numbers[BLOCK * 4];
  float inputs[BLOCK * RS_MAX_FEATURES];
  if (n < 0 || features <= 0 || features > (jint)RS_MAX_FEATURES) return RS_INVALID_ARGUMENT;
  for (jint done = 0; done < n;) {
    const jint count = n - done < BLOCK ? n - done : BLOCK;
    (*env)->GetFloatArrayRegion(env, rows, done * features, count * features, inputs);
    if ((*env)->ExceptionCheck(env)) return RS_INVALID_ARGUMENT;
    const rs_status status = rs_model_classify(from_handle(model), decisions, inputs, (size_t)count);
    if (status != RS_OK) return (jint)status;
    for (jint i = 0; i < count; ++i) {
      numbers[4 * i] = decisions[i].probability;
      numbers[4 * i + 1] = decisions[i].confidence;
      numbers[4 * i + 2] = decisions[i].label;
      numbers[4 * i + 3] = decisions[i].uncertain;
    }
    (*env)->SetFloatArrayRegion(env, out, done * 4, count * 4, numbers);
    done += count;
  }
  return RS_OK;
}

/* texts: name, unit. range: smallest, largest, default. False after the last setting. */
static jboolean policy_key(JNIEnv* env, jclass unused, jint index, jobjectArray texts, jdoubleArray range) {
  (void)unused;
  rs_policy_key key;
  if (index < 0 || rs_policy_key_at(&key, (uint32_t)index) != RS_OK) return JNI_FALSE;
  const char* given[2] = {key.name, key.unit};
  for (jsize i = 0; i < 2; ++i) {
    jstring text = (*env)->NewStringUTF(env, given[i]);
    if (text == NULL) return JNI_FALSE;
    (*env)->SetObjectArrayElement(env, texts, i, text);
    (*env)->DeleteLocalRef(env, text);
  }
  const jdouble numbers[3] = {key.low, key.high, key.standard};
  (*env)->SetDoubleArrayRegion(env, range, 0, 3, numbers);
  return JNI_TRUE;
}

#define METHOD(name, signature, function) {(char*)(name), (char*)(signature), (void*)(function)}
const JNINativeMethod kModelMethods[] = {
    METHOD("abiVersion", "()I", abi_version),
    METHOD("version", "()Ljava/lang/String;", version),
    METHOD("featureName", "(II)Ljava/lang/String;", feature_name),
    METHOD("schemaHash", "(I)Ljava/lang/String;", schema_hash),
    METHOD("modelLoad", "([B)J", model_load),
    METHOD("modelFree", "(J)V", model_free),
    METHOD("modelDescribe", "(J[Ljava/lang/String;[D)V", model_describe),
    METHOD("modelClassify", "(J[FII[F)I", model_classify),
    METHOD("policyKey", "(I[Ljava/lang/String;[D)Z", policy_key),
};
const jint kModelMethodCount = sizeof kModelMethods / sizeof *kModelMethods;

JNIEXPORT jint JNICALL JNI_OnLoad(JavaVM* vm, void* unused) {
  (void)unused;
  JNIEnv* env = NULL;
  if ((*vm)->GetEnv(vm, (void**)&env, JNI_VERSION_1_6) != JNI_OK) return JNI_ERR;
  jclass exception = (*env)->FindClass(env, "dev/reelsense/ReelsenseException");
  if (exception == NULL) return JNI_ERR;
  exception_class = (*env)->NewGlobalRef(env, exception);
  exception_init = (*env)->GetMethodID(env, exception, "<init>", "(ILjava/lang/String;)V");
  jclass native = (*env)->FindClass(env, "dev/reelsense/internal/Native");
  if (exception_class == NULL || exception_init == NULL || native == NULL) return JNI_ERR;
  if ((*env)->RegisterNatives(env, native, kModelMethods, kModelMethodCount) != JNI_OK ||
      (*env)->RegisterNatives(env, native, kClassifierMethods, kClassifierMethodCount) != JNI_OK ||
      (*env)->RegisterNatives(env, native, kFeedbackMethods, kFeedbackMethodCount) != JNI_OK)
    return JNI_ERR;
  return JNI_VERSION_1_6;
}
