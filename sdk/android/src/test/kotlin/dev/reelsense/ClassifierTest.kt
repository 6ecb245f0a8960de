package dev.reelsense

import org.junit.Test
import java.nio.ByteBuffer
import java.util.concurrent.CountDownLatch
import java.util.concurrent.atomic.AtomicInteger
import kotlin.concurrent.thread
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse
import kotlin.test.assertNotNull
import kotlin.test.assertNull
import kotlin.test.assertTrue

private const val START = 1_700_000_000_000_000_000
private const val SECOND_NS = 1_000_000_000L

class ClassifierTest {
    private fun socketModel() = Model.load(modelBytes("reelsense-ue-socket"))

    /** Chunks of 2 MB every fourth second, a small request before each: video as a player fetches it. */
    private fun watch(classifier: Classifier, flow: Long, seconds: Int) {
        for (k in 0 until seconds step 4) {
            val at = START + k * SECOND_NS
            classifier.write(flow, 600, at + 10_000_000)
            for (i in 0 until 128) classifier.read(flow, 16_384, at + 50_000_000 + i * 5_000_000L)
        }
    }

    @Test
    fun chunks_OnASocket_AreLabelledVideoAndDecided() {
        val seen = Recorder()
        socketModel().use { model ->
            Classifier(model, ClassifierOptions(), seen).use { classifier ->
                val flow = classifier.openFlow(START)
                watch(classifier, flow, 60)
                assertEquals(Status.OK, classifier.closeFlow(flow, START + 60 * SECOND_NS))
                assertEquals(Status.OK, classifier.advance(START + 61 * SECOND_NS))
                val counters = assertNotNull(classifier.counters())
                assertEquals(0, counters.lostEvents)
                assertTrue(counters.memoryBytes in 1..(1 shl 20), "${counters.memoryBytes} bytes")
            }
        }
        assertEquals(15, seen.windows.size)
        assertTrue(seen.windows.takeLast(5).all { it.decision.label == Label.VIDEO }, seen.windows.toString())
        assertTrue(seen.seconds.size >= 57, "${seen.seconds.size} seconds, idle ones among them")
        assertEquals(FlowEnd.FINISHED, seen.flows.single().reason)
        assertEquals(15L * 128 * 16_384, seen.flows.single().bytesDown)
    }

    @Test
    fun load_DamagedAndForeignModels_SayWhatIsWrong() {
        val good = modelBytes("reelsense-ue-socket")
        val cut = assertFailsWith<ReelsenseException> { Model.load(good.copyOf(good.size / 2)) }
        assertEquals(Status.CORRUPT, cut.status)
        assertTrue(cut.message!!.length > 10, cut.message)
        assertFailsWith<ReelsenseException> { Model.load(ByteArray(0)) }
        val edge = assertFailsWith<ReelsenseException> { Model.load(modelBytes("reelsense-edge")) }
        assertTrue(edge.status in setOf(Status.UNSUPPORTED, Status.MISMATCH, Status.LIMIT), edge.toString())
    }

    @Test
    fun classify_WrongLengthOrClosedModel_Throws() {
        val model = socketModel()
        assertEquals(
            Status.INVALID_ARGUMENT,
            assertFailsWith<ReelsenseException> { model.classify(FloatArray(5)) }.status,
        )
        assertEquals(200, model.classify(FloatArray(200 * Features.count(View.SOCKET))).size)
        model.close()
        model.close()
        val closed = assertFailsWith<ReelsenseException> { model.classify(FloatArray(Features.count(View.SOCKET))) }
        assertEquals(Status.CLOSED, closed.status)
    }

    @Test
    fun create_WrongOptions_NamesThem() {
        val view = assertFailsWith<ReelsenseException> {
            socketModel().use { Classifier(it, ClassifierOptions(view = View.PACKET), Recorder()) }
        }
        assertEquals(Status.MISMATCH, view.status)
        val flows = assertFailsWith<ReelsenseException> { Classifier(null, ClassifierOptions(maxFlows = 0), Recorder()) }
        assertTrue("max_flows" in flows.message!!, flows.message)
        val key = assertFailsWith<ReelsenseException> {
            Classifier(null, ClassifierOptions(policy = mapOf("no_such_setting" to 1.0)), Recorder())
        }
        assertTrue("no_such_setting" in key.message!!, key.message)
    }

    @Test
    fun policy_Settings_AreListedAndTaken() {
        val settings = Policy.settings
        assertTrue(settings.size > 5)
        assertTrue(settings.all { it.smallest <= it.default && it.default <= it.largest && it.name.isNotEmpty() })
        val all = settings.associate { it.name to it.default }
        Classifier(null, ClassifierOptions(policy = all), Recorder()).close()
    }

    @Test
    fun flows_ClosedTwiceUnknownOrOutOfRange_AnswerAStatus() {
        Classifier(null, ClassifierOptions(view = View.SOCKET), Recorder()).use { classifier ->
            val flow = classifier.openFlow(START)
            assertTrue(flow != 0L)
            assertEquals(Status.OK, classifier.closeFlow(flow, START))
            assertEquals(Status.CLOSED, classifier.closeFlow(flow, START))
            assertEquals(Status.CLOSED, classifier.read(flow, 1, START))
            assertEquals(Status.CLOSED, classifier.read(0, 1, START))
            assertEquals(Status.CLOSED, classifier.write(Long.MAX_VALUE, 1, START))
            assertNull(classifier.peek(flow))
            val other = classifier.openFlow(START)
            assertEquals(Status.INVALID_ARGUMENT, classifier.read(other, -1, START))
            assertEquals(Status.OK, classifier.advance(START - 10 * SECOND_NS), "time may stand still")
            assertEquals(Status.OK, classifier.read(other, 10, START - 400 * SECOND_NS), "a clock that was set")
        }
    }

    @Test
    fun everything_AfterClose_AnswersClosed() {
        val classifier = Classifier(null, ClassifierOptions(view = View.SOCKET), Recorder())
        val flow = classifier.openFlow(START)
        classifier.close()
        classifier.close()
        assertEquals(0, classifier.openFlow(START))
        assertEquals(Status.CLOSED, classifier.read(flow, 1, START))
        assertEquals(Status.CLOSED, classifier.advance(START))
        assertEquals(Status.CLOSED, classifier.finish())
        assertNull(classifier.counters())
        assertNull(classifier.peek(flow))
        val frames = ByteBuffer.allocateDirect(16)
        assertEquals(Status.CLOSED, classifier.addFrames(101, frames, 0))
        socketModel().use { assertEquals(Status.CLOSED, classifier.setModel(it)) }
    }

    @Test
    fun addFrames_LyingBuffer_IsRefused() {
        Classifier(null, ClassifierOptions(), Recorder()).use { classifier ->
            val buffer = ByteBuffer.allocateDirect(64).order(java.nio.ByteOrder.nativeOrder())
            assertEquals(Status.INVALID_ARGUMENT, classifier.addFrames(101, ByteBuffer.allocate(64), 1), "not direct")
            buffer.putLong(START).putInt(Int.MAX_VALUE).putInt(10)
            assertEquals(Status.INVALID_ARGUMENT, classifier.addFrames(101, buffer, 1), "longer than the buffer")
            buffer.clear()
            assertEquals(Status.INVALID_ARGUMENT, classifier.addFrames(101, buffer, 1), "no record there")
            assertEquals(Status.INVALID_ARGUMENT, classifier.addFrames(101, buffer, -1))
            assertEquals(Status.OK, classifier.addFrames(101, buffer, 0))
        }
    }

    @Test
    fun listener_ThatCallsTheClassifier_IsServedInOrder() {
        lateinit var classifier: Classifier
        val heard = ArrayList<Long>()
        val statuses = ArrayList<Status>()
        classifier = Classifier(
            null, ClassifierOptions(view = View.SOCKET),
            object : Listener {
                override fun onSecond(second: Second) {
                    heard.add(second.second)
                    statuses.add(classifier.advance((second.second + 2) * SECOND_NS))
                    if (heard.size == 5) classifier.close()
                }
            },
        )
        val flow = classifier.openFlow(START)
        classifier.read(flow, 1000, START)
        classifier.advance(START + SECOND_NS)
        assertEquals(5, heard.size)
        assertEquals(heard.sorted().distinct(), heard)
        assertTrue(statuses.all { it == Status.OK }, statuses.toString())
    }

    @Test
    fun listener_ThatThrows_IsCountedAndHarmsNothing() {
        val classifier = Classifier(
            null, ClassifierOptions(view = View.SOCKET),
            object : Listener {
                override fun onWindows(windows: List<Window>) = error("the app's mistake")
            },
        )
        val flow = classifier.openFlow(START)
        assertEquals(Status.OK, classifier.read(flow, 1000, START))
        assertEquals(Status.OK, classifier.read(flow, 1000, START + SECOND_NS))
        assertEquals(1, classifier.counters()!!.listenerFailures)
        classifier.close()
    }

    @Test
    fun threads_OnOneClassifier_AreSerialised() {
        val delivering = AtomicInteger()
        val labelled = AtomicInteger()
        val overlaps = AtomicInteger()
        val classifier = Classifier(
            socketModel(), ClassifierOptions(maxFlows = 16),
            object : Listener {
                override fun onWindows(windows: List<Window>) {
                    if (delivering.incrementAndGet() != 1) overlaps.incrementAndGet()
                    labelled.addAndGet(windows.size)
                    delivering.decrementAndGet()
                }
            },
        )
        val go = CountDownLatch(1)
        val clock = java.util.concurrent.atomic.AtomicLong(START)
        val workers = List(4) {
            thread {
                go.await()
                repeat(200) {
                    val flow = classifier.openFlow(clock.get())
                    repeat(20) { classifier.read(flow, 1000, clock.addAndGet(5_000_000)) }
                    classifier.peek(flow)
                    classifier.closeFlow(flow, clock.get())
                }
            }
        }
        go.countDown()
        workers.forEach(Thread::join)
        classifier.finish()
        assertEquals(0, classifier.counters()!!.refusedCalls)
        assertEquals(classifier.counters()!!.windows, labelled.get().toLong())
        assertEquals(0, overlaps.get())
        val closer = thread { classifier.close() }
        repeat(1000) { classifier.read(1, 1, clock.get()) } // a race with close must not crash
        closer.join()
    }

    @Test
    fun setModel_OfAnotherView_LeavesTheOldOne() {
        Classifier(socketModel(), ClassifierOptions(), Recorder()).use { classifier ->
            Model.load(modelBytes("reelsense-ue")).use { assertEquals(Status.MISMATCH, classifier.setModel(it)) }
            val fresh = socketModel()
            assertEquals(Status.OK, classifier.setModel(fresh))
            fresh.close() // the classifier keeps it alive
            val flow = classifier.openFlow(START)
            watch(classifier, flow, 12)
            assertNotNull(classifier.peek(flow))
            assertFalse(classifier.counters()!!.windows == 0L)
        }
    }

    @Test
    fun farJump_WithManyRows_IsBounded() {
        val seen = Recorder()
        Classifier(null, ClassifierOptions(view = View.SOCKET), seen).use { classifier ->
            classifier.read(classifier.openFlow(START), 100, START)
            assertEquals(Status.OK, classifier.advance(START + 86_400L * SECOND_NS))
            assertTrue(seen.seconds.size <= 86_400, "${seen.seconds.size}")
        }
    }
}
