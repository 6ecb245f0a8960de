package dev.reelsense.internal

import dev.reelsense.ReelsenseException
import dev.reelsense.Status

/** Loads `libreelsense.so` once. An ABI without it, or one of another ABI version, is an exception and never an Error. */
internal object Library {
    private const val ABI_VERSION = 1

    private val failure: String? by lazy {
        try {
            System.loadLibrary("reelsense")
            val version = Native.abiVersion()
            if (version == ABI_VERSION) null
            else "libreelsense.so has ABI version $version, $ABI_VERSION is expected"
        } catch (error: LinkageError) {
            "libreelsense.so was not loaded: ${error.message}"
        } catch (error: SecurityException) {
            "libreelsense.so was not loaded: ${error.message}"
        }
    }

    fun available(): Boolean = failure == null

    fun require() {
        failure?.let { throw ReelsenseException(Status.UNSUPPORTED, it) }
    }
}
