package dev.reelsense.sample

import android.content.Intent
import android.net.VpnService
import android.util.Log
import dev.reelsense.Listener
import dev.reelsense.Model
import dev.reelsense.Reelsense
import dev.reelsense.ReelsenseException
import dev.reelsense.Window
import dev.reelsense.vpn.ObservedTun
import java.io.IOException
import kotlin.concurrent.thread

/** Labels the flows of the whole device. What [forward] does with a packet is each VPN's own business. */
class SampleVpnService : VpnService(), Listener {
    private var reelsense: Reelsense? = null
    private var tun: ObservedTun? = null

    override fun onStartCommand(intent: Intent?, flags: Int, startId: Int): Int {
        try {
            // assets/packet-model.onnx is models/reelsense-ue/1.0.0/model.onnx.
            val sensing = Reelsense.create(Model.load(assets.open("packet-model.onnx").use { it.readBytes() }))
            sensing.addListener(this)
            reelsense = sensing
            val descriptor = Builder().addAddress("10.78.0.2", PREFIX).addRoute("0.0.0.0", 0).establish()
                ?: return START_NOT_STICKY // the user has not allowed it
            tun = ObservedTun(descriptor, sensing).also { thread(name = "tun") { pump(it) } }
        } catch (failure: IOException) {
            Log.w(TAG, "no model", failure)
        } catch (failure: ReelsenseException) {
            Log.w(TAG, "Reelsense is off", failure)
        }
        return START_STICKY
    }

    override fun onWindows(windows: List<Window>) {
        for (window in windows) Log.i(TAG, "flow ${window.flow}: ${window.decision.label}, DSCP ${window.dscp}")
    }

    override fun onDestroy() {
        tun?.close()
        reelsense?.close()
        super.onDestroy()
    }

    private fun pump(tun: ObservedTun) {
        val packet = ByteArray(MTU)
        try {
            while (true) {
                val length = tun.read(packet)
                if (length < 0) return
                if (length > 0) forward(packet, length)
            }
        } catch (failure: IOException) {
            Log.i(TAG, "the TUN was closed: ${failure.message}")
        }
    }

    /** Sends a packet on its way, and writes what comes back with `tun.write`. */
    private fun forward(packet: ByteArray, length: Int) {
        Log.v(TAG, "$length bytes, IP version ${packet[0].toInt() shr VERSION_SHIFT and VERSION_MASK}")
    }

    private companion object {
        const val TAG = "SampleVpnService"
        const val PREFIX = 24
        const val MTU = 32 * 1024
        const val VERSION_SHIFT = 4
        const val VERSION_MASK = 15
    }
}
