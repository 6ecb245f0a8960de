package dev.reelsense.okhttp

import dev.reelsense.Answer
import dev.reelsense.Transport
import okhttp3.HttpUrl
import okhttp3.HttpUrl.Companion.toHttpUrl
import okhttp3.MediaType.Companion.toMediaType
import okhttp3.OkHttpClient
import okhttp3.Request
import okhttp3.RequestBody.Companion.toRequestBody
import java.io.IOException

/**
 * A [Transport] over an OkHttp client: give it one of its own, without [ReelsenseOkHttp], so that what the SDK sends is
 * not classified. An answer larger than 4 MiB is refused.
 *
 * @param server "https://edge.example.com"
 * @param apiKey sent as a bearer token
 */
public class OkHttpTransport @JvmOverloads constructor(
    private val client: OkHttpClient,
    server: String,
    private val apiKey: String? = null,
) : Transport {
    private val server: HttpUrl = server.toHttpUrl()

    override fun post(path: String, json: ByteArray): Answer {
        val request = Request.Builder().url(server.newBuilder().addPathSegments(path.trimStart('/')).build())
            .post(json.toRequestBody(JSON))
        apiKey?.let { request.header("Authorization", "Bearer $it") }
        client.newCall(request.build()).execute().use { response ->
            val source = response.body?.source()
            if (source?.request(MAX_ANSWER + 1L) == true) throw IOException("$path: an answer of over $MAX_ANSWER bytes")
            val body = source?.buffer?.readByteArray() ?: ByteArray(0)
            return Answer(response.code, body, response.header("Retry-After")?.toLongOrNull())
        }
    }

    private companion object {
        const val MAX_ANSWER = 4 shl 20
        val JSON = "application/json".toMediaType()
    }
}
