package dev.reelsense.backend

import dev.reelsense.Decision
import dev.reelsense.ReelsenseException
import dev.reelsense.Status
import dev.reelsense.View
import dev.reelsense.update.Manifest
import org.tensorflow.lite.Interpreter
import java.nio.ByteBuffer
import java.nio.ByteOrder

/**
 * A bundle's `model.tflite` on TensorFlow Lite, for apps that already carry `tensorflow-lite`. One thread. Thread-safe:
 * calls exclude each other, as an interpreter demands.
 *
 * @throws ReelsenseException CORRUPT: it does not load; MISMATCH: of another feature table
 */
public class TfliteBackend @Throws(ReelsenseException::class) constructor(
    manifest: Manifest,
    tflite: ByteArray,
) : Backend {
    private val contract = Contract(manifest)
    private val interpreter: Interpreter = try {
        // The interpreter reads the model where it is: the buffer must stay.
        val bytes = ByteBuffer.allocateDirect(tflite.size).order(ByteOrder.nativeOrder()).apply { put(tflite).rewind() }
        Interpreter(bytes, Interpreter.Options().setNumThreads(1))
    } catch (failure: IllegalArgumentException) {
        throw ReelsenseException(Status.CORRUPT, "model.tflite: TensorFlow Lite: ${failure.message}", failure)
    }
    private var rowsSet = 0

    override val name: String get() = "tflite"
    override val view: View get() = contract.view

    @Synchronized
    override fun classify(rows: FloatArray): List<Decision> {
        val n = contract.rows(rows)
        if (n == 0) return emptyList()
        val input = ByteBuffer.allocateDirect(4 * n * contract.inputs).order(ByteOrder.nativeOrder())
        input.asFloatBuffer().put(contract.gather(rows, n))
        val output = ByteBuffer.allocateDirect(4 * n).order(ByteOrder.nativeOrder())
        try {
            if (n != rowsSet) interpreter.resizeInput(0, intArrayOf(n, contract.inputs))
            rowsSet = n
            interpreter.run(input, output)
        } catch (failure: IllegalArgumentException) {
            throw ReelsenseException(Status.UNSUPPORTED, "TensorFlow Lite: ${failure.message}", failure)
        } catch (failure: IllegalStateException) {
            throw ReelsenseException(Status.CLOSED, "TensorFlow Lite: ${failure.message}", failure)
        }
        output.rewind()
        val probabilities = output.asFloatBuffer()
        return List(n) { contract.decide(probabilities.get(it)) }
    }

    @Synchronized
    override fun close(): Unit = interpreter.close()
}
