package dev.reelsense.internal

import java.util.concurrent.ScheduledThreadPoolExecutor
import java.util.concurrent.TimeUnit
import java.util.concurrent.atomic.AtomicBoolean

/**
 * Calls [tick] once a second while traffic flows and for [idleSeconds] after, then not at all: the SDK never wakes a
 * device that is quiet. The thread ends when there is nothing to do. Thread-safe.
 */
internal class Ticker(private val idleSeconds: Int, private val tick: () -> Unit) : AutoCloseable {
    private val executor = ScheduledThreadPoolExecutor(1) { work ->
        Thread(work, "reelsense-tick").apply { isDaemon = true }
    }.apply {
        setKeepAliveTime(KEEP_ALIVE_S, TimeUnit.SECONDS)
        allowCoreThreadTimeOut(true)
        executeExistingDelayedTasksAfterShutdownPolicy = false
    }
    private val running = AtomicBoolean(false)

    @Volatile private var quietTicks = 0

    /** Ticks so far: what the SDK costs a device in wake-ups. */
    @Volatile var ticks: Long = 0
        private set

    /** Traffic flows. Cheap: called for every read and write. */
    fun onTraffic() {
        quietTicks = 0
        if (!running.get() && running.compareAndSet(false, true)) schedule()
    }

    private fun schedule() {
        try {
            executor.schedule(::run, 1, TimeUnit.SECONDS)
        } catch (@Suppress("SwallowedException") closed: java.util.concurrent.RejectedExecutionException) {
            running.set(false) // closed meanwhile
        }
    }

    private fun run() {
        ++ticks
        tick()
        if (++quietTicks <= idleSeconds) {
            schedule()
        } else {
            running.set(false)
        }
    }

    override fun close() {
        executor.shutdownNow()
    }

    private companion object {
        const val KEEP_ALIVE_S = 5L
    }
}
