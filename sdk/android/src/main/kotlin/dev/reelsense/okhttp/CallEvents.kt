package dev.reelsense.okhttp

import okhttp3.Call
import okhttp3.Connection
import okhttp3.EventListener
import okhttp3.Handshake
import okhttp3.HttpUrl
import okhttp3.Protocol
import okhttp3.Request
import okhttp3.Response
import java.io.IOException
import java.net.InetAddress
import java.net.InetSocketAddress
import java.net.Proxy

/** One call's events: which connection it has, and when its response is there. All go on to [next]. */
internal class CallEvents(private val owner: ReelsenseOkHttp, private val next: EventListener) : EventListener() {
    @Volatile private var socket: CountingSocket? = null

    override fun connectionAcquired(call: Call, connection: Connection) {
        socket = owner.socketOf(connection)
        if (connection.handshake() != null) owner.secured(socket)
        next.connectionAcquired(call, connection)
    }

    override fun connectionReleased(call: Call, connection: Connection) = next.connectionReleased(call, connection)

    override fun responseHeadersEnd(call: Call, response: Response) {
        owner.label(call, socket, Moment.HEADERS)
        next.responseHeadersEnd(call, response)
    }

    override fun responseBodyStart(call: Call) {
        owner.label(call, socket, Moment.BODY)
        next.responseBodyStart(call)
    }

    // The rest only passes.
    override fun callStart(call: Call) = next.callStart(call)
    override fun proxySelectStart(call: Call, url: HttpUrl) = next.proxySelectStart(call, url)
    override fun proxySelectEnd(call: Call, url: HttpUrl, proxies: List<Proxy>) =
        next.proxySelectEnd(call, url, proxies)
    override fun dnsStart(call: Call, domainName: String) = next.dnsStart(call, domainName)
    override fun dnsEnd(call: Call, domainName: String, inetAddressList: List<InetAddress>) =
        next.dnsEnd(call, domainName, inetAddressList)
    override fun connectStart(call: Call, inetSocketAddress: InetSocketAddress, proxy: Proxy) =
        next.connectStart(call, inetSocketAddress, proxy)
    override fun secureConnectStart(call: Call) = next.secureConnectStart(call)
    override fun secureConnectEnd(call: Call, handshake: Handshake?) = next.secureConnectEnd(call, handshake)
    override fun connectEnd(call: Call, inetSocketAddress: InetSocketAddress, proxy: Proxy, protocol: Protocol?) =
        next.connectEnd(call, inetSocketAddress, proxy, protocol)
    override fun connectFailed(
        call: Call, inetSocketAddress: InetSocketAddress, proxy: Proxy, protocol: Protocol?, ioe: IOException,
    ) = next.connectFailed(call, inetSocketAddress, proxy, protocol, ioe)
    override fun requestHeadersStart(call: Call) = next.requestHeadersStart(call)
    override fun requestHeadersEnd(call: Call, request: Request) = next.requestHeadersEnd(call, request)
    override fun requestBodyStart(call: Call) = next.requestBodyStart(call)
    override fun requestBodyEnd(call: Call, byteCount: Long) = next.requestBodyEnd(call, byteCount)
    override fun requestFailed(call: Call, ioe: IOException) = next.requestFailed(call, ioe)
    override fun responseHeadersStart(call: Call) = next.responseHeadersStart(call)
    override fun responseBodyEnd(call: Call, byteCount: Long) = next.responseBodyEnd(call, byteCount)
    override fun responseFailed(call: Call, ioe: IOException) = next.responseFailed(call, ioe)
    override fun callEnd(call: Call) = next.callEnd(call)
    override fun callFailed(call: Call, ioe: IOException) = next.callFailed(call, ioe)
    override fun canceled(call: Call) = next.canceled(call)
    override fun satisfactionFailure(call: Call, response: Response) = next.satisfactionFailure(call, response)
    override fun cacheHit(call: Call, response: Response) = next.cacheHit(call, response)
    override fun cacheMiss(call: Call) = next.cacheMiss(call)
    override fun cacheConditionalHit(call: Call, cachedResponse: Response) =
        next.cacheConditionalHit(call, cachedResponse)
}
