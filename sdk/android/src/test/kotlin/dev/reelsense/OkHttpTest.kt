package dev.reelsense

import dev.reelsense.okhttp.Moment
import dev.reelsense.okhttp.ReelsenseOkHttp
import dev.reelsense.okhttp.ResponseLabel
import okhttp3.Call
import okhttp3.Connection
import okhttp3.EventListener
import okhttp3.OkHttpClient
import okhttp3.Protocol
import okhttp3.Request
import okhttp3.mockwebserver.Dispatcher
import okhttp3.mockwebserver.MockResponse
import okhttp3.mockwebserver.MockWebServer
import okhttp3.mockwebserver.RecordedRequest
import okhttp3.mockwebserver.SocketPolicy
import okhttp3.tls.HandshakeCertificates
import okhttp3.tls.HeldCertificate
import okio.Buffer
import org.junit.After
import org.junit.Test
import java.io.IOException
import java.util.Collections
import java.util.concurrent.ConcurrentHashMap
import kotlin.concurrent.thread
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertNotNull
import kotlin.test.assertNull
import kotlin.test.assertTrue

class OkHttpTest {
    private val certificate = HeldCertificate.Builder().addSubjectAlternativeName("localhost").build()
    private val serverTls = HandshakeCertificates.Builder().heldCertificate(certificate).build()
    private val clientTls = HandshakeCertificates.Builder().addTrustedCertificate(certificate.certificate).build()
    private val server = MockWebServer()
    private val reelsense = Reelsense.create(Model.load(modelBytes("reelsense-ue-socket")))
    private val heard: MutableList<Pair<Call, ResponseLabel>> = Collections.synchronizedList(ArrayList())

    /** Bytes of a call's body that were read when its label came. */
    private val readBefore = ConcurrentHashMap<Pair<Call, Moment>, Long>()
    private val spoken: MutableSet<Protocol> = Collections.synchronizedSet(HashSet())
    private val bodyRead = ConcurrentHashMap<Call, Long>()
    private val sensing = ReelsenseOkHttp(reelsense) { call, label ->
        heard.add(call to label)
        readBefore[call to label.moment] = bodyRead[call] ?: 0
    }

    @After
    fun close() {
        server.shutdown()
        reelsense.close()
    }

    private fun start(protocols: List<Protocol>, tls: Boolean = true): OkHttpClient {
        if (tls) server.useHttps(serverTls.sslSocketFactory(), false)
        server.protocols = protocols
        server.dispatcher = object : Dispatcher() {
            override fun dispatch(request: RecordedRequest): MockResponse {
                val size = request.path!!.removePrefix("/").toLong()
                return MockResponse().setBody(Buffer().write(ByteArray(size.toInt())))
            }
        }
        server.start()
        return sensing.install(OkHttpClient.Builder()).apply {
            if (tls) sslSocketFactory(clientTls.sslSocketFactory(), clientTls.trustManager)
        }.build()
    }

    private fun get(client: OkHttpClient, size: Int): Call {
        val call = client.newCall(Request.Builder().url(server.url("/$size")).build())
        call.execute().use { response ->
            spoken.add(response.protocol)
            val source = response.body!!.source()
            var total = 0L
            val sink = Buffer()
            while (true) {
                val n = source.read(sink, 8192)
                if (n < 0) break
                total += n
                bodyRead[call] = total
                sink.clear()
            }
            assertEquals(size.toLong(), total)
        }
        return call
    }

    private fun check(protocol: Protocol, client: OkHttpClient) {
        val calls = List(3) { get(client, 300_000) }
        assertEquals(setOf(protocol), spoken)
        assertEquals(1, sensing.connections, "$protocol: one connection is reused")
        assertEquals(0, sensing.unobserved)
        for (call in calls) {
            val moments = heard.filter { it.first === call }.map { it.second.moment }
            assertEquals(listOf(Moment.HEADERS, Moment.BODY), moments)
            assertEquals(0L, readBefore[call to Moment.HEADERS], "the label comes before the body")
            assertEquals(0L, readBefore[call to Moment.BODY], "the label comes before the body")
            assertNotNull(sensing.labelOf(call))
        }
        assertEquals(1, heard.map { it.second.flow }.distinct().size)
        val flows = ArrayList<FlowSummary>()
        reelsense.addListener(object : Listener {
            override fun onFlowEnd(flow: FlowSummary) {
                flows.add(flow)
            }
        })
        client.connectionPool.evictAll()
        assertEquals(0, sensing.connections)
        val down = flows.single().bytesDown
        assertTrue(down in 900_000L..960_000L, "$protocol: $down bytes for three bodies of 300,000")
        assertTrue(flows.single().bytesUp in 100L..20_000L, "${flows.single().bytesUp} bytes of requests")
        assertEquals(FlowEnd.FINISHED, flows.single().reason)
    }

    @Test
    fun tls_Http2_LabelsEachCallOfOneConnectionBeforeItsBody() {
        val client = start(listOf(Protocol.HTTP_2, Protocol.HTTP_1_1))
        check(Protocol.HTTP_2, client)
    }

    @Test
    fun tls_Http11_LabelsEachCallOfOneConnectionBeforeItsBody() =
        check(Protocol.HTTP_1_1, start(listOf(Protocol.HTTP_1_1)))

    @Test
    fun plain_Http11_IsSeenToo() = check(Protocol.HTTP_1_1, start(listOf(Protocol.HTTP_1_1), tls = false))

    @Test
    fun http2_ConcurrentCalls_ShareAFlow() {
        val client = start(listOf(Protocol.HTTP_2, Protocol.HTTP_1_1))
        get(client, 10)
        List(4) { thread { get(client, 100_000) } }.forEach(Thread::join)
        assertEquals(1, heard.map { it.second.flow }.distinct().size)
        assertEquals(10, heard.size)
    }

    @Test
    fun listener_OfTheApp_HearsEverything() {
        val events: MutableList<String> = Collections.synchronizedList(ArrayList())
        server.start()
        server.enqueue(MockResponse().setBody("hello"))
        val client = sensing.install(
            OkHttpClient.Builder(),
            events = object : EventListener.Factory {
                override fun create(call: Call) = object : EventListener() {
                    override fun callStart(call: Call) { events.add("start") }
                    override fun connectionAcquired(call: Call, connection: Connection) { events.add("acquired") }
                    override fun responseBodyEnd(call: Call, byteCount: Long) { events.add("body $byteCount") }
                    override fun callEnd(call: Call) { events.add("end") }
                }
            },
        ).build()
        client.newCall(Request.Builder().url(server.url("/")).build()).execute().use { it.body!!.string() }
        assertEquals(listOf("start", "acquired", "body 5", "end"), events)
    }

    @Test
    fun onLabel_ThatThrows_DoesNotFailTheCall() {
        server.start()
        server.enqueue(MockResponse().setBody("hello"))
        val broken = ReelsenseOkHttp(reelsense) { _, _ -> error("the app's mistake") }
        val client = broken.install(OkHttpClient.Builder()).build()
        val call = client.newCall(Request.Builder().url(server.url("/")).build())
        assertEquals("hello", call.execute().use { it.body!!.string() })
    }

    @Test
    fun network_ThatFails_FailsTheCallAsBeforeAndClosesTheFlow() {
        server.start()
        server.enqueue(MockResponse().setSocketPolicy(SocketPolicy.DISCONNECT_AFTER_REQUEST))
        val client = sensing.install(OkHttpClient.Builder()).retryOnConnectionFailure(false).build()
        val call = client.newCall(Request.Builder().url(server.url("/")).build())
        assertFailsWith<IOException> { call.execute() }
        assertNull(sensing.labelOf(call))
        client.connectionPool.evictAll()
        assertEquals(0, sensing.connections)
        assertEquals(0, reelsense.counters()!!.liveFlows)
    }

    @Test
    fun reelsense_ClosedUnderAClient_LeavesItWorking() {
        server.start()
        repeat(2) { server.enqueue(MockResponse().setBody("hello")) }
        val client = sensing.install(OkHttpClient.Builder()).build()
        val request = Request.Builder().url(server.url("/")).build()
        assertEquals("hello", client.newCall(request).execute().use { it.body!!.string() })
        reelsense.close()
        val call = client.newCall(request)
        assertEquals("hello", call.execute().use { it.body!!.string() })
        assertNull(sensing.labelOf(call))
    }

    @Test
    fun flow_ThatWasEvicted_BeginsAnew() {
        server.start()
        repeat(4) { server.enqueue(MockResponse().setBody("hello")) }
        Reelsense.create(
            Model.load(modelBytes("reelsense-ue-socket")), ClassifierOptions(maxFlows = 1),
        ).use { small ->
            val client = ReelsenseOkHttp(small).install(OkHttpClient.Builder()).build()
            val request = Request.Builder().url(server.url("/")).build()
            val first = client.newCall(request).execute() // holds its connection while another is made
            client.newCall(request).execute().use { assertEquals("hello", it.body!!.string()) }
            first.use { assertEquals("hello", it.body!!.string()) }
            client.newCall(request).execute().use { assertEquals("hello", it.body!!.string()) }
            assertTrue(small.counters()!!.liveFlows <= 1)
        }
    }

    @Test
    fun packetModel_ForSockets_IsRefused() {
        Reelsense.create(Model.load(modelBytes("reelsense-ue"))).use { packets ->
            assertEquals(Status.MISMATCH, assertFailsWith<ReelsenseException> { ReelsenseOkHttp(packets) }.status)
        }
    }
}
