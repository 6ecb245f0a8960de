package dev.reelsense.update

import dev.reelsense.ReelsenseException
import dev.reelsense.Status
import dev.reelsense.View
import dev.reelsense.internal.Json
import dev.reelsense.internal.JsonException

/** What a device needs of a bundle's `manifest.json` (docs/reference/model-bundle.md). */
public class Manifest private constructor(
    public val name: String,
    /** Semantic. */
    public val version: String,
    public val view: View,
    /** Hash of the feature table that it was trained under. */
    public val schemaHash: String,
    /** The model's inputs, in order. */
    public val features: List<String>,
    public val threshold: Float,
    public val uncertain: ClosedFloatingPointRange<Float>,
    /** SHA-256 of each file, in hexadecimal. */
    public val files: Map<String, String>,
) {
    /** Orders by version: major, minor, patch; what follows a hyphen is before the same without. */
    internal fun isOlderThan(other: Manifest): Boolean = compareVersions(version, other.version) < 0

    public companion object {
        private val VERSION = Regex("(0|[1-9][0-9]{0,8})\\.(0|[1-9][0-9]{0,8})\\.(0|[1-9][0-9]{0,8})(-[0-9A-Za-z.-]+)?")

        /** @throws ReelsenseException CORRUPT: no JSON, or a key is missing or of another type (the message names it) */
        @JvmStatic
        @Throws(ReelsenseException::class)
        public fun parse(bytes: ByteArray): Manifest {
            val members = try {
                Json.parse(String(bytes, Charsets.UTF_8)) as? Map<*, *> ?: corrupt("an object is expected")
            } catch (wrong: JsonException) {
                corrupt(wrong.message.orEmpty())
            }
            if (members["format"] != 1.0) corrupt("format: 1 is expected, not ${members["format"]}")
            if (text(members, "tier") != "ue") corrupt("tier: \"ue\" is expected, not \"${members["tier"]}\"")
            val version = text(members, "version")
            if (!VERSION.matches(version)) corrupt("version: a semantic version is expected, not \"$version\"")
            val band = list(members, "uncertain").map { it as? Double ?: corrupt("uncertain: numbers are expected") }
            if (band.size != 2) corrupt("uncertain: two numbers are expected")
            val view = View.entries.find { it.name.lowercase() == members["view"] }
                ?: corrupt("view: \"packet\" or \"socket\" is expected, not \"${members["view"]}\"")
            val files = members["files"] as? Map<*, *> ?: corrupt("files: an object is expected")
            return Manifest(
                text(members, "name"), version, view, text(members, "schema_hash"),
                list(members, "features").map { it as? String ?: corrupt("features: names are expected") },
                (members["threshold"] as? Double ?: corrupt("threshold: a number is expected")).toFloat(),
                band[0].toFloat()..band[1].toFloat(),
                files.entries.associate { (file, hash) ->
                    file as String to (hash as? String ?: corrupt("files.$file: a SHA-256 is expected"))
                },
            )
        }

        private fun text(members: Map<*, *>, key: String): String =
            members[key] as? String ?: corrupt("$key: a string is expected")

        private fun list(members: Map<*, *>, key: String): List<*> =
            members[key] as? List<*> ?: corrupt("$key: an array is expected")

        private fun corrupt(what: String): Nothing = throw ReelsenseException(Status.CORRUPT, "manifest.json: $what")

        internal fun compareVersions(a: String, b: String): Int {
            val left = a.substringBefore('-').split('.').map(String::toInt)
            val right = b.substringBefore('-').split('.').map(String::toInt)
            for (i in left.indices) left[i].compareTo(right[i]).let { if (it != 0) return it }
            return ('-' !in a).compareTo('-' !in b)
        }
    }
}
