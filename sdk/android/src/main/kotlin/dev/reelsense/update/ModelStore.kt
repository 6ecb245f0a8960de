package dev.reelsense.update

import dev.reelsense.Model
import dev.reelsense.ReelsenseException
import dev.reelsense.Status
import java.io.File
import java.io.FileOutputStream
import java.io.IOException

/**
 * A bundle as the app downloaded it. Signed is the manifest; it holds the SHA-256 of the model.
 *
 * @param manifest `manifest.json`
 * @param onnx `model.onnx`
 * @param keyId of the key that signed ([TrustedKeys.idOf])
 * @param signature ECDSA P-256 with SHA-256 over the bytes of the manifest, DER
 */
public class SignedBundle(
    public val manifest: ByteArray,
    public val onnx: ByteArray,
    public val keyId: String,
    public val signature: ByteArray,
)

/** A model that passed every check, and what its manifest says. The owner closes the model. */
public class InstalledModel internal constructor(public val manifest: Manifest, public val model: Model)

/**
 * Installed models in a folder of the app's: the present one and the one before it. A bundle is written beside them,
 * synced, and made the present one by one rename; a process that dies anywhere leaves the old one. What is read back is
 * checked like a download. One process at a time; thread-safe.
 */
public class ModelStore(private val folder: File, private val keys: TrustedKeys) {
    /**
     * Checks a bundle: signature, manifest, SHA-256, and that the native engine loads it and agrees on name, version and
     * view.
     * @throws ReelsenseException MISMATCH: signature, hash or contract; CORRUPT, UNSUPPORTED: what is in it
     */
    @Throws(ReelsenseException::class)
    public fun check(bundle: SignedBundle): InstalledModel {
        if (bundle.keyId !in keys.ids) {
            throw ReelsenseException(Status.MISMATCH, "bundle: signed by ${bundle.keyId}, one of ${keys.ids} is expected")
        }
        if (!keys.verify(bundle.manifest, bundle.keyId, bundle.signature)) {
            throw ReelsenseException(Status.MISMATCH, "bundle: the signature is not one of ${bundle.keyId} over this manifest")
        }
        val manifest = Manifest.parse(bundle.manifest)
        val hash = TrustedKeys.sha256(bundle.onnx)
        if (manifest.files[ONNX] != hash) {
            throw ReelsenseException(
                Status.MISMATCH, "bundle: SHA-256 of $ONNX is $hash, ${manifest.files[ONNX]} is expected",
            )
        }
        val model = Model.load(bundle.onnx)
        if (model.name != manifest.name || model.version != manifest.version || model.view != manifest.view) {
            model.close()
            throw ReelsenseException(
                Status.MISMATCH, "bundle: $ONNX is $model of view ${model.view}, the manifest says otherwise",
            )
        }
        return InstalledModel(manifest, model)
    }

    /**
     * The present model; the one before it if the present one is damaged or was never confirmed ([confirm]) in
     * [MAX_STARTS] starts; null if there is none that is good: use the one that the app ships.
     */
    @Synchronized
    public fun load(): InstalledModel? {
        val present = File(folder, PRESENT)
        val starts = File(present, STARTS)
        if (starts.exists()) {
            val count = starts.length()
            if (count >= MAX_STARTS) rollBack() else append(starts)
        }
        return read(present) ?: run { if (rollBack()) read(present) else null }
    }

    /**
     * Makes a bundle the present one.
     * @throws ReelsenseException LIMIT: no room on the disk, the old one stays
     */
    @Synchronized
    @Throws(ReelsenseException::class)
    public fun install(bundle: SignedBundle) {
        val fresh = File(folder, FRESH)
        fresh.deleteRecursively()
        try {
            if (!fresh.mkdirs()) throw IOException("$fresh cannot be made")
            write(File(fresh, MANIFEST), bundle.manifest)
            write(File(fresh, ONNX), bundle.onnx)
            write(File(fresh, SIGNATURE), bundle.keyId.toByteArray() + '\n'.code.toByte() + bundle.signature)
            write(File(fresh, STARTS), ByteArray(0))
            val present = File(folder, PRESENT)
            val former = File(folder, FORMER)
            if (present.exists()) {
                former.deleteRecursively()
                if (!present.renameTo(former)) throw IOException("$present cannot be renamed")
            }
            if (!fresh.renameTo(present)) {
                former.renameTo(present)
                throw IOException("$fresh cannot be renamed")
            }
        } catch (failure: IOException) {
            fresh.deleteRecursively()
            throw ReelsenseException(Status.LIMIT, "$folder: the model was not stored: ${failure.message}", failure)
        }
    }

    /** The present model works: it has labelled. From now on it is only left for a newer one, or when it is damaged. */
    @Synchronized
    public fun confirm() {
        File(File(folder, PRESENT), STARTS).delete()
    }

    /** Goes back to the model before. False: there is none. */
    @Synchronized
    public fun rollBack(): Boolean {
        val present = File(folder, PRESENT)
        val former = File(folder, FORMER)
        val had = former.exists()
        present.deleteRecursively()
        if (had) former.renameTo(present)
        return had
    }

    private fun read(from: File): InstalledModel? = try {
        val signed = File(from, SIGNATURE).readBytes()
        val end = signed.indexOf('\n'.code.toByte())
        if (end < 0) {
            null
        } else {
            check(
                SignedBundle(
                    File(from, MANIFEST).readBytes(), File(from, ONNX).readBytes(),
                    String(signed, 0, end, Charsets.US_ASCII), signed.copyOfRange(end + 1, signed.size),
                ),
            )
        }
    } catch (@Suppress("SwallowedException") missing: IOException) {
        null
    } catch (@Suppress("SwallowedException") damaged: ReelsenseException) {
        null
    }

    private fun append(starts: File) {
        try {
            FileOutputStream(starts, true).use { it.write(1) }
        } catch (@Suppress("SwallowedException") full: IOException) {
            return // one start more is allowed
        }
    }

    private fun write(file: File, bytes: ByteArray) {
        FileOutputStream(file).use {
            it.write(bytes)
            it.fd.sync()
        }
    }

    private companion object {
        const val PRESENT = "present"
        const val FORMER = "former"
        const val FRESH = "fresh"
        const val MANIFEST = "manifest.json"
        const val ONNX = "model.onnx"
        const val SIGNATURE = "signature"
        const val STARTS = "starts" // a byte for each start without a confirmation
        const val MAX_STARTS = 3L
    }
}
