package dev.reelsense.internal

import java.nio.ByteBuffer

/**
 * The JNI layer of `libreelsense.so` (sdk/android/jni). Handles are addresses: whoever owns one holds a lock around each
 * call and never uses it after it was freed. Functions with an `Int` answer give `rs_status`, [EVENTS] set if events wait.
 */
internal object Native {
    const val EVENTS: Int = 0x100
    const val STATUS: Int = 0xff

    @JvmStatic external fun abiVersion(): Int
    @JvmStatic external fun version(): String
    @JvmStatic external fun featureName(view: Int, index: Int): String?
    @JvmStatic external fun schemaHash(view: Int): String

    @JvmStatic external fun modelLoad(onnx: ByteArray): Long
    @JvmStatic external fun modelFree(model: Long)
    @JvmStatic external fun modelDescribe(model: Long, strings: Array<String?>, numbers: DoubleArray)
    @JvmStatic external fun modelClassify(model: Long, rows: FloatArray, n: Int, features: Int, out: FloatArray): Int
    @JvmStatic external fun policyKey(index: Int, texts: Array<String?>, range: DoubleArray): Boolean

    @JvmStatic external fun classifierCreate(
        model: Long, view: Int, maxFlows: Int, idleNs: Long, activeNs: Long,
        policyKeys: Array<String>, policyValues: DoubleArray, withFeatures: Boolean,
    ): Long
    @JvmStatic external fun classifierFree(classifier: Long)
    @JvmStatic external fun classifierSetModel(classifier: Long, model: Long): Int
    @JvmStatic external fun classifierAdvance(classifier: Long, nowNs: Long): Int
    @JvmStatic external fun classifierFinish(classifier: Long): Int
    @JvmStatic external fun flowOpen(classifier: Long, nowNs: Long, flow: LongArray): Int
    @JvmStatic external fun flowBytes(classifier: Long, flow: Long, down: Boolean, bytes: Long, nowNs: Long): Int
    @JvmStatic external fun flowClose(classifier: Long, flow: Long, nowNs: Long): Int
    @JvmStatic external fun flowPeek(classifier: Long, flow: Long, out: FloatArray): Int
    @JvmStatic external fun addFrames(classifier: Long, link: Int, frames: ByteBuffer, used: Int, n: Int): Int
    @JvmStatic external fun takeEvents(classifier: Long): ByteArray?
    @JvmStatic external fun counters(classifier: Long, out: LongArray): Int

    @JvmStatic external fun feedbackMemory(records: Int): Long
    @JvmStatic external fun feedbackOpen(memory: ByteBuffer, model: Long, sample: Double, epsilon: Double): Long
    @JvmStatic external fun feedbackFree(feedback: Long)
    @JvmStatic external fun feedbackAdd(
        feedback: Long, features: FloatArray, bins: IntArray, decision: FloatArray, truth: Int, random: ByteArray,
    ): Int
    @JvmStatic external fun feedbackCount(feedback: Long): Int
    @JvmStatic external fun feedbackLost(feedback: Long): Long
    @JvmStatic external fun feedbackPeek(feedback: Long, capacity: Int, maxRecords: Int, records: IntArray): ByteArray?
    @JvmStatic external fun feedbackDiscard(feedback: Long, records: Int): Int
}
