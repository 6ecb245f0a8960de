package dev.reelsense

import dev.reelsense.backend.Backend
import dev.reelsense.internal.Event
import dev.reelsense.internal.Events
import dev.reelsense.internal.Library
import dev.reelsense.internal.Native
import java.nio.ByteBuffer
import java.util.concurrent.atomic.AtomicLong
import java.util.concurrent.locks.ReentrantLock
import kotlin.concurrent.withLock

/** How a [Classifier] is set up. */
public class ClassifierOptions(
    /** Taken from the model; without one, what is to be seen. */
    public val view: View? = null,
    /** 1 to 16,777,216; about 520 bytes each. */
    public val maxFlows: Int = 256,
    /** A flow without traffic ends after it; 1 s to 1 day. */
    public val idleTimeoutNs: Long = 120_000_000_000,
    /** A flow begins anew after it; 1 s to 7 days. */
    public val activeTimeoutNs: Long = 3_600_000_000_000,
    /** Settings of the QoS policy by name; see [Policy.settings]. */
    public val policy: Map<String, Double> = emptyMap(),
    /** Windows carry features and bins: for feedback, escalation and other backends. */
    public val withFeatures: Boolean = false,
    /** Labels the windows instead of the native engine; the session and its QoS stay native. */
    public val backend: Backend? = null,
)

/**
 * Packets or socket bytes in, labels and QoS decisions out: the native classifier, made safe to use from a JVM.
 *
 * **Threads:** any; calls are serialised by a lock. [listener] hears events in order, outside of that lock, so it may call
 * the classifier again; what it says then is heard after what is being heard. Time is event time in ns since the epoch.
 *
 * **Failures:** the constructor throws; no other function does. They answer with a [Status]: CLOSED after [close] or for a
 * flow that is not open, INVALID_ARGUMENT for a number out of range.
 */
public class Classifier @Throws(ReelsenseException::class) constructor(
    model: Model?,
    options: ClassifierOptions = ClassifierOptions(),
    private val listener: Listener,
) : AutoCloseable {
    private val lock = ReentrantLock()
    private var handle = 0L
    private val pending = ArrayDeque<ByteArray>()
    private var delivering = false
    private var lostBatches = 0L
    private val listenerFailures = AtomicLong()
    private val backend = options.backend
    private val numbers = FloatArray(4)
    private val opened = LongArray(1)

    public val view: View = options.view ?: model?.view ?: View.PACKET

    init {
        Library.require()
        val keys = options.policy.keys.toTypedArray()
        val values = DoubleArray(keys.size) { options.policy.getValue(keys[it]) }
        val features = options.withFeatures || backend != null
        if (backend != null && backend.view != view) {
            throw ReelsenseException(
                Status.MISMATCH, "backend ${backend.name}: of view ${backend.view}, $view is expected",
            )
        }
        fun create(modelHandle: Long): Long = Native.classifierCreate(
            modelHandle, view.ordinal, options.maxFlows, options.idleTimeoutNs, options.activeTimeoutNs, keys, values,
            features,
        )
        handle = if (model == null) create(0) else model.withHandle(::create)
    }

    /** Swaps the model, of the same view, between two seconds. MISMATCH: of another view; the old one stays. */
    public fun setModel(model: Model): Status = try {
        model.withHandle { modelHandle -> call { Native.classifierSetModel(it, modelHandle) } }
    } catch (closed: ReelsenseException) {
        closed.status
    }

    /** Event time has reached [nowNs]: closes the seconds before it. An earlier time changes nothing. */
    public fun advance(nowNs: Long): Status = call { Native.classifierAdvance(it, nowNs) }

    /** End of input: closes every window, ends every flow. The classifier may be used again. */
    public fun finish(): Status = call { Native.classifierFinish(it) }

    /** A connection was opened. The flow's handle, never given twice; 0 if it was refused (closed, or a bad time). */
    public fun openFlow(nowNs: Long): Long {
        var flow = 0L
        call {
            val answer = Native.flowOpen(it, nowNs, opened)
            flow = if (answer and Native.STATUS == 0) opened[0] else 0
            answer
        }
        return flow
    }

    /** The app read [bytes] bytes. CLOSED: not an open flow. */
    public fun read(flow: Long, bytes: Long, nowNs: Long): Status =
        call { Native.flowBytes(it, flow, true, bytes, nowNs) }

    /** The app wrote [bytes] bytes. CLOSED: not an open flow. */
    public fun write(flow: Long, bytes: Long, nowNs: Long): Status =
        call { Native.flowBytes(it, flow, false, bytes, nowNs) }

    /** Its open window is labelled, then it ends. A second close is CLOSED. */
    public fun closeFlow(flow: Long, nowNs: Long): Status = call { Native.flowClose(it, flow, nowNs) }

    /** What is known of a flow so far, without waiting for its second to end; null if it is not open. Socket view. */
    public fun peek(flow: Long): Decision? {
        var decision: Decision? = null
        call {
            val answer = Native.flowPeek(it, flow, numbers)
            if (answer and Native.STATUS == 0) decision = Model.decisionOf(numbers, 0)
            answer
        }
        return decision
    }

    /**
     * Frames as they were captured. [frames]: direct, native byte order (little-endian on Android), [count] records
     * `{int64 time_ns, int32 captured, int32 wire, bytes padded to a multiple of 8}` before its position.
     * @param link as in a capture file; 101 is raw IP
     */
    public fun addFrames(link: Int, frames: ByteBuffer, count: Int): Status {
        if (!frames.isDirect) return Status.INVALID_ARGUMENT
        return call { Native.addFrames(it, link, frames, frames.position(), count) }
    }

    /** Null once closed. */
    public fun counters(): Counters? = lock.withLock {
        if (handle == 0L) return null
        val n = LongArray(15)
        Native.counters(handle, n)
        Counters(
            n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7], n[8], n[9], n[10], n[11].toInt(), n[12].toInt(), n[13],
            n[14] + lostBatches, listenerFailures.get(),
        )
    }

    /** Drops what is open, without a callback. Closing twice is allowed, also from a listener. */
    override fun close(): Unit = lock.withLock {
        if (handle == 0L) return
        Native.classifierFree(handle)
        handle = 0
        pending.clear()
    }

    private inline fun call(block: (Long) -> Int): Status {
        val answer: Int
        lock.withLock {
            if (handle == 0L) return Status.CLOSED
            answer = block(handle)
            if (answer and Native.EVENTS != 0) take()
        }
        deliver()
        return Status.of(answer and Native.STATUS)
    }

    private fun take() {
        if (pending.size >= MAX_PENDING) {
            pending.removeFirst()
            ++lostBatches
        }
        Native.takeEvents(handle)?.let(pending::addLast)
    }

    /** One thread delivers at a time, and goes on until nothing is left; others leave their events to it. */
    private fun deliver() {
        while (true) {
            val bytes = lock.withLock {
                if (delivering || pending.isEmpty()) return
                delivering = true
                pending.removeFirst()
            }
            try {
                Events(bytes, view == View.PACKET).read().forEach(::tell)
            } finally {
                lock.withLock { delivering = false }
            }
        }
    }

    private fun tell(event: Event) {
        try {
            when (event) {
                is Event.Windows -> listener.onWindows(relabel(event.windows))
                is Event.OneSecond -> listener.onSecond(event.second)
                is Event.Ended -> listener.onFlowEnd(event.flow)
            }
        } catch (@Suppress("TooGenericExceptionCaught") failure: Exception) {
            // The caller is often a socket's read: an app's mistake must not look like a network error.
            listenerFailures.incrementAndGet()
        }
    }

    private fun relabel(windows: List<Window>): List<Window> {
        val other = backend ?: return windows
        val width = Features.count(view)
        val rows = FloatArray(windows.size * width)
        windows.forEachIndexed { i, window -> window.features.copyInto(rows, i * width) }
        return try {
            val decisions = other.classify(rows)
            windows.mapIndexed { i, window -> window.with(decisions[i]) }
        } catch (@Suppress("TooGenericExceptionCaught") failure: Exception) {
            listenerFailures.incrementAndGet()
            windows // the native engine's labels
        }
    }

    private companion object {
        const val MAX_PENDING = 1024
    }
}
