package dev.reelsense.internal

import kotlin.random.Random

/** Waits after failures: doubled each time, at most [mostMs], a random half of it taken off. Not thread-safe. */
internal class Backoff(private val firstMs: Long, private val mostMs: Long, private val random: Random = Random.Default) {
    private var failures = 0

    fun succeeded() {
        failures = 0
    }

    /** How long to wait now, at least what the server asked for. */
    fun failed(retryAfterS: Long? = null): Long {
        val whole = minOf(mostMs, firstMs shl minOf(failures, MAX_DOUBLINGS))
        ++failures
        val asked = (retryAfterS ?: 0).coerceIn(0, DAY_S) * MS
        return maxOf(asked, whole / 2 + random.nextLong(whole / 2 + 1))
    }

    private companion object {
        const val MAX_DOUBLINGS = 20
        const val DAY_S = 86_400L
        const val MS = 1000L
    }
}
