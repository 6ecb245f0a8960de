package dev.reelsense

import dev.reelsense.internal.Library
import dev.reelsense.internal.Native

/** A setting of the QoS policy: its name, its unit, what it does, and its range. */
public data class PolicySetting(
    val name: String,
    val unit: String,
    val help: String,
    val smallest: Double,
    val largest: Double,
    val default: Double,
)

/** The QoS policy's settings, as docs/reference/qos-policy.md lists them; [ClassifierOptions.policy] changes some. */
public object Policy {
    public val settings: List<PolicySetting> by lazy {
        Library.require()
        val texts = arrayOfNulls<String>(3)
        val range = DoubleArray(3)
        val found = ArrayList<PolicySetting>()
        while (Native.policyKey(found.size, texts, range)) {
            found.add(
                PolicySetting(
                    texts[0].orEmpty(), texts[1].orEmpty(), texts[2].orEmpty(), range[0], range[1], range[2],
                ),
            )
        }
        found
    }
}
