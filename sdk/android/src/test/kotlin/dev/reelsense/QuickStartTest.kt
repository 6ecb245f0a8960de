package dev.reelsense

import dev.reelsense.okhttp.ReelsenseOkHttp
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.cancelChildren
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import okhttp3.OkHttpClient
import okhttp3.Request
import okhttp3.mockwebserver.MockResponse
import okhttp3.mockwebserver.MockWebServer
import okio.Buffer
import org.junit.Test
import java.io.File
import kotlin.test.assertEquals
import kotlin.test.assertTrue

class QuickStartTest {
    private val printed = ArrayList<String>()

    private fun println(line: String) {
        printed.add(line)
    }

    @Test
    fun quickStart_OfTheReadme_Runs() = runBlocking {
        val bytes = modelBytes("reelsense-ue-socket")
        val server = MockWebServer()
        repeat(3) { server.enqueue(MockResponse().setBody(Buffer().write(ByteArray(1_000_000)))) }
        server.start()
        val url = server.url("/reel.mp4")
        coroutineScope {
            val scope = this
            // quick start {
            val reelsense = Reelsense.create(Model.load(bytes))
            val sensing = ReelsenseOkHttp(reelsense) { call, label ->
                println("${call.request().url}: ${label.decision.label} ${label.decision.confidence}")
            }
            val client = sensing.install(OkHttpClient.Builder()).build()
            scope.launch(Dispatchers.Unconfined) {
                reelsense.seconds.collect { println("${it.session.label}: fetch ${it.qos.prefetchDepth} ahead") }
            }
            // } quick start
            repeat(3) { client.newCall(Request.Builder().url(url).build()).execute().use { it.body!!.bytes() } }
            reelsense.finish()
            reelsense.close()
            scope.coroutineContext.cancelChildren()
        }
        server.shutdown()
        assertEquals(6, printed.count { it.startsWith(url.toString()) }, printed.toString())
        assertTrue(printed.any { " ahead" in it }, printed.toString())
    }

    @Test
    fun readme_ShowsWhatThisTestRuns() {
        val source = File(root, "sdk/android/src/test/kotlin/dev/reelsense/QuickStartTest.kt").readText()
        val run = source.substringAfter("// quick start {\n").substringBefore("            // } quick start").trimIndent()
        val readme = File(root, "sdk/android/README.md").readText()
        assertTrue(run.trim() in readme, "README.md does not show:\n$run")
    }
}
