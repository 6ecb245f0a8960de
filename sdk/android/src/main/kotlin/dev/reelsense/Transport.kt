package dev.reelsense

import java.io.IOException

/** What a server answered. */
public class Answer(
    public val code: Int,
    public val body: ByteArray,
    /** Of `Retry-After`; null if the server did not say. */
    public val retryAfterS: Long?,
)

/**
 * Sends a body to the Reelsense server. `dev.reelsense.okhttp.OkHttpTransport` is one; an app may bring its own. Called
 * on the thread that sends; never on one that does the app's I/O.
 */
public fun interface Transport {
    /**
     * @param path "/v1/classify", "/v1/observations"
     * @param json UTF-8
     * @throws IOException there is no network: what was to be sent stays
     */
    @Throws(IOException::class)
    public fun post(path: String, json: ByteArray): Answer
}
