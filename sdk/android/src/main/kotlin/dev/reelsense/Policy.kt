package dev.reelsense

import dev.reelsense.internal.Library
import dev.reelsense.internal.Native

/** A setting of the QoS policy: its name, its unit and its range. */
public data class PolicySetting(
    val name: String,
    val unit: String,
    val smallest: Double,
    val largest: Double,
    val default: Double,
)

/** The QoS policy's settings; docs/reference/qos-policy.md says what each does, and [ClassifierOptions.policy] changes some. */
public object Policy {
    public val settings: List<PolicySetting> by lazy {
        Library.require()
        val texts = arrayOfNulls<String>(2)
        val range = DoubleArray(3)
        val found = ArrayList<PolicySetting>()
        while (Native.policyKey(found.size, texts, range)) {
            found.add(
                PolicySetting(texts[0].orEmpty(), texts[1].orEmpty(), range[0], range[1], range[2]),
            )
        }
        found
    }
}
