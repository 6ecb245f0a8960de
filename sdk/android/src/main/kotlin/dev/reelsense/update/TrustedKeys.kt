package dev.reelsense.update

import dev.reelsense.ReelsenseException
import dev.reelsense.Status
import java.security.GeneralSecurityException
import java.security.KeyFactory
import java.security.MessageDigest
import java.security.PublicKey
import java.security.Signature
import java.security.interfaces.ECPublicKey
import java.security.spec.X509EncodedKeySpec

/**
 * The keys whose signatures an app trusts: ECDSA over P-256 with SHA-256, which every Android since API level 11 has (Ed25519
 * came to `java.security` with API level 33 only).
 *
 * **Rotation:** ship the present key and the next one. Signing moves to the next key when the apps in the field have it; a
 * later release of the app drops the old one and brings another next. A key that leaked is dropped at once: what it signed
 * is refused from then on, installed models included.
 *
 * @param keys X.509 SubjectPublicKeyInfo (DER), one or more
 * @throws ReelsenseException INVALID_ARGUMENT: not an EC key of P-256
 */
public class TrustedKeys @Throws(ReelsenseException::class) constructor(vararg keys: ByteArray) {
    private val byId: Map<String, PublicKey> = keys.associate { idOf(it) to read(it) }

    init {
        if (keys.isEmpty()) throw ReelsenseException(Status.INVALID_ARGUMENT, "keys: at least one is expected")
    }

    /** Ids of the trusted keys. */
    public val ids: Set<String> get() = byId.keys

    /** Whether [signature] (DER) over [bytes] is by the trusted key [keyId]. Never throws. */
    internal fun verify(bytes: ByteArray, keyId: String, signature: ByteArray): Boolean {
        val key = byId[keyId] ?: return false
        return try {
            Signature.getInstance("SHA256withECDSA").run {
                initVerify(key)
                update(bytes)
                verify(signature)
            }
        } catch (@Suppress("SwallowedException") malformed: GeneralSecurityException) {
            false
        }
    }

    private fun read(key: ByteArray): PublicKey {
        val read = try {
            KeyFactory.getInstance("EC").generatePublic(X509EncodedKeySpec(key)) as ECPublicKey
        } catch (wrong: GeneralSecurityException) {
            throw ReelsenseException(Status.INVALID_ARGUMENT, "key ${idOf(key)}: an X.509 EC key is expected", wrong)
        }
        if (read.params.curve.field.fieldSize != P256_BITS) {
            throw ReelsenseException(Status.INVALID_ARGUMENT, "key ${idOf(key)}: a key of P-256 is expected")
        }
        return read
    }

    public companion object {
        private const val P256_BITS = 256
        private const val ID_DIGITS = 16

        /** A key's id: the first 16 hexadecimal digits of the SHA-256 of its DER. */
        @JvmStatic
        public fun idOf(key: ByteArray): String = sha256(key).take(ID_DIGITS)

        internal fun sha256(bytes: ByteArray): String =
            MessageDigest.getInstance("SHA-256").digest(bytes).joinToString("") { "%02x".format(it) }
    }
}
