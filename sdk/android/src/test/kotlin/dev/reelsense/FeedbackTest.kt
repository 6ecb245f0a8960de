package dev.reelsense

import dev.reelsense.feedback.FeedbackQueue
import dev.reelsense.feedback.FeedbackUploader
import dev.reelsense.feedback.Truth
import dev.reelsense.feedback.Upload
import dev.reelsense.okhttp.OkHttpTransport
import okhttp3.OkHttpClient
import okhttp3.mockwebserver.MockResponse
import okhttp3.mockwebserver.MockWebServer
import org.junit.After
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import java.io.File
import java.io.IOException
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertIs
import kotlin.test.assertTrue

private const val START = 1_700_000_000_000_000_000

class FeedbackTest {
    @get:Rule val temporary = TemporaryFolder()

    private val model = Model.load(modelBytes("reelsense-ue-socket"))
    private var nowMs = 0L

    @After
    fun close() = model.close()

    private fun file() = File(temporary.root, "feedback")

    private fun queue(records: Int = 50) = FeedbackQueue(file(), model, records, sample = 1.0)

    private fun windows(n: Int): List<Window> {
        val seen = Recorder()
        Classifier(model, ClassifierOptions(withFeatures = true), seen).use { classifier ->
            val flow = classifier.openFlow(START)
            for (i in 0 until n) classifier.read(flow, 100_000, START + i * 1_000_000_000L)
            classifier.finish()
        }
        return seen.windows
    }

    @Test
    fun records_AreThereAfterTheQueueWasOpenedAgain() {
        queue().use { queue ->
            windows(5).forEach { assertEquals(Status.OK, queue.add(it, Truth.VIDEO)) }
            assertEquals(5, queue.count)
        }
        queue().use { assertEquals(5, it.count) }
    }

    @Test
    fun queue_ThatIsFull_CountsWhatItLeftOut() {
        queue(records = 3).use { queue ->
            val statuses = windows(5).map { queue.add(it, Truth.UNKNOWN) }
            assertEquals(List(3) { Status.OK } + List(2) { Status.LIMIT }, statuses)
            assertEquals(2, queue.lost)
        }
    }

    @Test
    fun window_WithoutFeatures_IsRefused() {
        val seen = Recorder()
        Classifier(model, ClassifierOptions(), seen).use { classifier ->
            classifier.read(classifier.openFlow(START), 10, START)
            classifier.finish()
        }
        queue().use { assertEquals(Status.INVALID_ARGUMENT, it.add(seen.windows.single(), Truth.VIDEO)) }
    }

    @Test
    fun sample_OfNone_KeepsNone() {
        FeedbackQueue(file(), model, 10, sample = 0.0).use { queue ->
            windows(5).forEach { assertEquals(Status.OK, queue.add(it, Truth.VIDEO)) }
            assertEquals(0, queue.count)
        }
    }

    @Test
    fun file_OfAnotherQueueOrKind_IsRefused() {
        queue().use { assertEquals(Status.BUSY, assertFailsWith<ReelsenseException> { queue() }.status) }
        file().writeText("something else")
        assertEquals(Status.CORRUPT, assertFailsWith<ReelsenseException> { queue() }.status)
        file().writeBytes(ByteArray(1 shl 20) { 7 })
        assertEquals(Status.CORRUPT, assertFailsWith<ReelsenseException> { queue() }.status)
        assertFailsWith<ReelsenseException> { FeedbackQueue(file(), model, records = 0) }
    }

    @Test
    fun disk_ThatIsFull_IsAnErrorAtOpeningNotAFaultLater() {
        val full = assertFailsWith<ReelsenseException> { FeedbackQueue(File("/dev/full"), model, 10) }
        assertTrue("/dev/full" in full.message!!, full.message)
        val missing = assertFailsWith<ReelsenseException> { FeedbackQueue(File(temporary.root, "no/such/folder"), model, 10) }
        assertEquals(Status.LIMIT, missing.status)
    }

    @Test
    fun everything_AfterClose_AnswersClosed() {
        val queue = queue()
        queue.close()
        queue.close()
        assertEquals(Status.CLOSED, queue.add(windows(1).single(), Truth.VIDEO))
        assertEquals(0, queue.count)
        assertEquals(Upload.Empty, FeedbackUploader(queue, { _, _ -> error("nothing to send") }).sendOnce())
    }

    @Test
    fun upload_ToAServer_ForgetsOnlyWhatItTook() {
        MockWebServer().use { server ->
            server.start()
            server.enqueue(MockResponse().setResponseCode(503).setHeader("Retry-After", "40"))
            server.enqueue(MockResponse().setResponseCode(200).setBody("{}"))
            server.enqueue(MockResponse().setResponseCode(400))
            queue().use { queue ->
                windows(5).forEach { queue.add(it, Truth.VIDEO) }
                val transport = OkHttpTransport(OkHttpClient(), server.url("/").toString(), "rs_key")
                val uploader = FeedbackUploader(queue, transport, maxRecords = 3, nowMs = { nowMs })
                assertTrue(assertIs<Upload.Later>(uploader.sendOnce()).waitMs >= 40_000)
                assertIs<Upload.Later>(uploader.sendOnce(), "it was told to wait")
                assertEquals(1, server.requestCount)
                assertEquals(5, queue.count)
                nowMs += 10 * 3_600_000
                assertEquals(Upload.Sent(3), uploader.sendOnce())
                assertEquals(2, assertIs<Upload.Refused>(uploader.sendOnce()).records)
                assertEquals(Upload.Empty, uploader.sendOnce())
            }
            server.takeRequest()
            val taken = server.takeRequest()
            assertEquals("/v1/observations", taken.path)
            assertEquals("Bearer rs_key", taken.getHeader("Authorization"))
            val body = taken.body.readUtf8()
            json(body)
            assertTrue("reelsense-ue-socket" in body && "1700000" !in body, "a model, no time: $body")
        }
    }

    @Test
    fun network_ThatIsGone_LosesNothingAndBacksOff() {
        queue().use { queue ->
            windows(2).forEach { queue.add(it, Truth.NON_VIDEO) }
            var tries = 0
            val uploader = FeedbackUploader(queue, { _, _ -> ++tries; throw IOException("no route") }, nowMs = { nowMs })
            var waited = 0L
            repeat(8) {
                val later = assertIs<Upload.Later>(uploader.sendOnce())
                assertEquals("no route", later.why)
                assertTrue(later.waitMs <= 6 * 3_600_000L)
                nowMs += later.waitMs
                waited += later.waitMs
            }
            assertEquals(8, tries)
            assertEquals(2, queue.count)
            assertTrue(waited > 15 * 60_000, "$waited ms in eight tries")
        }
    }
}
