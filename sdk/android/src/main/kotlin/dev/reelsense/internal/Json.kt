package dev.reelsense.internal

/** JSON that came from elsewhere and does not follow its format. */
internal class JsonException(message: String) : Exception(message)

/**
 * A small strict JSON reader (RFC 8259) for manifests and answers of the server: objects are [Map], arrays [List], numbers
 * [Double], and there is a limit on depth. Written here because `org.json` is not on a plain JVM and any other reader
 * would be larger than this SDK.
 */
internal class Json private constructor(private val text: String) {
    private var at = 0

    private fun document(): Any? {
        val value = value(0)
        space()
        if (at != text.length) fail("the end")
        return value
    }

    private fun value(depth: Int): Any? {
        if (depth > MAX_DEPTH) fail("at most $MAX_DEPTH levels")
        space()
        return when (peek()) {
            '{' -> members(depth)
            '[' -> elements(depth)
            '"' -> string()
            't' -> word("true", true)
            'f' -> word("false", false)
            'n' -> word("null", null)
            else -> number()
        }
    }

    private fun members(depth: Int): Map<String, Any?> {
        val found = LinkedHashMap<String, Any?>()
        ++at
        space()
        if (accept('}')) return found
        do {
            space()
            if (peek() != '"') fail("a name")
            val name = string()
            space()
            expect(':')
            if (name in found) fail("$name only once")
            found[name] = value(depth + 1)
            space()
        } while (accept(','))
        expect('}')
        return found
    }

    private fun elements(depth: Int): List<Any?> {
        val found = ArrayList<Any?>()
        ++at
        space()
        if (accept(']')) return found
        do {
            found.add(value(depth + 1))
            space()
        } while (accept(','))
        expect(']')
        return found
    }

    private fun string(): String {
        val out = StringBuilder()
        ++at
        while (true) {
            val c = next()
            when {
                c == '"' -> return out.toString()
                c == '\\' -> out.append(escaped())
                c < ' ' -> fail("no control character in a string")
                else -> out.append(c)
            }
        }
    }

    private fun escaped(): Char = when (val c = next()) {
        '"', '\\', '/' -> c
        'b' -> '\b'
        'f' -> '\u000c'
        'n' -> '\n'
        'r' -> '\r'
        't' -> '\t'
        'u' -> {
            val digits = text.substring(at, minOf(at + HEX_DIGITS, text.length))
            val code = if (digits.length == HEX_DIGITS) digits.toIntOrNull(HEX) else null
            at += HEX_DIGITS
            (code ?: fail("four hexadecimal digits")).toChar()
        }
        else -> fail("an escape")
    }

    private fun number(): Double {
        val match = NUMBER.find(text, at)?.takeIf { it.range.first == at } ?: fail("a value")
        at = match.range.last + 1
        return match.value.toDouble()
    }

    private fun word(name: String, value: Any?): Any? {
        if (!text.startsWith(name, at)) fail("a value")
        at += name.length
        return value
    }

    private fun space() {
        while (at < text.length && text[at] in " \t\r\n") ++at
    }

    private fun peek(): Char = if (at < text.length) text[at] else fail("more")

    private fun next(): Char = peek().also { ++at }

    private fun accept(c: Char): Boolean = (at < text.length && text[at] == c).also { if (it) ++at }

    private fun expect(c: Char) {
        if (!accept(c)) fail("'$c'")
    }

    private fun fail(expected: String): Nothing = throw JsonException("JSON at character $at: $expected is expected")

    companion object {
        private const val MAX_DEPTH = 32
        private const val HEX = 16
        private const val HEX_DIGITS = 4
        private val NUMBER = Regex("-?(?:0|[1-9][0-9]*)(?:\\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")

        /** @throws JsonException says at which character what was expected */
        fun parse(text: String): Any? = Json(text).document()

        /** A JSON string with its quotes. */
        fun quote(text: String): String = buildString(text.length + 2) {
            append('"')
            for (c in text) {
                when {
                    c == '"' || c == '\\' -> append('\\').append(c)
                    c < ' ' -> append("\\u%04x".format(c.code))
                    else -> append(c)
                }
            }
            append('"')
        }
    }
}
