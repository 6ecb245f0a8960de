package dev.reelsense

import dev.reelsense.internal.FrameBatch
import dev.reelsense.internal.Ticker
import kotlinx.coroutines.channels.BufferOverflow
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.MutableSharedFlow
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asSharedFlow
import kotlinx.coroutines.flow.asStateFlow
import java.util.concurrent.CopyOnWriteArrayList

/**
 * Reelsense in an app: one classifier, the clock, and what it says as coroutine flows or to listeners.
 *
 * ```kotlin
 * val reelsense = Reelsense.create(Model.load(bytes))
 * val client = OkHttpClient.Builder().apply { ReelsenseOkHttp(reelsense).install(this) }.build()
 * scope.launch { reelsense.qos.collect { player.setPrefetch(it.prefetchDepth) } }
 * ```
 *
 * Thread-safe. No function but [create] throws. While traffic flows it ticks once a second on a daemon thread of its own,
 * and [idleSeconds][create] after the last byte it stops: it never wakes a quiet device.
 */
public class Reelsense private constructor(
    model: Model?,
    options: ClassifierOptions,
    private val clock: Clock,
    idleSeconds: Int,
) : AutoCloseable {
    private val listeners = CopyOnWriteArrayList<Listener>()
    private val labelsOut = MutableSharedFlow<Window>(
        extraBufferCapacity = BUFFERED_WINDOWS, onBufferOverflow = BufferOverflow.DROP_OLDEST,
    )
    private val secondsOut = MutableSharedFlow<Second>(
        extraBufferCapacity = BUFFERED_SECONDS, onBufferOverflow = BufferOverflow.DROP_OLDEST,
    )
    private val qosOut = MutableStateFlow<Second?>(null)
    private val classifier = Classifier(model, options, Fan())
    private val frames = FrameBatch(classifier)
    private val ticker = Ticker(idleSeconds, ::tick)

    public val view: View get() = classifier.view

    /** Every labelled window. A collector that is more than 256 windows behind misses the oldest. */
    public val labels: Flow<Window> = labelsOut.asSharedFlow()

    /** Every second of the session while traffic flows, idle ones too. A collector more than 64 behind misses the oldest. */
    public val seconds: Flow<Second> = secondsOut.asSharedFlow()

    /** The latest second of the session with its QoS decision; null before the first. */
    public val latest: StateFlow<Second?> = qosOut.asStateFlow()

    /** Hears windows, seconds and ended flows on the thread that caused them. What it throws is caught and counted. */
    public fun addListener(listener: Listener) {
        listeners.add(listener)
    }

    public fun removeListener(listener: Listener) {
        listeners.remove(listener)
    }

    /** A connection was opened; its handle, or 0 if it was refused. */
    public fun openFlow(): Long = classifier.openFlow(now())

    /** The app read [bytes] bytes of the connection. */
    public fun onRead(flow: Long, bytes: Long): Status = traffic(classifier.read(flow, bytes, now()))

    /** The app wrote [bytes] bytes to the connection. */
    public fun onWrite(flow: Long, bytes: Long): Status = traffic(classifier.write(flow, bytes, now()))

    public fun closeFlow(flow: Long): Status = classifier.closeFlow(flow, now())

    /** What is known of a connection so far; null if it is not open. */
    public fun peek(flow: Long): Decision? = classifier.peek(flow)

    /** An IP packet of a VPN, from its first byte. Its headers are copied; the classifier sees it within 100 ms. */
    public fun onPacket(bytes: ByteArray, offset: Int, length: Int): Status =
        traffic(frames.add(now(), bytes, offset, length))

    /** The clock has moved on: closes the seconds before now. The SDK does so itself while traffic flows. */
    public fun tick() {
        frames.flush()
        classifier.advance(now())
    }

    /** Swaps the model, of the same view; see [Classifier.setModel]. */
    public fun setModel(model: Model): Status = classifier.setModel(model)

    /** Ends every flow, as at the end of input. It may be used again. */
    public fun finish(): Status {
        frames.flush()
        return classifier.finish()
    }

    public fun counters(): Counters? = classifier.counters()

    /** Seconds in which the SDK woke up by itself so far. */
    public val ticks: Long get() = ticker.ticks

    override fun close() {
        ticker.close()
        classifier.close()
    }

    private fun now() = clock.nowNs()

    private fun traffic(status: Status): Status {
        if (status == Status.OK) ticker.onTraffic()
        return status
    }

    private inner class Fan : Listener {
        override fun onWindows(windows: List<Window>) {
            windows.forEach(labelsOut::tryEmit)
            each { it.onWindows(windows) }
        }

        override fun onSecond(second: Second) {
            secondsOut.tryEmit(second)
            qosOut.value = second
            each { it.onSecond(second) }
        }

        override fun onFlowEnd(flow: FlowSummary) = each { it.onFlowEnd(flow) }

        /** All hear it, then the first failure is counted. */
        private inline fun each(tell: (Listener) -> Unit) {
            var first: Exception? = null
            for (listener in listeners) {
                try {
                    tell(listener)
                } catch (@Suppress("TooGenericExceptionCaught") failure: Exception) {
                    first = first ?: failure
                }
            }
            first?.let { throw it }
        }
    }

    public companion object {
        private const val BUFFERED_WINDOWS = 256
        private const val BUFFERED_SECONDS = 64

        /**
         * @param model null: features without labels
         * @param clock event time; the system's wall clock unless a test says otherwise
         * @param idleSeconds how long it goes on ticking after the last byte, so that the session's label follows idle
         *   seconds between prefetch bursts; 1 to 600
         * @throws ReelsenseException an option is out of its range (the message names it), or the native library is missing
         */
        @JvmStatic
        @JvmOverloads
        @Throws(ReelsenseException::class)
        public fun create(
            model: Model?,
            options: ClassifierOptions = ClassifierOptions(),
            clock: Clock = Clock.SYSTEM,
            idleSeconds: Int = 30,
        ): Reelsense {
            if (idleSeconds !in 1..600) {
                throw ReelsenseException(Status.INVALID_ARGUMENT, "idleSeconds: 1 to 600 is expected, not $idleSeconds")
            }
            return Reelsense(model, options, clock, idleSeconds)
        }
    }
}
