package dev.reelsense.escalation

import dev.reelsense.Label
import dev.reelsense.Listener
import dev.reelsense.Transport
import dev.reelsense.Window
import dev.reelsense.internal.Backoff
import dev.reelsense.internal.Json
import dev.reelsense.internal.JsonException
import java.io.IOException
import java.security.SecureRandom
import java.util.concurrent.RejectedExecutionException
import java.util.concurrent.ScheduledThreadPoolExecutor
import java.util.concurrent.TimeUnit

/** What the server made of a window. */
public data class ServerLabel(
    /** As in [Window.flow]. */
    val flow: Long,
    val second: Long,
    val label: Label,
    val probability: Float,
    val confidence: Float,
    val uncertain: Boolean,
    /** "reelsense-edge@1.0.0". */
    val model: String,
)

/** How much is sent at most. */
public data class EscalationLimits(
    /** Windows in a request. */
    val batch: Int = 32,
    /** How long a window waits for others, in ms. */
    val delayMs: Long = 500,
    /** Requests a minute; what comes beyond waits. */
    val requestsPerMinute: Int = 12,
    /** Windows that wait; the oldest is dropped, as a late label is of no use. */
    val queue: Int = 128,
)

/**
 * Asks the server about windows that the device's model is not sure of: `POST /v1/classify`, batched and rate-limited.
 * **Off unless an app makes one** and adds it as a listener of a `Reelsense` with `withFeatures`:
 *
 * ```kotlin
 * reelsense.addListener(Escalator(OkHttpTransport(client, "https://edge.example.com")) { label -> … })
 * ```
 *
 * What is sent of a window: its features, its bins (packet view), its second, and a name of the flow that is random in
 * each process. No address, no host name, no payload. It sends on a daemon thread of its own, which ends when nothing
 * waits; without a network it backs off. Thread-safe; never throws.
 *
 * @param model of the server, "name" or "name@version"; null: its default. It must be of the windows' view
 * @param onLabel on the sending thread; what it throws is caught and counted in [failures]
 */
public class Escalator @JvmOverloads constructor(
    private val transport: Transport,
    private val model: String? = null,
    private val limits: EscalationLimits = EscalationLimits(),
    private val onLabel: (ServerLabel) -> Unit,
) : Listener, AutoCloseable {
    private val waiting = ArrayDeque<Window>()
    private val sentAtMs = ArrayDeque<Long>()
    private val backoff = Backoff(firstMs = 1_000, mostMs = 300_000)
    private val prefix = ByteArray(PREFIX_BYTES).also(SecureRandom()::nextBytes).joinToString("") { "%02x".format(it) }
    private var scheduled = false
    private val executor = ScheduledThreadPoolExecutor(1) { work ->
        Thread(work, "reelsense-escalate").apply { isDaemon = true }
    }.apply {
        setKeepAliveTime(KEEP_ALIVE_S, TimeUnit.SECONDS)
        allowCoreThreadTimeOut(true)
        executeExistingDelayedTasksAfterShutdownPolicy = false
    }

    /** Windows that the server labelled. */
    @Volatile public var answered: Long = 0
        private set

    /** Windows that were dropped: too many waited, or the server had no label for them. */
    @Volatile public var dropped: Long = 0
        private set

    /** Requests that failed, and exceptions of [onLabel]. */
    @Volatile public var failures: Long = 0
        private set

    init {
        require(limits.batch in 1..4096 && limits.delayMs >= 0 && limits.requestsPerMinute >= 1 && limits.queue >= 1) {
            "limits: a batch of 1 to 4096, no negative delay, at least one request a minute and one place are expected"
        }
    }

    /** Takes the uncertain ones, all before the first is sent: they share requests. */
    @Synchronized
    override fun onWindows(windows: List<Window>): Unit = windows.forEach { if (it.decision.uncertain) offer(it) }

    /** Takes a window, whatever its label; it must carry features. */
    @Synchronized
    public fun offer(window: Window) {
        if (window.features.isEmpty()) return
        if (waiting.size >= limits.queue) {
            waiting.removeFirst()
            ++dropped
        }
        waiting.addLast(window)
        schedule(if (waiting.size >= limits.batch) 0 else limits.delayMs)
    }

    /** Nothing more is sent. */
    override fun close() {
        executor.shutdownNow()
    }

    private fun schedule(delayMs: Long) {
        if (scheduled) return
        try {
            executor.schedule(::send, delayMs, TimeUnit.MILLISECONDS)
            scheduled = true
        } catch (@Suppress("SwallowedException") closed: RejectedExecutionException) {
            waiting.clear()
        }
    }

    private fun send() {
        val batch = synchronized(this) {
            scheduled = false
            val wait = untilAllowed()
            if (wait > 0) {
                schedule(wait)
                return
            }
            sentAtMs.addLast(nowMs())
            List(minOf(limits.batch, waiting.size)) { waiting.removeFirst() }
        }
        if (batch.isEmpty()) return
        val wait = request(batch)
        synchronized(this) { if (waiting.isNotEmpty()) schedule(wait) }
    }

    /** How long until the rate limit allows a request, in ms. */
    private fun untilAllowed(): Long {
        val now = nowMs()
        while (sentAtMs.isNotEmpty() && sentAtMs.first() <= now - MINUTE_MS) sentAtMs.removeFirst()
        return if (sentAtMs.size < limits.requestsPerMinute) 0 else sentAtMs.first() + MINUTE_MS - now
    }

    /** Sends; how long to wait before the next request. */
    private fun request(batch: List<Window>): Long {
        val answer = try {
            transport.post("/v1/classify", body(batch).toByteArray())
        } catch (@Suppress("SwallowedException") failure: IOException) {
            return failed(batch, again = true, retryAfterS = null)
        }
        if (answer.code !in OK) return failed(batch, again = answer.code in AGAIN, answer.retryAfterS)
        return try {
            deliver(Json.parse(String(answer.body, Charsets.UTF_8)), batch)
            backoff.succeeded()
            0
        } catch (@Suppress("SwallowedException") wrong: JsonException) {
            failed(batch, again = false, retryAfterS = null)
        }
    }

    @Synchronized
    private fun failed(batch: List<Window>, again: Boolean, retryAfterS: Long?): Long {
        ++failures
        val room = if (again) minOf(batch.size, limits.queue - waiting.size) else 0
        for (window in batch.takeLast(room).asReversed()) waiting.addFirst(window)
        dropped += batch.size - room
        return backoff.failed(retryAfterS)
    }

    private fun body(batch: List<Window>): String = buildString {
        append('{')
        if (model != null) append("\"model\":").append(Json.quote(model)).append(',')
        append("\"windows\":[")
        batch.forEachIndexed { i, window ->
            if (i != 0) append(',')
            append("{\"flow\":\"").append(prefix).append('/').append(window.flow).append("\",\"second\":")
            append(window.second).append(",\"features\":")
            window.features.joinTo(this, ",", "[", "]")
            if (window.tuple != null) {
                append(",\"bins\":")
                window.bins.joinTo(this, ",", "[", "]") { Integer.toUnsignedString(it) }
            }
            append('}')
        }
        append("]}")
    }

    private fun deliver(answer: Any?, batch: List<Window>) {
        val members = answer as? Map<*, *> ?: throw JsonException("an object is expected")
        val labels = members["labels"] as? List<*>
        if (labels?.size != batch.size) throw JsonException("labels: one for each window is expected")
        labels.forEachIndexed { i, label -> one(label, batch[i], members["model"] as? String ?: "") }
    }

    private fun one(label: Any?, window: Window, model: String) {
        val members = label as? Map<*, *>
        val probability = members?.get("probability") as? Double
        val named = members?.get("label") as? String
        if (probability == null || named == null) {
            synchronized(this) { ++dropped } // the server says why in "error"
            return
        }
        ++answered
        val said = ServerLabel(
            window.flow, window.second, if (named == "video") Label.VIDEO else Label.NON_VIDEO, probability.toFloat(),
            (members["confidence"] as? Double ?: maxOf(probability, 1 - probability)).toFloat(),
            members["uncertain"] as? Boolean ?: false, model,
        )
        try {
            onLabel(said)
        } catch (@Suppress("TooGenericExceptionCaught", "SwallowedException") failure: Exception) {
            ++failures
        }
    }

    private fun nowMs() = System.nanoTime() / NS_PER_MS

    private companion object {
        const val PREFIX_BYTES = 8
        const val KEEP_ALIVE_S = 5L
        const val MINUTE_MS = 60_000L
        const val NS_PER_MS = 1_000_000L
        val OK = 200..299
        val AGAIN = setOf(408, 425, 429, 500, 502, 503, 504)
    }
}
