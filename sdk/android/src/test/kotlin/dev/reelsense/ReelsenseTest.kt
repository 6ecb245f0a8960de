package dev.reelsense

import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.flow.filterNotNull
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.take
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import kotlinx.coroutines.yield
import org.junit.Test
import java.util.concurrent.atomic.AtomicLong
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue

private const val SECOND_NS = 1_000_000_000L

class ReelsenseTest {
    private val now = AtomicLong(1_700_000_000 * SECOND_NS)

    private fun create(options: ClassifierOptions = ClassifierOptions(), idleSeconds: Int = 30) =
        Reelsense.create(Model.load(modelBytes("reelsense-ue-socket")), options, { now.get() }, idleSeconds)

    @Test
    fun flows_OfLabelsAndSeconds_FollowTheTraffic() = runBlocking {
        create().use { reelsense ->
            val labels = ArrayList<Window>()
            val seconds = ArrayList<Second>()
            val collectors = listOf(
                launch(Dispatchers.Unconfined) { reelsense.labels.take(3).toList(labels) },
                launch(Dispatchers.Unconfined) { reelsense.seconds.take(3).toList(seconds) },
            )
            val flow = reelsense.openFlow()
            repeat(4) {
                reelsense.onRead(flow, 100_000)
                now.addAndGet(SECOND_NS)
                reelsense.tick()
            }
            withTimeout(5_000) { collectors.forEach { it.join() } }
            assertEquals(listOf(0L, 1L, 2L), labels.map { it.second - 1_700_000_000 })
            assertEquals(listOf(0L, 1L, 2L), seconds.map { it.second - 1_700_000_000 })
            assertEquals(1_700_000_003, withTimeout(5_000) { reelsense.latest.filterNotNull().first() }.second)
        }
    }

    @Test
    fun collector_ThatIsSlow_DelaysNothing() = runBlocking {
        create().use { reelsense ->
            val collected = ArrayList<Window>()
            val collector = launch { reelsense.labels.collect { collected.add(it) } }
            yield()
            val flow = reelsense.openFlow()
            repeat(1000) { // nobody collects meanwhile
                reelsense.onRead(flow, 1000)
                now.addAndGet(SECOND_NS)
                reelsense.tick()
            }
            yield()
            collector.cancel()
            assertEquals(256, collected.size)
            assertEquals(1_700_000_999, collected.last().second)
        }
    }

    @Test
    fun ticks_OnlyWhileTrafficFlows() {
        create(idleSeconds = 1).use { reelsense ->
            Thread.sleep(1_200)
            assertEquals(0, reelsense.ticks)
            reelsense.onRead(reelsense.openFlow(), 1000)
            Thread.sleep(4_500)
            val ticks = reelsense.ticks
            assertTrue(ticks in 1..2, "$ticks ticks for one second of traffic and one idle second")
            Thread.sleep(1_500)
            assertEquals(ticks, reelsense.ticks)
            reelsense.onRead(reelsense.openFlow(), 1000)
            val end = System.nanoTime() + 60 * SECOND_NS
            while (reelsense.ticks == ticks && System.nanoTime() < end) Thread.sleep(20)
            assertTrue(reelsense.ticks > ticks, "traffic came back")
        }
    }

    @Test
    fun backend_OtherThanNative_LabelsTheWindows() {
        val asked = ArrayList<Int>()
        val backend = object : dev.reelsense.backend.Backend {
            override val name get() = "test"
            override val view get() = View.SOCKET
            override fun classify(rows: FloatArray): List<Decision> {
                asked.add(rows.size)
                if (asked.size == 2) error("the runtime failed")
                return List(rows.size / Features.count(View.SOCKET)) { Decision(0.75f, 0.75f, Label.VIDEO, false) }
            }
            override fun close() = Unit
        }
        create(ClassifierOptions(backend = backend)).use { reelsense ->
            val seen = Recorder()
            reelsense.addListener(seen)
            val flow = reelsense.openFlow()
            repeat(2) {
                reelsense.onRead(flow, 10)
                now.addAndGet(SECOND_NS)
                reelsense.tick()
            }
            assertEquals(0.75f, seen.windows[0].decision.probability)
            assertTrue(seen.windows[1].decision.probability != 0.75f, "its failure leaves the native label")
            assertEquals(1, reelsense.counters()!!.listenerFailures)
        }
    }

    @Test
    fun create_WrongIdleSeconds_SaysSo() {
        assertTrue("idleSeconds" in assertFailsWith<ReelsenseException> { create(idleSeconds = 0) }.message!!)
    }
}
