package dev.reelsense.internal

import dev.reelsense.Classifier
import dev.reelsense.Status
import java.nio.ByteBuffer
import java.nio.ByteOrder

/**
 * Gathers the headers of raw IP packets and hands them over 32 at a time, or after 100 ms: one call of the native
 * library costs as much as several packets. Thread-safe; order is the order of [add].
 */
internal class FrameBatch(private val classifier: Classifier) {
    private val buffer = ByteBuffer.allocateDirect(BATCH * (HEADER + KEPT)).order(ByteOrder.nativeOrder())
    private var count = 0
    private var firstNs = 0L

    @Synchronized
    fun add(timeNs: Long, bytes: ByteArray, offset: Int, length: Int): Status {
        if (offset < 0 || length < 0 || length > bytes.size - offset) return Status.INVALID_ARGUMENT
        if (count == 0) firstNs = timeNs
        val kept = minOf(length, KEPT)
        buffer.putLong(timeNs).putInt(kept).putInt(length).put(bytes, offset, kept)
        while (buffer.position() % 8 != 0) buffer.put(0)
        ++count
        return if (count == BATCH || timeNs - firstNs >= DELAY_NS) flush() else Status.OK
    }

    @Synchronized
    fun flush(): Status {
        if (count == 0) return Status.OK
        val frames = count
        count = 0
        val status = classifier.addFrames(RAW_IP, buffer, frames)
        buffer.clear()
        return status
    }

    private companion object {
        const val BATCH = 32
        const val HEADER = 16
        const val KEPT = 128 // IPv6, some extension headers and TCP with all its options
        const val DELAY_NS = 100_000_000L
        const val RAW_IP = 101
    }
}
