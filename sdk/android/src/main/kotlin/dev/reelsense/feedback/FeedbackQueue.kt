package dev.reelsense.feedback

import dev.reelsense.Label
import dev.reelsense.Model
import dev.reelsense.ReelsenseException
import dev.reelsense.Status
import dev.reelsense.Window
import dev.reelsense.internal.Library
import dev.reelsense.internal.Native
import java.io.File
import java.io.IOException
import java.io.RandomAccessFile
import java.nio.MappedByteBuffer
import java.nio.channels.FileChannel
import java.nio.channels.FileLock
import java.nio.channels.OverlappingFileLockException
import java.security.SecureRandom

/** What a window really was, if the app knows: it does know when a reel plays. */
public enum class Truth { UNKNOWN, NON_VIDEO, VIDEO }

/**
 * Anonymised windows on their way to retraining, in a file of a fixed size. **Opt-in:** nothing is kept or sent unless the
 * app makes a queue and adds windows to it.
 *
 * A record holds quantised features, the label given, and the truth behind randomised response; no address, name, flow or
 * time (docs/explanation/privacy.md). What was added is there after the process died; a record that was being written then
 * is left out. One process at a time may have the file open. Thread-safe.
 *
 * @param file is made, with all its room on the disk, if it is not there
 * @param records 1 to 1,000,000; when so many wait, later ones are left out and counted
 * @param sample share of the windows that is kept, 0 to 1
 * @param epsilon of the truth bit's randomised response, 0.1 to 10: smaller is more private
 * @throws ReelsenseException LIMIT: no room on the disk; BUSY: open elsewhere; CORRUPT: something else is in the file
 */
public class FeedbackQueue @Throws(ReelsenseException::class) @JvmOverloads constructor(
    private val file: File,
    private val model: Model,
    records: Int = 1000,
    sample: Double = 0.01,
    epsilon: Double = 1.0,
) : AutoCloseable {
    private val random = SecureRandom()
    private val channel: FileChannel
    private val lock: FileLock
    private val memory: MappedByteBuffer // mapped as long as it is reachable: the native queue lives in it
    private var handle = 0L

    init {
        Library.require()
        val bytes = Native.feedbackMemory(records)
        if (bytes == 0L) {
            throw ReelsenseException(
                Status.INVALID_ARGUMENT, "feedback records: 1 to 1,000,000 is expected, not $records",
            )
        }
        channel = try {
            RandomAccessFile(file, "rw").channel
        } catch (failure: IOException) {
            throw ReelsenseException(Status.LIMIT, "$file: cannot be opened: ${failure.message}", failure)
        }
        try {
            lock = exclusive()
            reserve(bytes)
            memory = channel.map(FileChannel.MapMode.READ_WRITE, 0, channel.size())
            handle = model.withHandle { Native.feedbackOpen(memory, it, sample, epsilon) }
        } catch (failure: IOException) {
            channel.close()
            throw ReelsenseException(Status.LIMIT, "$file: no room for $bytes bytes: ${failure.message}", failure)
        } catch (failure: ReelsenseException) {
            channel.close()
            throw failure
        }
    }

    private fun exclusive(): FileLock {
        val taken = try {
            channel.tryLock()
        } catch (@Suppress("SwallowedException") ours: OverlappingFileLockException) {
            null
        }
        return taken ?: throw ReelsenseException(Status.BUSY, "$file: another queue has it open")
    }

    /** Writes zeros, so that all blocks are there: a full disk is an error now, not a fault in mapped memory later. */
    private fun reserve(bytes: Long) {
        if (channel.size() >= bytes) return
        if (channel.size() != 0L) {
            throw ReelsenseException(
                Status.CORRUPT, "$file: ${channel.size()} bytes, $bytes are expected; delete it to begin anew",
            )
        }
        val zeros = java.nio.ByteBuffer.allocate(BLOCK)
        try {
            var at = 0L
            while (at < bytes) {
                zeros.clear().limit(minOf(BLOCK.toLong(), bytes - at).toInt())
                at += channel.write(zeros, at)
            }
            channel.force(true)
        } catch (failure: IOException) {
            channel.truncate(0)
            throw failure
        }
    }

    /**
     * Adds a window that carries features ([dev.reelsense.ClassifierOptions.withFeatures]), if the sample takes it.
     * @return OK (kept or not), LIMIT if the queue is full, INVALID_ARGUMENT without features, CLOSED
     */
    @Synchronized
    public fun add(window: Window, truth: Truth): Status {
        if (handle == 0L) return Status.CLOSED
        if (window.features.isEmpty()) return Status.INVALID_ARGUMENT
        val given = window.decision
        val decision = floatArrayOf(
            given.probability, given.confidence, if (given.label == Label.VIDEO) 1f else 0f,
            if (given.uncertain) 1f else 0f,
        )
        val bytes = ByteArray(RANDOM_BYTES).also(random::nextBytes)
        val answer = Native.feedbackAdd(handle, window.features, window.bins, decision, truth.ordinal, bytes)
        return Status.of(answer and Native.STATUS)
    }

    /** Records that wait. */
    public val count: Int @Synchronized get() = if (handle == 0L) 0 else Native.feedbackCount(handle)

    /** Records that were left out because the queue was full, since the file was made. */
    public val lost: Long @Synchronized get() = if (handle == 0L) 0 else Native.feedbackLost(handle)

    /** A batch as the server takes it, and how many records are in it. */
    internal class Batch(val json: ByteArray, val records: Int)

    /** The oldest records that fit; null if none waits. */
    @Synchronized
    internal fun peek(maxBytes: Int, maxRecords: Int): Batch? {
        if (handle == 0L || Native.feedbackCount(handle) == 0) return null
        val inside = IntArray(1)
        val json = Native.feedbackPeek(handle, maxOf(maxBytes, SMALLEST_BATCH), maxRecords, inside) ?: return null
        return if (inside[0] == 0) null else Batch(json, inside[0])
    }

    @Synchronized
    internal fun discard(records: Int): Status =
        if (handle == 0L) Status.CLOSED else Status.of(Native.feedbackDiscard(handle, records))

    /** What is queued stays in the file. Closing twice is allowed. */
    @Synchronized
    override fun close() {
        if (handle == 0L) return
        Native.feedbackFree(handle)
        handle = 0
        try {
            memory.force()
            lock.release()
            channel.close()
        } catch (@Suppress("SwallowedException") failure: IOException) {
            // The system writes the pages when it can; nothing is left to do here.
        }
    }

    private companion object {
        const val BLOCK = 64 * 1024
        const val RANDOM_BYTES = 16
        const val SMALLEST_BATCH = 4096
    }
}
