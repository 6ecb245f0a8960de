package dev.reelsense

import dev.reelsense.internal.Json
import dev.reelsense.update.Manifest
import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder

/** What the tests share: the repository's files, JSON, captures. */
internal val root: File = File(System.getProperty("reelsense.root")).canonicalFile

internal fun modelBytes(name: String): ByteArray = File(root, "models/$name/1.0.0/model.onnx").readBytes()

internal fun manifestOf(name: String): Manifest =
    Manifest.parse(File(root, "models/$name/1.0.0/manifest.json").readBytes())

internal fun json(text: String): Map<String, Any?> = @Suppress("UNCHECKED_CAST") (Json.parse(text) as Map<String, Any?>)

internal fun Map<String, Any?>.int(key: String): Int = (getValue(key) as Double).toInt()

/** Exact up to 2^53; larger integers are read from the text by [exactLong]. */
internal fun Map<String, Any?>.long(key: String): Long = (getValue(key) as Double).toLong()

/** A member of a flat JSON object as the integer that is written there. */
internal fun exactLong(line: String, key: String): Long =
    Regex("\"$key\":(-?[0-9]+)").find(line)!!.groupValues[1].toLong()

internal fun Map<String, Any?>.floats(key: String): FloatArray {
    val list = getValue(key) as List<*>
    return FloatArray(list.size) { (list[it] as Double).toFloat() }
}

internal class Capture(val link: Int, val frames: List<Frame>) {
    class Frame(val timeNs: Long, val wire: Int, val bytes: ByteArray)

    /** Gives every frame to a classifier, as many at a time as a buffer holds. */
    fun addTo(classifier: Classifier) {
        val buffer = ByteBuffer.allocateDirect(1 shl 20).order(ByteOrder.nativeOrder())
        var count = 0
        for (frame in frames) {
            if (buffer.remaining() < 24 + frame.bytes.size) {
                check(classifier.addFrames(link, buffer, count) == Status.OK)
                buffer.clear()
                count = 0
            }
            buffer.putLong(frame.timeNs).putInt(frame.bytes.size).putInt(frame.wire).put(frame.bytes)
            while (buffer.position() % 8 != 0) buffer.put(0)
            ++count
        }
        if (count != 0) check(classifier.addFrames(link, buffer, count) == Status.OK)
    }

    companion object {
        /** A classic pcap, of either byte order and unit. */
        fun read(file: File): Capture {
            val buffer = ByteBuffer.wrap(file.readBytes()).order(ByteOrder.LITTLE_ENDIAN)
            if (buffer.getInt(0) !in MAGICS) buffer.order(ByteOrder.BIG_ENDIAN)
            val unit = if (buffer.getInt(0) == NANOSECONDS) 1L else 1000L
            val link = buffer.getInt(20) and 0xffff
            buffer.position(24)
            val frames = ArrayList<Frame>()
            while (buffer.remaining() >= 16) {
                val seconds = buffer.int.toLong() and 0xffffffffL
                val fraction = (buffer.int.toLong() and 0xffffffffL) * unit
                val captured = buffer.int
                val wire = buffer.int
                if (captured < 0 || captured > buffer.remaining()) break
                val bytes = ByteArray(captured).also { buffer.get(it) }
                if (fraction < 1_000_000_000L) frames.add(Frame(seconds * 1_000_000_000L + fraction, wire, bytes))
            }
            return Capture(link, frames)
        }

        private const val NANOSECONDS = 0xa1b23c4d.toInt()
        private val MAGICS = setOf(0xa1b2c3d4.toInt(), NANOSECONDS)
    }
}

/** Keeps all that a classifier says, in order. */
internal class Recorder : Listener {
    val windows = ArrayList<Window>()
    val seconds = ArrayList<Second>()
    val flows = ArrayList<FlowSummary>()
    val all = ArrayList<Any>()

    override fun onWindows(windows: List<Window>) {
        this.windows.addAll(windows)
        all.addAll(windows)
    }

    override fun onSecond(second: Second) {
        seconds.add(second)
        all.add(second)
    }

    override fun onFlowEnd(flow: FlowSummary) {
        flows.add(flow)
    }
}

/** A log of reads and writes: `time_ns,connection,direction,bytes`. */
internal class SocketEvent(val timeNs: Long, val connection: String, val down: Boolean, val bytes: Long) {
    companion object {
        fun read(file: File): List<SocketEvent> = file.readLines().drop(1).map { line ->
            val fields = line.split(',')
            SocketEvent(fields[0].toLong(), fields[1], fields[2] == "down", fields[3].toLong())
        }
    }
}
