package dev.reelsense

import dev.reelsense.internal.Json
import dev.reelsense.internal.JsonException
import org.junit.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith

class JsonTest {
    @Test
    fun values_OfEveryKind_AreRead() {
        val read = Json.parse(""" {"a": [1, -2.5e3, true, false, null], "b\"\u00e9\n": {"c": ""}, "": 0} """)
        assertEquals(
            mapOf("a" to listOf(1.0, -2500.0, true, false, null), "b\"\u00e9\n" to mapOf("c" to ""), "" to 0.0), read,
        )
    }

    @Test
    fun wrong_Text_SaysWhere() {
        val wrong = listOf(
            "", "{", "[1,]", "{\"a\"}", "{\"a\":1,}", "01", "1.", "+1", "nul", "\"a", "\"\\x\"", "\"\\u12\"", "[1] 2",
            "{\"a\":1,\"a\":2}", "\"\u0001\"", "[".repeat(100) + "]".repeat(100), "{1:2}", "NaN", "'a'",
        )
        for (text in wrong) assertFailsWith<JsonException>(text) { Json.parse(text) }
        assertEquals("JSON at character 3: a value is expected", assertFailsWith<JsonException> { Json.parse("[1,]") }.message)
    }

    @Test
    fun quote_IsReadBack() {
        val text = "a\"b\\c\n\u0000\u00e9"
        assertEquals(text, Json.parse(Json.quote(text)))
    }
}
