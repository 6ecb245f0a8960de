package dev.reelsense

import dev.reelsense.escalation.EscalationLimits
import dev.reelsense.escalation.Escalator
import dev.reelsense.escalation.ServerLabel
import org.junit.Test
import java.io.IOException
import java.util.Collections
import java.util.concurrent.CountDownLatch
import java.util.concurrent.TimeUnit
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue

private const val START = 1_700_000_000_000_000_000

class EscalatorTest {
    private val bodies: MutableList<String> = Collections.synchronizedList(ArrayList())
    private val labels: MutableList<ServerLabel> = Collections.synchronizedList(ArrayList())

    private fun windows(n: Int): List<Window> {
        val seen = Recorder()
        Classifier(null, ClassifierOptions(view = View.SOCKET, withFeatures = true), seen).use { classifier ->
            val flow = classifier.openFlow(START)
            for (i in 0 until n) classifier.read(flow, 100_000, START + i * 1_000_000_000L)
            classifier.finish()
        }
        return seen.windows // without a model: all uncertain
    }

    /** Answers as POST /v1/classify does. */
    private fun answer(body: String): Answer {
        bodies.add(body)
        val windows = json(body)["windows"] as List<*>
        val labelled = windows.joinToString(",") { window ->
            val second = ((window as Map<*, *>)["second"] as Double).toLong()
            "{\"flow\":\"x\",\"second\":$second,\"label\":\"video\",\"confidence\":0.9,\"probability\":0.9,\"uncertain\":false}"
        }
        return Answer(200, "{\"model\":\"reelsense-edge@1.0.0\",\"labels\":[$labelled]}".toByteArray(), null)
    }

    private fun await(seconds: Long = 60, condition: () -> Boolean) {
        val end = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds)
        while (!condition() && System.nanoTime() < end) Thread.sleep(10)
        assertTrue(condition(), "in time; bodies: ${bodies.size}, labels: ${labels.size}")
    }

    @Test
    fun uncertainWindows_InBatches_ComeBackAsLabels() {
        Escalator({ path, json -> assertEquals("/v1/classify", path); answer(String(json)) }, "reelsense-ue-socket",
            EscalationLimits(batch = 4, delayMs = 50), labels::add).use { escalator ->
            escalator.onWindows(windows(6))
            await { labels.size == 6 }
            assertEquals(2, bodies.size)
            assertEquals((0L until 6).map { 1_700_000_000 + it }, labels.map { it.second })
            assertTrue(labels.all { it.label == Label.VIDEO && it.model == "reelsense-edge@1.0.0" && it.flow != 0L })
            assertEquals(6, escalator.answered)
        }
        val sent = json(bodies[0])
        assertEquals("reelsense-ue-socket", sent["model"])
        val window = (sent["windows"] as List<*>)[0] as Map<*, *>
        assertEquals(setOf("flow", "second", "features"), window.keys)
        assertEquals(Features.count(View.SOCKET), (window["features"] as List<*>).size)
    }

    @Test
    fun sureWindows_AreNotSent() {
        val sure = windows(3).map { it.with(Decision(0.99f, 0.99f, Label.VIDEO, false)) }
        Escalator({ _, json -> answer(String(json)) }, limits = EscalationLimits(delayMs = 0), onLabel = labels::add).use {
            it.onWindows(sure)
            Thread.sleep(200)
            assertEquals(0, bodies.size)
        }
    }

    @Test
    fun rate_IsLimitedAndTheOldestAreDropped() {
        Escalator({ _, json -> answer(String(json)) }, limits = EscalationLimits(2, 0, requestsPerMinute = 1, queue = 3),
            onLabel = labels::add).use { escalator ->
            windows(2).let(escalator::onWindows)
            await { labels.size == 2 }
            escalator.onWindows(windows(8))
            Thread.sleep(300)
            assertEquals(1, bodies.size)
            assertEquals(5, escalator.dropped)
        }
    }

    @Test
    fun network_ThatIsGone_KeepsWindowsAndGoesOn() {
        var fail = true
        Escalator({ _, json -> if (fail) throw IOException("no route") else answer(String(json)) },
            limits = EscalationLimits(delayMs = 0), onLabel = labels::add).use { escalator ->
            escalator.onWindows(windows(3))
            await { escalator.failures >= 1 }
            fail = false
            await { labels.size == 3 }
            assertEquals(0, escalator.dropped)
        }
    }

    @Test
    fun answers_ThatAreWrong_DropTheirWindowsOnly() {
        val answers = ArrayDeque(listOf("", "[]", "{\"labels\":[]}", "{\"model\":\"m\",\"labels\":[{\"error\":\"internal\"}]}"))
        val done = CountDownLatch(4)
        Escalator({ _, _ -> done.countDown(); Answer(200, answers.removeFirst().toByteArray(), null) },
            limits = EscalationLimits(batch = 1, delayMs = 0), onLabel = labels::add).use { escalator ->
            escalator.onWindows(windows(4))
            assertTrue(done.await(30, TimeUnit.SECONDS))
            await { escalator.dropped == 4L }
            assertEquals(0, labels.size)
        }
    }

    @Test
    fun onLabel_ThatThrows_IsCounted() {
        Escalator({ _, json -> answer(String(json)) }, limits = EscalationLimits(delayMs = 0),
            onLabel = { error("the app's mistake") }).use { escalator ->
            escalator.onWindows(windows(2))
            await { escalator.failures == 2L }
        }
    }

    @Test
    fun limits_OutOfRange_AreRefused() {
        assertFailsWith<IllegalArgumentException> {
            Escalator({ _, _ -> error("") }, limits = EscalationLimits(batch = 0), onLabel = labels::add)
        }
    }
}
