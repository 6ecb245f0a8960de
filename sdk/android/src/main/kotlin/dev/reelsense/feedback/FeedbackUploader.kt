package dev.reelsense.feedback

import dev.reelsense.ReelsenseException
import dev.reelsense.Status
import dev.reelsense.Transport
import dev.reelsense.internal.Backoff
import java.io.IOException

/** What became of one attempt to send. */
public sealed class Upload {
    /** The server has [records] more; others may wait: call again. */
    public data class Sent(val records: Int) : Upload()

    /** Nothing waits. */
    public data object Empty : Upload()

    /** No network, or the server was busy: not before [waitMs] from now. Nothing is lost. */
    public data class Later(val waitMs: Long, val why: String) : Upload()

    /** The server will not have this batch ([why]); it was dropped, so that it does not block the rest. */
    public data class Refused(val records: Int, val why: String) : Upload()
}

/**
 * Sends a [FeedbackQueue] to `POST /v1/observations`. It has no thread and wakes nothing: the app calls [sendOnce] when it
 * suits the device. In a WorkManager worker (network unmetered, battery not low):
 *
 * ```kotlin
 * override fun doWork(): Result {
 *     while (true) when (uploader.sendOnce()) {
 *         is Upload.Sent, is Upload.Refused -> continue
 *         Upload.Empty -> return Result.success()
 *         is Upload.Later -> return Result.retry()
 *     }
 * }
 * ```
 *
 * A batch is forgotten only after the server has taken it; if the process dies between, it is sent twice, which the
 * server knows by the record's own random number. Thread-safe: attempts exclude each other.
 *
 * @param nowMs a clock that never goes back, in ms; waiting times are told by it
 */
public class FeedbackUploader @JvmOverloads constructor(
    private val queue: FeedbackQueue,
    private val transport: Transport,
    private val maxBytes: Int = 64 * 1024,
    private val maxRecords: Int = 100,
    private val nowMs: () -> Long = { System.nanoTime() / NS_PER_MS },
) {
    private val backoff = Backoff(firstMs = 30_000, mostMs = 6 * 3_600_000L)
    private var notBefore = Long.MIN_VALUE

    /** Sends one batch, on this thread. Never throws. */
    @Synchronized
    public fun sendOnce(): Upload {
        val wait = notBefore - nowMs()
        if (notBefore != Long.MIN_VALUE && wait > 0) return Upload.Later(wait, "backing off")
        val batch = try {
            queue.peek(maxBytes, maxRecords)
        } catch (failure: ReelsenseException) {
            return Upload.Later(later(null), failure.message.orEmpty())
        } ?: return Upload.Empty
        val answer = try {
            transport.post("/v1/observations", batch.json)
        } catch (failure: IOException) {
            return Upload.Later(later(null), failure.message ?: "no network")
        }
        return when (answer.code) {
            in OK -> {
                backoff.succeeded()
                forget(batch.records) ?: Upload.Sent(batch.records)
            }
            in AGAIN, in SERVER_ERRORS -> Upload.Later(later(answer.retryAfterS), "the server answered ${answer.code}")
            else -> forget(batch.records) ?: Upload.Refused(batch.records, "the server answered ${answer.code}")
        }
    }

    private fun forget(records: Int): Upload? {
        val status = queue.discard(records)
        return if (status == Status.OK) null else Upload.Later(later(null), "the queue answered $status")
    }

    private fun later(retryAfterS: Long?): Long {
        val wait = backoff.failed(retryAfterS)
        notBefore = nowMs() + wait
        return wait
    }

    private companion object {
        const val NS_PER_MS = 1_000_000L
        val OK = 200..299
        val SERVER_ERRORS = 500..599

        // Not signed in yet, not there yet, too slow, too many: the batch itself is good.
        val AGAIN = setOf(401, 403, 404, 408, 425, 429)
    }
}
