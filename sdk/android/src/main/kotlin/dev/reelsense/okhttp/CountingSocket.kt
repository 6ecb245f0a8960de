package dev.reelsense.okhttp

import java.io.FilterInputStream
import java.io.FilterOutputStream
import java.io.IOException
import java.io.InputStream
import java.io.OutputStream
import java.net.InetAddress
import java.net.Socket
import java.net.SocketAddress
import java.net.SocketImpl
import java.nio.channels.SocketChannel
import java.util.concurrent.atomic.AtomicBoolean

/** What a socket tells of itself; called on the thread that does the I/O, after it was done. */
internal interface SocketObserver {
    fun connected(socket: CountingSocket)
    fun read(socket: CountingSocket, bytes: Int)
    fun wrote(socket: CountingSocket, bytes: Int)
    fun closed(socket: CountingSocket)
}

/**
 * A socket that counts what passes, below TLS. It holds the real socket instead of being one, and has no implementation
 * of its own: Android's TLS (Conscrypt) writes around the streams of any socket of which it finds the file descriptor, and
 * takes the streams of one that has none.
 */
internal class CountingSocket(
    private val real: Socket,
    private val observer: SocketObserver,
) : Socket(null as SocketImpl?) {
    /** The flow's handle; 0 until it is connected. */
    @Volatile var flow: Long = 0

    /** Bytes that were seen; none after a TLS handshake means that TLS went around this socket. */
    @Volatile var bytes: Long = 0
        private set

    /** That TLS went around this socket was counted. */
    val reported = AtomicBoolean(false)

    override fun connect(endpoint: SocketAddress?): Unit = connect(endpoint, 0)

    override fun connect(endpoint: SocketAddress?, timeout: Int) {
        real.connect(endpoint, timeout)
        observer.connected(this)
    }

    override fun getInputStream(): InputStream = CountingInput(real.getInputStream())

    override fun getOutputStream(): OutputStream = CountingOutput(real.getOutputStream())

    override fun close() {
        try {
            real.close()
        } finally {
            observer.closed(this)
        }
    }

    private fun add(count: Int, down: Boolean) {
        if (count <= 0) return
        bytes += count // reads and writes may race here: only zero or not matters
        if (down) observer.read(this, count) else observer.wrote(this, count)
    }

    private inner class CountingInput(stream: InputStream) : FilterInputStream(stream) {
        override fun read(): Int = `in`.read().also { if (it >= 0) add(1, down = true) }

        override fun read(buffer: ByteArray, offset: Int, length: Int): Int =
            `in`.read(buffer, offset, length).also { add(it, down = true) }

        override fun close() = this@CountingSocket.close()
    }

    private inner class CountingOutput(stream: OutputStream) : FilterOutputStream(stream) {
        override fun write(value: Int) {
            out.write(value)
            add(1, down = false)
        }

        override fun write(buffer: ByteArray, offset: Int, length: Int) {
            out.write(buffer, offset, length)
            add(length, down = false)
        }

        @Throws(IOException::class)
        override fun close() = this@CountingSocket.close()
    }

    // Everything else is the real socket's.
    override fun bind(address: SocketAddress?): Unit = real.bind(address)
    override fun getInetAddress(): InetAddress? = real.inetAddress
    override fun getLocalAddress(): InetAddress? = real.localAddress
    override fun getPort(): Int = real.port
    override fun getLocalPort(): Int = real.localPort
    override fun getRemoteSocketAddress(): SocketAddress? = real.remoteSocketAddress
    override fun getLocalSocketAddress(): SocketAddress? = real.localSocketAddress
    override fun getChannel(): SocketChannel? = real.channel
    override fun setTcpNoDelay(on: Boolean) { real.tcpNoDelay = on }
    override fun getTcpNoDelay(): Boolean = real.tcpNoDelay
    override fun setSoLinger(on: Boolean, linger: Int): Unit = real.setSoLinger(on, linger)
    override fun getSoLinger(): Int = real.soLinger
    override fun sendUrgentData(data: Int): Unit = real.sendUrgentData(data)
    override fun setOOBInline(on: Boolean) { real.oobInline = on }
    override fun getOOBInline(): Boolean = real.oobInline
    override fun setSoTimeout(timeout: Int) { real.soTimeout = timeout }
    override fun getSoTimeout(): Int = real.soTimeout
    override fun setSendBufferSize(size: Int) { real.sendBufferSize = size }
    override fun getSendBufferSize(): Int = real.sendBufferSize
    override fun setReceiveBufferSize(size: Int) { real.receiveBufferSize = size }
    override fun getReceiveBufferSize(): Int = real.receiveBufferSize
    override fun setKeepAlive(on: Boolean) { real.keepAlive = on }
    override fun getKeepAlive(): Boolean = real.keepAlive
    override fun setTrafficClass(value: Int) { real.trafficClass = value }
    override fun getTrafficClass(): Int = real.trafficClass
    override fun setReuseAddress(on: Boolean) { real.reuseAddress = on }
    override fun getReuseAddress(): Boolean = real.reuseAddress
    override fun shutdownInput(): Unit = real.shutdownInput()
    override fun shutdownOutput(): Unit = real.shutdownOutput()
    override fun isConnected(): Boolean = real.isConnected
    override fun isBound(): Boolean = real.isBound
    override fun isClosed(): Boolean = real.isClosed
    override fun isInputShutdown(): Boolean = real.isInputShutdown
    override fun isOutputShutdown(): Boolean = real.isOutputShutdown
    override fun setPerformancePreferences(connectionTime: Int, latency: Int, bandwidth: Int): Unit =
        real.setPerformancePreferences(connectionTime, latency, bandwidth)
    override fun toString(): String = real.toString()
}
