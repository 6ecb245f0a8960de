package dev.reelsense

import dev.reelsense.internal.Library
import dev.reelsense.internal.Native
import java.util.concurrent.locks.ReentrantReadWriteLock
import kotlin.concurrent.read
import kotlin.concurrent.write

/**
 * A bundle's `model.onnx`, loaded. Immutable: any number of threads may use it at once. [close] gives its memory back once
 * no classifier uses it any more.
 */
public class Model private constructor(private var handle: Long) : AutoCloseable {
    private val lock = ReentrantReadWriteLock()

    /** "reelsense-ue-socket". */
    public val name: String

    /** "1.0.0". */
    public val version: String

    /** What scores it on this processor: "neon", "avx2", "portable". */
    public val kernel: String
    public val view: View

    /** Features that it uses; a row has all [Features.count] of the view. */
    public val inputs: Int

    /** Video if probability >= threshold. */
    public val threshold: Float

    /** Uncertain if the probability lies inside, bounds excluded. */
    public val uncertain: ClosedFloatingPointRange<Float>

    init {
        val strings = arrayOfNulls<String>(3)
        val numbers = DoubleArray(5)
        Native.modelDescribe(handle, strings, numbers)
        name = strings[0].orEmpty()
        version = strings[1].orEmpty()
        kernel = strings[2].orEmpty()
        view = View.entries[numbers[0].toInt()]
        inputs = numbers[1].toInt()
        threshold = numbers[2].toFloat()
        uncertain = numbers[3].toFloat()..numbers[4].toFloat()
    }

    /**
     * Labels full feature vectors.
     * @param rows row-major `[n, Features.count(view)]`
     * @throws ReelsenseException the length is no multiple of the features, or the model is closed
     */
    @Throws(ReelsenseException::class)
    public fun classify(rows: FloatArray): List<Decision> {
        val features = Features.count(view)
        if (rows.size % features != 0) {
            throw ReelsenseException(
                Status.INVALID_ARGUMENT,
                "rows: ${rows.size} values, a multiple of $features features is expected",
            )
        }
        val n = rows.size / features
        val out = FloatArray(4 * n)
        withHandle { check(Native.modelClassify(it, rows, n, features, out), "classify") }
        return List(n) { decisionOf(out, 4 * it) }
    }

    /** Calls [block] with the handle, which stays valid meanwhile. */
    internal fun <T> withHandle(block: (Long) -> T): T = lock.read {
        if (handle == 0L) throw ReelsenseException(Status.CLOSED, "model $name@$version: it is closed")
        block(handle)
    }

    /** Closing twice is allowed. */
    override fun close(): Unit = lock.write {
        Native.modelFree(handle)
        handle = 0
    }

    override fun toString(): String = "$name@$version"

    public companion object {
        /** False where the app has no `libreelsense.so` for this processor: everything else would throw. */
        @JvmStatic
        public fun isSupported(): Boolean = Library.available()

        /**
         * Reads a bundle's `model.onnx`.
         * @throws ReelsenseException CORRUPT, UNSUPPORTED, LIMIT (over 16 MiB), MISMATCH (trained on another feature table)
         */
        @JvmStatic
        @Throws(ReelsenseException::class)
        public fun load(onnx: ByteArray): Model {
            Library.require()
            return Model(Native.modelLoad(onnx))
        }

        internal fun decisionOf(numbers: FloatArray, at: Int): Decision = Decision(
            numbers[at], numbers[at + 1], Label.entries[numbers[at + 2].toInt()], numbers[at + 3] != 0f,
        )

        internal fun check(code: Int, what: String) {
            val status = Status.of(code and Native.STATUS)
            if (status != Status.OK) throw ReelsenseException(status, "$what: $status")
        }
    }
}

/** The feature tables: names in the order of a row. */
public object Features {
    private val tables: Map<View, List<String>> by lazy {
        Library.require()
        View.entries.associateWith { view ->
            generateSequence(0) { it + 1 }.map { Native.featureName(view.ordinal, it) }.takeWhile { it != null }
                .filterNotNull().toList()
        }
    }

    @JvmStatic
    public fun names(view: View): List<String> = tables.getValue(view)

    @JvmStatic
    public fun count(view: View): Int = names(view).size

    /** SHA-256 of the view's table, in hexadecimal: what a model must have been trained on. */
    @JvmStatic
    public fun schemaHash(view: View): String {
        Library.require()
        return Native.schemaHash(view.ordinal)
    }
}
