package dev.reelsense.internal

import dev.reelsense.Decision
import dev.reelsense.FlowEnd
import dev.reelsense.FlowSummary
import dev.reelsense.FlowTuple
import dev.reelsense.Label
import dev.reelsense.Qos
import dev.reelsense.Reason
import dev.reelsense.Second
import dev.reelsense.Window
import java.net.InetAddress
import java.nio.ByteBuffer
import java.nio.ByteOrder

/** What came out of a call, in order; windows of one callback together. */
internal sealed class Event {
    class Windows(val windows: List<Window>) : Event()
    class OneSecond(val second: Second) : Event()
    class Ended(val flow: FlowSummary) : Event()
}

/** Reads the event buffer that sdk/android/jni/events.c writes. */
internal class Events(bytes: ByteArray, private val packetView: Boolean) {
    private val buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN)

    fun read(): List<Event> {
        val events = ArrayList<Event>()
        val windows = ArrayList<Window>()
        while (buffer.hasRemaining()) {
            val start = buffer.position()
            val type = buffer.int
            val size = buffer.int
            if (type != WINDOW) flush(windows, events)
            when (type) {
                WINDOW -> windows.add(window())
                SECOND -> events.add(Event.OneSecond(second()))
                FLOW_END -> events.add(Event.Ended(flowEnd()))
            }
            buffer.position(start + size)
        }
        flush(windows, events)
        return events
    }

    private fun flush(windows: MutableList<Window>, events: MutableList<Event>) {
        if (windows.isEmpty()) return
        events.add(Event.Windows(ArrayList(windows)))
        windows.clear()
    }

    private fun window(): Window {
        val second = buffer.long
        val flow = buffer.long
        val bytesUp = buffer.long
        val bytesDown = buffer.long
        val packetsUp = buffer.int
        val packetsDown = buffer.int
        val decision = decision()
        val dscp = unsignedByte()
        val reason = reason()
        val features = FloatArray(buffer.int)
        buffer.position(buffer.position() + 8)
        val tuple = tuple()
        for (i in features.indices) features[i] = buffer.float
        val bins = IntArray(if (features.isEmpty()) 0 else BINS)
        for (i in bins.indices) bins[i] = buffer.int
        return Window(
            second, flow, bytesUp, bytesDown, packetsUp, packetsDown, decision, dscp, reason, tuple, features, bins,
        )
    }

    private fun second(): Second {
        val second = buffer.long
        val bytesUp = buffer.long
        val bytesDown = buffer.long
        val windows = buffer.int
        val liveFlows = buffer.int
        val qos = Qos(buffer.int, buffer.int, buffer.int, buffer.int, reason(), reason(), reason())
        val changed = unsignedByte() != 0
        return Second(second, decision(), qos, changed, bytesUp, bytesDown, windows, liveFlows)
    }

    private fun flowEnd(): FlowSummary = FlowSummary(
        flow = buffer.long,
        firstNs = buffer.long,
        lastNs = buffer.long,
        packetsUp = buffer.long,
        packetsDown = buffer.long,
        bytesUp = buffer.long,
        bytesDown = buffer.long,
        windows = buffer.int,
        idleWindows = buffer.int,
        videoWindows = buffer.int,
        reason = FlowEnd.entries[buffer.int],
        tuple = tuple(),
    )

    private fun decision(): Decision {
        val probability = buffer.float
        val confidence = buffer.float
        return Decision(probability, confidence, Label.entries[unsignedByte()], unsignedByte() != 0)
    }

    private fun tuple(): FlowTuple? {
        val client = ByteArray(16).also { buffer.get(it) }
        val server = ByteArray(16).also { buffer.get(it) }
        val clientPort = buffer.short.toInt() and 0xffff
        val serverPort = buffer.short.toInt() and 0xffff
        val protocol = unsignedByte()
        val version = unsignedByte()
        buffer.position(buffer.position() + 2)
        if (!packetView) return null
        return FlowTuple(address(client, version), clientPort, address(server, version), serverPort, protocol, version)
    }

    private fun address(bytes: ByteArray, version: Int): InetAddress =
        InetAddress.getByAddress(if (version == 4) bytes.copyOfRange(12, 16) else bytes)

    private fun reason(): Reason = Reason.entries[unsignedByte()]

    private fun unsignedByte(): Int = buffer.get().toInt() and 0xff

    private companion object {
        const val WINDOW = 1
        const val SECOND = 2
        const val FLOW_END = 3
        const val BINS = 40
    }
}
