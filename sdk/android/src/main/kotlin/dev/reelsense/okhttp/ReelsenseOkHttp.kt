package dev.reelsense.okhttp

import dev.reelsense.Decision
import dev.reelsense.Listener
import dev.reelsense.Reelsense
import dev.reelsense.ReelsenseException
import dev.reelsense.Status
import dev.reelsense.View
import dev.reelsense.Window
import okhttp3.Call
import okhttp3.Connection
import okhttp3.EventListener
import okhttp3.OkHttpClient
import java.net.InetAddress
import java.net.Socket
import java.net.SocketException
import java.util.Collections
import java.util.WeakHashMap
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.atomic.AtomicLong
import javax.net.SocketFactory

/** When a response was labelled: before its body can reach anything that renders it. */
public enum class Moment {
    /** The response's headers were read. */
    HEADERS,

    /** The body is about to be read. */
    BODY,
}

/** What was known of a call's connection at a [moment]; several calls may share a connection (HTTP/2, keep-alive). */
public data class ResponseLabel(val decision: Decision, val moment: Moment, val flow: Long)

/** Hears labels of responses on the call's thread, before the body is read. What it throws is caught. */
public fun interface LabelListener {
    public fun onLabel(call: Call, label: ResponseLabel)
}

/**
 * Lets a [Reelsense] of a socket model see an OkHttp client's connections: a `SocketFactory` counts bytes below TLS, an
 * `EventListener` tells which call uses which connection, and each response is labelled before its body is read.
 *
 * ```kotlin
 * val sensing = ReelsenseOkHttp(reelsense) { call, label -> if (label.decision.label == Label.VIDEO) … }
 * val client = sensing.install(OkHttpClient.Builder()).build()
 * ```
 *
 * Thread-safe; it never changes or delays what the client does. Not seen: connections through a SOCKS proxy (OkHttp makes
 * those sockets itself) and cached responses, which have no connection. Should a TLS provider go around the socket,
 * [unobserved] counts it.
 *
 * @param markSockets set the DSCP of the policy's decision on each connection (`Socket.setTrafficClass`)
 */
public class ReelsenseOkHttp @JvmOverloads constructor(
    private val reelsense: Reelsense,
    private val markSockets: Boolean = false,
    private val onLabel: LabelListener? = null,
) {
    private data class Ends(val local: Int, val port: Int, val address: InetAddress?)

    private val sockets = ConcurrentHashMap<Ends, CountingSocket>()
    private val byFlow = ConcurrentHashMap<Long, CountingSocket>()
    private val labels: MutableMap<Call, ResponseLabel> = Collections.synchronizedMap(WeakHashMap())
    private val around = AtomicLong()

    init {
        if (reelsense.view != View.SOCKET) {
            throw ReelsenseException(
                Status.MISMATCH, "ReelsenseOkHttp: a socket model is expected, not ${reelsense.view}",
            )
        }
        if (markSockets) reelsense.addListener(Marker())
    }

    /** TLS connections whose bytes did not pass the counting socket; 0 with every provider known to us. */
    public val unobserved: Long get() = around.get()

    /** Connections that are open and counted. */
    public val connections: Int get() = sockets.size

    /** Sets both on a client's builder. Factories that it had before go on working behind ours. */
    @JvmOverloads
    public fun install(
        builder: OkHttpClient.Builder,
        sockets: SocketFactory = SocketFactory.getDefault(),
        events: EventListener.Factory? = null,
    ): OkHttpClient.Builder = builder.socketFactory(socketFactory(sockets)).eventListenerFactory(eventListenerFactory(events))

    /** Counts the bytes of what [delegate] makes. */
    public fun socketFactory(delegate: SocketFactory): SocketFactory = CountingFactory(delegate)

    /** Tells of each call, then [delegate]. */
    public fun eventListenerFactory(delegate: EventListener.Factory?): EventListener.Factory =
        EventListener.Factory { call -> CallEvents(this, delegate?.create(call) ?: EventListener.NONE) }

    /** The latest label of a call's response; null before its headers, or if its connection is not seen. */
    public fun labelOf(call: Call): ResponseLabel? = labels[call]

    internal fun socketOf(connection: Connection): CountingSocket? = sockets[ends(connection.socket())]

    internal fun label(call: Call, socket: CountingSocket?, moment: Moment) {
        val flow = socket?.flow ?: return
        val label = ResponseLabel(reelsense.peek(flow) ?: return, moment, flow)
        labels[call] = label
        try {
            onLabel?.onLabel(call, label)
        } catch (@Suppress("TooGenericExceptionCaught", "SwallowedException") failure: Exception) {
            // The app's mistake must not look like a failed request.
        }
    }

    /** A call got a TLS connection: after a handshake, a socket that saw no byte was gone around. */
    internal fun secured(socket: CountingSocket?) {
        if (socket != null && socket.bytes == 0L && socket.reported.compareAndSet(false, true)) around.incrementAndGet()
    }

    private fun ends(socket: Socket) = Ends(socket.localPort, socket.port, socket.inetAddress)

    private val observer = object : SocketObserver {
        override fun connected(socket: CountingSocket) {
            socket.flow = reelsense.openFlow()
            sockets[ends(socket)] = socket
            byFlow[socket.flow] = socket
        }

        override fun read(socket: CountingSocket, bytes: Int) {
            if (reelsense.onRead(socket.flow, bytes.toLong()) == Status.CLOSED && reopen(socket)) {
                reelsense.onRead(socket.flow, bytes.toLong())
            }
        }

        override fun wrote(socket: CountingSocket, bytes: Int) {
            if (reelsense.onWrite(socket.flow, bytes.toLong()) == Status.CLOSED && reopen(socket)) {
                reelsense.onWrite(socket.flow, bytes.toLong())
            }
        }

        /** The table was full, or the connection was quiet for long: it begins anew as another flow. */
        private fun reopen(socket: CountingSocket): Boolean {
            if (socket.isClosed) return false
            byFlow.remove(socket.flow)
            socket.flow = reelsense.openFlow()
            if (socket.flow != 0L) byFlow[socket.flow] = socket
            return socket.flow != 0L
        }

        override fun closed(socket: CountingSocket) {
            sockets.values.remove(socket)
            byFlow.remove(socket.flow)
            reelsense.closeFlow(socket.flow)
        }
    }

    private inner class Marker : Listener {
        override fun onWindows(windows: List<Window>) {
            for (window in windows) {
                val socket = byFlow[window.flow] ?: continue
                try {
                    if (socket.trafficClass != window.dscp shl 2) socket.trafficClass = window.dscp shl 2
                } catch (@Suppress("SwallowedException") closed: SocketException) {
                    continue // closed meanwhile, or the network does not allow it
                }
            }
        }
    }

    private inner class CountingFactory(private val delegate: SocketFactory) : SocketFactory() {
        override fun createSocket(): Socket = CountingSocket(delegate.createSocket(), observer)

        // OkHttp asks for unconnected sockets only; these serve others.
        override fun createSocket(host: String, port: Int): Socket = connected(delegate.createSocket(host, port))

        override fun createSocket(host: String, port: Int, local: InetAddress?, localPort: Int): Socket =
            connected(delegate.createSocket(host, port, local, localPort))

        override fun createSocket(host: InetAddress, port: Int): Socket = connected(delegate.createSocket(host, port))

        override fun createSocket(host: InetAddress, port: Int, local: InetAddress?, localPort: Int): Socket =
            connected(delegate.createSocket(host, port, local, localPort))

        private fun connected(real: Socket): Socket = CountingSocket(real, observer).also(observer::connected)
    }
}
