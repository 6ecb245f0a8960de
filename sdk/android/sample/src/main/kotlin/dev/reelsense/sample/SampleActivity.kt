package dev.reelsense.sample

import android.app.Activity
import android.os.Bundle
import android.widget.TextView
import dev.reelsense.Label
import dev.reelsense.Model
import dev.reelsense.Reelsense
import dev.reelsense.ReelsenseException
import dev.reelsense.Second
import dev.reelsense.okhttp.ReelsenseOkHttp
import okhttp3.Call
import okhttp3.Callback
import okhttp3.OkHttpClient
import okhttp3.Request
import okhttp3.Response
import java.io.IOException

/** Fetches what its intent names and shows, each second, what the app's own traffic is and what to do about it. */
class SampleActivity : Activity(), dev.reelsense.Listener {
    private lateinit var text: TextView
    private var reelsense: Reelsense? = null

    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        text = TextView(this).also(::setContentView)
        val sensing = try {
            // assets/model.onnx is models/reelsense-ue-socket/1.0.0/model.onnx.
            Reelsense.create(Model.load(assets.open("model.onnx").use { it.readBytes() }))
        } catch (failure: IOException) {
            return show("no model: ${failure.message}")
        } catch (failure: ReelsenseException) {
            return show("Reelsense is off: ${failure.message}") // the app goes on without
        }
        sensing.addListener(this)
        reelsense = sensing
        val okhttp = ReelsenseOkHttp(sensing) { call, label ->
            // Before the body is read: a player may choose its bitrate, an image loader may stand back.
            if (label.decision.label == Label.VIDEO && !label.decision.uncertain) show("video: ${call.request().url}")
        }
        fetch(okhttp.install(OkHttpClient.Builder()).build(), intent.dataString ?: return)
    }

    override fun onSecond(second: Second) {
        val qos = second.qos
        show("${second.session.label}: fetch ${qos.prefetchDepth} ahead, buffer ${qos.bufferTargetMs} ms (${qos.bufferReason})")
    }

    override fun onDestroy() {
        reelsense?.close()
        super.onDestroy()
    }

    private fun fetch(client: OkHttpClient, url: String) {
        client.newCall(Request.Builder().url(url).build()).enqueue(object : Callback {
            override fun onFailure(call: Call, e: IOException) = show("failed: ${e.message}")
            override fun onResponse(call: Call, response: Response) {
                response.use { it.body?.source()?.readAll(okio.blackholeSink()) }
            }
        })
    }

    private fun show(line: String) = runOnUiThread { text.text = line }
}
