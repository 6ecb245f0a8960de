package dev.reelsense.update

import dev.reelsense.Listener
import dev.reelsense.Reelsense
import dev.reelsense.ReelsenseException
import dev.reelsense.Status
import dev.reelsense.Window

/** What became of an update. */
public sealed class Update {
    /** The new model labels from the next second on. */
    public data class Installed(val model: String) : Update()

    /** It is not newer than the present one. */
    public data class NotNewer(val model: String) : Update()

    /** The old model goes on; [why] names what, where and what was expected. */
    public data class Failed(val status: Status, val why: String) : Update()
}

/**
 * Replaces the model of a running [Reelsense]. The app downloads a bundle as it likes; here it is checked, stored and swapped
 * in between two seconds, and what fails on the way leaves everything as it was.
 *
 * A model that is installed counts as on trial until it has labelled a window; one that did not in three starts of the app
 * is rolled back ([ModelStore.load]). Thread-safe; never throws.
 *
 * @param present what [reelsense] runs now; null if it has no model
 */
public class ModelUpdater(
    private val reelsense: Reelsense,
    private val store: ModelStore,
    private var present: InstalledModel?,
) {
    private val trial = object : Listener {
        override fun onWindows(windows: List<Window>) {
            store.confirm()
            reelsense.removeListener(this)
        }
    }

    init {
        reelsense.addListener(trial)
    }

    /** Blocks for the time of loading and storing: some ms. Not for the main thread. */
    @Synchronized
    public fun update(bundle: SignedBundle): Update {
        val checked = try {
            store.check(bundle)
        } catch (wrong: ReelsenseException) {
            return Update.Failed(wrong.status, wrong.message.orEmpty())
        }
        val refusal = refuse(checked.manifest)
        if (refusal != null) {
            checked.model.close()
            return refusal
        }
        try {
            store.install(bundle)
        } catch (full: ReelsenseException) {
            checked.model.close()
            return Update.Failed(full.status, full.message.orEmpty())
        }
        val status = reelsense.setModel(checked.model)
        if (status != Status.OK) {
            store.rollBack()
            checked.model.close()
            return Update.Failed(status, "bundle: the classifier answered $status")
        }
        present?.model?.close()
        present = checked
        reelsense.removeListener(trial)
        reelsense.addListener(trial)
        return Update.Installed(checked.model.toString())
    }

    private fun refuse(manifest: Manifest): Update? {
        if (manifest.view != reelsense.view) {
            return Update.Failed(
                Status.MISMATCH, "bundle: of view ${manifest.view}, ${reelsense.view} is expected",
            )
        }
        val now = present?.manifest ?: return null
        if (manifest.name != now.name) {
            return Update.Failed(Status.MISMATCH, "bundle: of model ${manifest.name}, ${now.name} is expected")
        }
        return if (now.isOlderThan(manifest)) null else Update.NotNewer("${now.name}@${now.version}")
    }
}
