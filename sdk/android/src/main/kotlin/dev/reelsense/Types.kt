package dev.reelsense

import java.net.InetAddress

/** What a call of the native library answered; the numbers are those of `rs_status`. */
public enum class Status {
    OK, INVALID_ARGUMENT, CORRUPT, UNSUPPORTED, MISMATCH, LIMIT, BUSY, CLOSED, MEMORY;

    internal companion object {
        fun of(code: Int): Status = entries.getOrElse(code) { INVALID_ARGUMENT }
    }
}

/** Set-up failed: [message] names what, where and what was expected. */
public class ReelsenseException internal constructor(
    /** What kind of failure it was. */
    public val status: Status,
    message: String,
    cause: Throwable? = null,
) : RuntimeException(message, cause) {
    /** As the native library throws it. */
    internal constructor(status: Int, message: String) : this(Status.of(status), message)
}

/** How traffic is seen. A model answers for one view only. */
public enum class View {
    /** IP packets of a VPN. */
    PACKET,

    /** Bytes that an app read and wrote on a connection. */
    SOCKET,
}

public enum class Label { NON_VIDEO, VIDEO }

/** A label and how sure the model is. */
public data class Decision(
    /** Of video, calibrated, 0 to 1. */
    val probability: Float,
    /** Of [label], 0.5 to 1. */
    val confidence: Float,
    val label: Label,
    /** True: not to be acted on alone. */
    val uncertain: Boolean,
)

/** Why a QoS decision is as it is; in the order of `rs_reason`. */
public enum class Reason { DEFAULT, VIDEO, CONGESTED, NON_VIDEO, UNCERTAIN, HOLD, IDLE, BULK }

/** What the app should do for its session, from a second on. */
public data class Qos(
    /** Clips to fetch ahead. */
    val prefetchDepth: Int,
    /** Media to hold before fetching pauses, in ms. */
    val bufferTargetMs: Int,
    /** 0: no limit. */
    val maxBitrateKbps: Int,
    /** The estimate that these rest on; 0: not known. */
    val throughputKbps: Int,
    val prefetchReason: Reason,
    val bufferReason: Reason,
    val bitrateReason: Reason,
)

/** Who talks to whom, in the packet view. It stays on the device: nothing of it enters feedback or escalation. */
public data class FlowTuple(
    val client: InetAddress,
    val clientPort: Int,
    val server: InetAddress,
    val serverPort: Int,
    /** IANA number. */
    val protocol: Int,
    val ipVersion: Int,
)

/** One flow's second, `[second, second + 1)` since the epoch, that had packets, reads or writes. */
public class Window internal constructor(
    public val second: Long,
    /** Socket view: as [Classifier.openFlow] gave it. Packet view: the flow's number in order of first packets. */
    public val flow: Long,
    public val bytesUp: Long,
    public val bytesDown: Long,
    /** Socket view: writes. */
    public val packetsUp: Int,
    /** Socket view: reads. */
    public val packetsDown: Int,
    public val decision: Decision,
    /** Differentiated services code point from this second on: 0, 1 (lower effort) or 26 (AF31). */
    public val dscp: Int,
    public val dscpReason: Reason,
    /** Null in the socket view. */
    public val tuple: FlowTuple?,
    /** In the order of the view's schema; empty unless [ClassifierOptions.withFeatures]. */
    public val features: FloatArray,
    /** Bytes in 20 × 50 ms down, then up; empty unless [ClassifierOptions.withFeatures]. */
    public val bins: IntArray,
) {
    internal fun with(decision: Decision): Window = Window(
        second, flow, bytesUp, bytesDown, packetsUp, packetsDown, decision, dscp, dscpReason, tuple, features, bins,
    )

    override fun toString(): String = "Window(second=$second, flow=$flow, $decision)"
}

/** A second of the whole session: all flows together, idle seconds too. */
public data class Second(
    val second: Long,
    /** Is video being watched? Also through idle seconds between bursts. */
    val session: Decision,
    val qos: Qos,
    /** The decision differs from the second before. */
    val changed: Boolean,
    val bytesUp: Long,
    val bytesDown: Long,
    /** Flows with traffic in it. */
    val windows: Int,
    val liveFlows: Int,
)

public enum class FlowEnd { FINISHED, IDLE, ACTIVE, REOPENED, EVICTED, TIME_STEP, END }

/** A flow that ended. */
public data class FlowSummary(
    val flow: Long,
    val firstNs: Long,
    val lastNs: Long,
    val packetsUp: Long,
    val packetsDown: Long,
    val bytesUp: Long,
    val bytesDown: Long,
    /** Labelled seconds. */
    val windows: Int,
    val idleWindows: Int,
    val videoWindows: Int,
    val reason: FlowEnd,
    /** Null in the socket view. */
    val tuple: FlowTuple?,
)

/** What a classifier has counted so far. */
public data class Counters(
    val records: Long,
    val packets: Long,
    val late: Long,
    val dropped: Long,
    val flows: Long,
    val windows: Long,
    val videoWindows: Long,
    val uncertainWindows: Long,
    val idleWindows: Long,
    val timeSteps: Long,
    val refusedCalls: Long,
    val liveFlows: Int,
    val peakFlows: Int,
    /** What the classifier holds at most, its model not counted. */
    val memoryBytes: Long,
    /** Events that nobody took in time and that were dropped. */
    val lostEvents: Long,
    /** Exceptions that listeners threw, which were caught. */
    val listenerFailures: Long,
)

/** Event time: nanoseconds since the Unix epoch. */
public fun interface Clock {
    public fun nowNs(): Long

    public companion object {
        /** The system's wall clock, as a capture has it; a clock that is set anew is noticed and counted. */
        public val SYSTEM: Clock = Clock { System.currentTimeMillis() * 1_000_000L }
    }
}

/**
 * Hears what a classifier says, in order, on the thread whose call caused it (or on one that was delivering already).
 * It may call the classifier. What it throws is caught and counted.
 */
public interface Listener {
    /** Rows of one or more seconds, before their [onSecond]. */
    public fun onWindows(windows: List<Window>) {}
    public fun onSecond(second: Second) {}
    public fun onFlowEnd(flow: FlowSummary) {}
}
