package dev.reelsense.vpn

import android.os.ParcelFileDescriptor
import dev.reelsense.Reelsense
import dev.reelsense.ReelsenseException
import dev.reelsense.Status
import dev.reelsense.View
import java.io.IOException
import java.io.InputStream
import java.io.OutputStream

/**
 * The TUN interface of a `VpnService`, observed: an app reads and writes its packets here and forwards them as before.
 *
 * ```kotlin
 * val tun = ObservedTun(builder.establish()!!, reelsense)   // reelsense: of a packet model
 * while (running) { val n = tun.read(packet); if (n > 0) forward(packet, n) }
 * ```
 *
 * Only headers are looked at, and only their lengths and times become features. Reading and writing may be done by two
 * threads. What the classifier answers never disturbs the traffic.
 */
public class ObservedTun(
    private val input: InputStream,
    private val output: OutputStream,
    private val reelsense: Reelsense,
) : AutoCloseable {
    init {
        if (reelsense.view != View.PACKET) {
            throw ReelsenseException(Status.MISMATCH, "ObservedTun: a packet model is expected, not ${reelsense.view}")
        }
    }

    /** [tun] as `VpnService.Builder.establish` gave it, blocking or not; [close] closes it. */
    public constructor(tun: ParcelFileDescriptor, reelsense: Reelsense) : this(
        ParcelFileDescriptor.AutoCloseInputStream(tun), java.io.FileOutputStream(tun.fileDescriptor), reelsense,
    )

    /** One packet from an app of the device. Its length; 0 if there is none now (non-blocking), -1 at the end. */
    @Throws(IOException::class)
    public fun read(packet: ByteArray): Int {
        val length = input.read(packet)
        if (length > 0) reelsense.onPacket(packet, 0, length)
        return length
    }

    /** One packet to an app of the device. */
    @Throws(IOException::class)
    public fun write(packet: ByteArray, offset: Int, length: Int) {
        output.write(packet, offset, length)
        reelsense.onPacket(packet, offset, length)
    }

    /** Closes both ends. The classifier stays. */
    override fun close() {
        input.use { output.close() }
    }
}
