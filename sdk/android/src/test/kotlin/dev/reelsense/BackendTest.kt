package dev.reelsense

import dev.reelsense.backend.NativeBackend
import dev.reelsense.backend.OnnxRuntimeBackend
import dev.reelsense.update.Manifest
import org.junit.Test
import java.io.File
import kotlin.math.abs
import kotlin.random.Random
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue

private const val ROWS = 10_000

class BackendTest {
    /** Generated rows: values of the bundle's golden rows, each moved a little, mixed between rows. */
    private fun rows(bundle: String, view: View): FloatArray {
        val golden = json(File(root, "models/$bundle/1.0.0/golden.json").readText())
        val columns = (golden["features"] as List<*>).map(Features.names(view)::indexOf)
        val given = golden["rows"] as List<*>
        val random = Random(6)
        val width = Features.count(view)
        val rows = FloatArray(ROWS * width)
        for (r in 0 until ROWS) {
            columns.forEachIndexed { c, column ->
                val value = ((given[random.nextInt(given.size)] as List<*>)[c] as Double).toFloat()
                rows[r * width + column] = if (random.nextBoolean()) value else value * (0.5f + random.nextFloat())
            }
        }
        return rows
    }

    @Test
    fun onnxRuntime_OnTenThousandRows_EqualsNative() {
        for ((bundle, view) in listOf("reelsense-ue" to View.PACKET, "reelsense-ue-socket" to View.SOCKET,
            "reelsense-ue-linear" to View.PACKET)) {
            val rows = rows(bundle, view)
            val native = Model.load(modelBytes(bundle)).use { NativeBackend(it).classify(rows) }
            val other = OnnxRuntimeBackend(manifestOf(bundle), modelBytes(bundle)).use { it.classify(rows) }
            assertEquals(ROWS, other.size)
            val apart = native.indices.maxOf { abs(native[it].probability - other[it].probability) }
            println("$bundle: onnxruntime and native at most $apart apart on $ROWS rows")
            assertTrue(apart <= 1e-5f, "$bundle: $apart")
            val threshold = manifestOf(bundle).threshold
            val labels = native.indices.count {
                native[it].label != other[it].label && abs(native[it].probability - threshold) > 1e-5f
            }
            assertEquals(0, labels, "$bundle: other labels")
            assertTrue(native.count { it.label == Label.VIDEO } in ROWS / 50..ROWS * 49 / 50, "both labels occur")
        }
    }

    @Test
    fun contract_ThatDoesNotMatch_IsRefused() {
        val text = File(root, "models/reelsense-ue-socket/1.0.0/manifest.json").readText()
        val hash = Regex("\"schema_hash\": \"[0-9a-f]+\"").replace(text, "\"schema_hash\": \"00\"")
        val wrong = assertFailsWith<ReelsenseException> {
            OnnxRuntimeBackend(Manifest.parse(hash.toByteArray()), modelBytes("reelsense-ue-socket"))
        }
        assertEquals(Status.MISMATCH, wrong.status)
        assertFailsWith<ReelsenseException> { OnnxRuntimeBackend(manifestOf("reelsense-ue-socket"), ByteArray(10)) }
        OnnxRuntimeBackend(manifestOf("reelsense-ue-socket"), modelBytes("reelsense-ue-socket")).use { backend ->
            assertEquals(emptyList(), backend.classify(FloatArray(0)))
            assertFailsWith<ReelsenseException> { backend.classify(FloatArray(3)) }
        }
    }
}
