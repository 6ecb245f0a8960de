package dev.reelsense

import android.os.Build
import android.os.ParcelFileDescriptor
import dev.reelsense.vpn.ObservedTun
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.annotation.Config
import java.io.ByteArrayOutputStream
import java.io.File
import java.io.InputStream
import java.nio.ByteBuffer
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue

/** On Robolectric's Android 15, with the real native library. */
@RunWith(RobolectricTestRunner::class)
@Config(sdk = [35], manifest = Config.NONE)
class AndroidTest {
    private var now = 1_700_000_000_000_000_000L

    private fun packets() = Reelsense.create(Model.load(modelBytes("reelsense-ue")), clock = { now })

    /** IPv4 and UDP headers, [payload] bytes behind them. */
    private fun datagram(up: Boolean, payload: Int): ByteArray {
        val length = 28 + payload
        val buffer = ByteBuffer.allocate(length)
        buffer.put(0x45).put(0).putShort(length.toShort()).putInt(0).put(64).put(17).putShort(0)
        val client = byteArrayOf(10, 0, 0, 2)
        val server = byteArrayOf(93, 184.toByte(), 34, 5)
        buffer.put(if (up) client else server).put(if (up) server else client)
        buffer.putShort(if (up) 40_000 else 443).putShort(if (up) 443 else 40_000.toShort())
        buffer.putShort((8 + payload).toShort()).putShort(0)
        return buffer.array()
    }

    private fun ByteBuffer.putShort(value: Int): ByteBuffer = putShort(value.toShort())

    /** A TUN device gives one packet for each read. */
    private class Tun(private val packets: ArrayDeque<ByteArray>) : InputStream() {
        override fun read() = throw UnsupportedOperationException("whole packets only")
        override fun read(buffer: ByteArray): Int {
            val packet = packets.removeFirstOrNull() ?: return -1
            packet.copyInto(buffer)
            return packet.size
        }
    }

    @Test
    fun android_IsTheOneThatWasAskedFor() {
        assertEquals(35, Build.VERSION.SDK_INT)
        assertTrue(RuntimeEnvironment.getApplication().packageName.isNotEmpty())
        assertTrue(Model.isSupported())
    }

    @Test
    fun tun_PacketsOfBothWays_BecomeOneFlow() {
        val queue = ArrayDeque(List(20) { datagram(up = true, payload = 40) })
        val out = ByteArrayOutputStream()
        packets().use { reelsense ->
            val seen = Recorder()
            reelsense.addListener(seen)
            ObservedTun(Tun(queue), out, reelsense).use { tun ->
                val packet = ByteArray(32 * 1024)
                while (tun.read(packet) > 0) {
                    val answer = datagram(up = false, payload = 1200)
                    tun.write(answer, 0, answer.size)
                    now += 30_000_000
                }
            }
            reelsense.finish()
            assertEquals(20 * 1228, out.size())
            val flow = seen.flows.single()
            assertEquals(20, flow.packetsUp)
            assertEquals(20, flow.packetsDown)
            assertEquals(20L * 68, flow.bytesUp)
            assertEquals(20L * 1228, flow.bytesDown)
            assertEquals("10.0.0.2", flow.tuple!!.client.hostAddress)
            assertEquals(443, flow.tuple!!.serverPort)
            assertEquals(1, seen.windows.size)
        }
    }

    @Test
    fun tun_ParcelFileDescriptor_IsReadAndClosed() {
        val file = File.createTempFile("tun", null).apply { writeBytes(datagram(up = true, payload = 10)) }
        packets().use { reelsense ->
            val descriptor = ParcelFileDescriptor.open(file, ParcelFileDescriptor.MODE_READ_WRITE)
            ObservedTun(descriptor, reelsense).use { tun ->
                val packet = ByteArray(1500)
                val length = tun.read(packet)
                assertContentEquals(datagram(up = true, payload = 10), packet.copyOf(length))
                assertEquals(-1, tun.read(packet))
            }
            assertTrue(!descriptor.fileDescriptor.valid())
            reelsense.tick()
            assertEquals(1, reelsense.counters()!!.packets)
        }
        file.delete()
    }

    @Test
    fun tun_Garbage_IsCountedAndPassedOn() {
        packets().use { reelsense ->
            val garbage = ArrayDeque(List(40) { ByteArray(it + 1) { 0x7f } })
            ObservedTun(Tun(garbage), ByteArrayOutputStream(), reelsense).use { tun ->
                val packet = ByteArray(1500)
                var read = 0
                while (tun.read(packet) > 0) ++read
                assertEquals(40, read)
            }
            reelsense.tick()
            assertEquals(40, reelsense.counters()!!.dropped)
        }
    }

    @Test
    fun socketModel_ForATun_IsRefused() {
        Reelsense.create(Model.load(modelBytes("reelsense-ue-socket"))).use { sockets ->
            val wrong = assertFailsWith<ReelsenseException> {
                ObservedTun(Tun(ArrayDeque()), ByteArrayOutputStream(), sockets)
            }
            assertEquals(Status.MISMATCH, wrong.status)
        }
    }

    @Test
    fun conformance_OnAndroidsClasses_Holds() {
        val outcome = Conformance(root).run()
        assertTrue(outcome.failures.isEmpty(), outcome.failures.joinToString("\n"))
    }
}
