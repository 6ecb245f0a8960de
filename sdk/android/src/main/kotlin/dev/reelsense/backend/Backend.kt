package dev.reelsense.backend

import dev.reelsense.Decision
import dev.reelsense.Features
import dev.reelsense.Label
import dev.reelsense.Model
import dev.reelsense.ReelsenseException
import dev.reelsense.Status
import dev.reelsense.View
import dev.reelsense.update.Manifest

/**
 * What labels feature vectors: the native engine, or a runtime that the app already carries, with the same bundle. Three
 * exist: [NativeBackend] (the default: the smallest and by far the cheapest), [OnnxRuntimeBackend], [TfliteBackend]; they
 * agree within 1e-5, and TFLite within 1e-4.
 */
public interface Backend : AutoCloseable {
    /** "native", "onnxruntime", "tflite". */
    public val name: String
    public val view: View

    /**
     * @param rows row-major `[n, Features.count(view)]`, float32
     * @throws ReelsenseException the length is wrong, or the runtime failed
     */
    @Throws(ReelsenseException::class)
    public fun classify(rows: FloatArray): List<Decision>
}

/** The native engine. Does not own [model]. Thread-safe. */
public class NativeBackend(private val model: Model) : Backend {
    override val name: String get() = "native"
    override val view: View get() = model.view

    override fun classify(rows: FloatArray): List<Decision> = model.classify(rows)

    override fun close(): Unit = Unit
}

/** From full rows to a model's inputs, and from probabilities to decisions, as the bundle's manifest says. */
internal class Contract(private val manifest: Manifest) {
    val view: View get() = manifest.view
    private val width = Features.count(view)
    private val columns: IntArray
    val inputs: Int get() = columns.size

    init {
        val hash = Features.schemaHash(view)
        if (manifest.schemaHash != hash) {
            throw ReelsenseException(
                Status.MISMATCH, "manifest.json: schema_hash: $hash is expected, not ${manifest.schemaHash}",
            )
        }
        val names = Features.names(view)
        columns = IntArray(manifest.features.size) { i ->
            val name = manifest.features[i]
            names.indexOf(name).also {
                if (it < 0) throw ReelsenseException(Status.MISMATCH, "manifest.json: features: \"$name\" is not known")
            }
        }
    }

    fun rows(values: FloatArray): Int {
        if (values.size % width != 0) {
            throw ReelsenseException(
                Status.INVALID_ARGUMENT, "rows: ${values.size} values, a multiple of $width features is expected",
            )
        }
        return values.size / width
    }

    /** Row-major `[n, inputs]`. */
    fun gather(rows: FloatArray, n: Int): FloatArray =
        FloatArray(n * inputs) { rows[it / inputs * width + columns[it % inputs]] }

    fun decide(probability: Float): Decision {
        val video = probability >= manifest.threshold
        return Decision(
            probability,
            maxOf(probability, 1 - probability),
            if (video) Label.VIDEO else Label.NON_VIDEO,
            probability > manifest.uncertain.start && probability < manifest.uncertain.endInclusive,
        )
    }
}
