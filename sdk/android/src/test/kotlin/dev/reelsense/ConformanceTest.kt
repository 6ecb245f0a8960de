package dev.reelsense

import org.junit.Test
import kotlin.test.assertEquals
import kotlin.test.assertTrue

class ConformanceTest {
    @Test
    fun everyCase_ThroughTheSdk_Holds() {
        val outcome = Conformance(root).run()
        println(outcome)
        assertTrue(outcome.failures.isEmpty(), outcome.failures.joinToString("\n"))
        assertEquals(outcome.listed, outcome.cases)
    }
}
