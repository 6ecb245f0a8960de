package dev.reelsense.backend

import ai.onnxruntime.OnnxTensor
import ai.onnxruntime.OrtEnvironment
import ai.onnxruntime.OrtException
import ai.onnxruntime.OrtSession
import dev.reelsense.Decision
import dev.reelsense.ReelsenseException
import dev.reelsense.Status
import dev.reelsense.View
import dev.reelsense.update.Manifest
import java.nio.FloatBuffer

/**
 * A bundle's `model.onnx` on ONNX Runtime, for apps that already carry `onnxruntime-android`. One thread, no arena: its
 * rows are few. Thread-safe.
 *
 * @throws ReelsenseException CORRUPT: it does not load; MISMATCH: of another feature table
 */
public class OnnxRuntimeBackend @Throws(ReelsenseException::class) constructor(
    manifest: Manifest,
    onnx: ByteArray,
) : Backend {
    private val contract = Contract(manifest)
    private val environment = OrtEnvironment.getEnvironment()
    private val session: OrtSession = try {
        OrtSession.SessionOptions().use { options ->
            options.setIntraOpNumThreads(1)
            options.setCPUArenaAllocator(false)
            environment.createSession(onnx, options)
        }
    } catch (failure: OrtException) {
        throw ReelsenseException(Status.CORRUPT, "model.onnx: ONNX Runtime: ${failure.message}", failure)
    }

    override val name: String get() = "onnxruntime"
    override val view: View get() = contract.view

    override fun classify(rows: FloatArray): List<Decision> {
        val n = contract.rows(rows)
        if (n == 0) return emptyList()
        val shape = longArrayOf(n.toLong(), contract.inputs.toLong())
        return try {
            OnnxTensor.createTensor(environment, FloatBuffer.wrap(contract.gather(rows, n)), shape).use { input ->
                session.run(mapOf("features" to input)).use { result ->
                    val out = (result[0] as OnnxTensor).floatBuffer
                    List(n) { contract.decide(out.get(it)) }
                }
            }
        } catch (failure: OrtException) {
            throw ReelsenseException(Status.UNSUPPORTED, "ONNX Runtime: ${failure.message}", failure)
        }
    }

    override fun close(): Unit = session.close()
}
