package dev.reelsense

import dev.reelsense.update.Manifest
import dev.reelsense.update.ModelStore
import dev.reelsense.update.ModelUpdater
import dev.reelsense.update.SignedBundle
import dev.reelsense.update.TrustedKeys
import dev.reelsense.update.Update
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import java.io.File
import java.security.KeyPair
import java.security.KeyPairGenerator
import java.security.MessageDigest
import java.security.Signature
import java.security.spec.ECGenParameterSpec
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertIs
import kotlin.test.assertNotNull
import kotlin.test.assertNull
import kotlin.test.assertTrue

class UpdateTest {
    @get:Rule val temporary = TemporaryFolder()

    private val present = keyPair()
    private val next = keyPair()
    private val keys = TrustedKeys(present.public.encoded, next.public.encoded)

    private fun keyPair(curve: String = "secp256r1"): KeyPair =
        KeyPairGenerator.getInstance("EC").apply { initialize(ECGenParameterSpec(curve)) }.generateKeyPair()

    /** The shipped socket model under another version: in the manifest and in model.onnx. */
    private fun bundle(version: String = "1.0.0", key: KeyPair = present, edit: (String) -> String = { it }): SignedBundle {
        val folder = File(root, "models/reelsense-ue-socket/1.0.0")
        val onnx = replace(File(folder, "model.onnx").readBytes(), "1.0.0", version)
        val hash = MessageDigest.getInstance("SHA-256").digest(onnx).joinToString("") { "%02x".format(it) }
        val manifest = edit(
            File(folder, "manifest.json").readText().replace("\"version\": \"1.0.0\"", "\"version\": \"$version\"")
                .replace(Regex("\"model.onnx\": \"[0-9a-f]+\""), "\"model.onnx\": \"$hash\""),
        ).toByteArray()
        return SignedBundle(manifest, onnx, TrustedKeys.idOf(key.public.encoded), sign(manifest, key))
    }

    private fun sign(bytes: ByteArray, key: KeyPair): ByteArray = Signature.getInstance("SHA256withECDSA").run {
        initSign(key.private)
        update(bytes)
        sign()
    }

    /** The value of the metadata entry `reelsense.version`: of the same length, so nothing else moves. */
    private fun replace(onnx: ByteArray, from: String, to: String): ByteArray {
        require(from.length == to.length)
        val text = String(onnx, Charsets.ISO_8859_1)
        val at = text.indexOf(from, text.indexOf("reelsense.version"))
        return (text.substring(0, at) + to + text.substring(at + from.length)).toByteArray(Charsets.ISO_8859_1)
    }

    private fun store() = ModelStore(File(temporary.root, "models"), keys)

    private fun reelsense() = Reelsense.create(Model.load(modelBytes("reelsense-ue-socket")))

    private fun failure(bundle: SignedBundle): ReelsenseException =
        assertFailsWith { store().check(bundle) }

    @Test
    fun check_GoodBundle_OfEitherKey_Loads() {
        store().check(bundle()).model.close()
        store().check(bundle("1.0.1", next)).model.use { assertEquals("1.0.1", it.version) }
    }

    @Test
    fun check_WhatWasTamperedWith_IsRefusedByName() {
        val good = bundle()
        val stranger = keyPair()
        assertTrue("signed by" in failure(bundle(key = stranger)).message!!)
        val flipped = good.signature.copyOf().also { it[it.size - 1] = (it[it.size - 1] + 1).toByte() }
        assertTrue("signature" in failure(SignedBundle(good.manifest, good.onnx, good.keyId, flipped)).message!!)
        assertTrue("signature" in failure(SignedBundle(good.manifest, good.onnx, good.keyId, ByteArray(0))).message!!)
        val manifest = good.manifest.copyOf().also { it[40] = (it[40] + 1).toByte() }
        assertTrue("signature" in failure(SignedBundle(manifest, good.onnx, good.keyId, good.signature)).message!!)
        val onnx = good.onnx.copyOf().also { it[1000] = (it[1000] + 1).toByte() }
        assertTrue("SHA-256" in failure(SignedBundle(good.manifest, onnx, good.keyId, good.signature)).message!!)
    }

    @Test
    fun check_SignedButWrong_IsRefused() {
        assertEquals(Status.CORRUPT, failure(bundle { "{\"format\": 1}" }).status)
        assertEquals(Status.CORRUPT, failure(bundle { it.dropLast(20) }).status)
        assertTrue("version" in failure(bundle { it.replace("\"version\": \"1.0.0\"", "\"version\": \"one\"") }).message!!)
        val other = failure(bundle { it.replace("\"version\": \"1.0.0\"", "\"version\": \"2.0.0\"") })
        assertTrue("the manifest says otherwise" in other.message!!, other.message)
    }

    @Test
    fun keys_NotOfP256_AreRefused() {
        assertFailsWith<ReelsenseException> { TrustedKeys(ByteArray(10)) }
        assertTrue("P-256" in assertFailsWith<ReelsenseException> { TrustedKeys(keyPair("secp384r1").public.encoded) }.message!!)
        assertFailsWith<ReelsenseException> { TrustedKeys() }
    }

    @Test
    fun update_NewerModel_LabelsFromNowOnAndIsThereAfterARestart() {
        reelsense().use { reelsense ->
            val updater = ModelUpdater(reelsense, store(), null)
            assertEquals(Update.Installed("reelsense-ue-socket@1.0.1"), updater.update(bundle("1.0.1")))
            assertEquals(Update.NotNewer("reelsense-ue-socket@1.0.1"), updater.update(bundle("1.0.1")))
            assertEquals(Update.NotNewer("reelsense-ue-socket@1.0.1"), updater.update(bundle("1.0.0")))
        }
        val loaded = assertNotNull(store().load())
        loaded.model.use { assertEquals("1.0.1", it.version) }
    }

    @Test
    fun update_OfAnotherModelOrView_Fails() {
        reelsense().use { reelsense ->
            val updater = ModelUpdater(reelsense, store(), store().check(bundle()))
            val wrong = assertIs<Update.Failed>(updater.update(bundle("1.0.1") { it.replace("reelsense-ue-socket", "other") }))
            assertEquals(Status.MISMATCH, wrong.status)
        }
        Reelsense.create(Model.load(modelBytes("reelsense-ue"))).use { packets ->
            val wrong = assertIs<Update.Failed>(ModelUpdater(packets, store(), null).update(bundle("1.0.1")))
            assertTrue("view" in wrong.why, wrong.why)
        }
        assertNull(store().load())
    }

    @Test
    fun update_WithoutRoomToStore_LeavesTheOldModel() {
        File(temporary.root, "models").writeText("a file where the folder should be")
        reelsense().use { reelsense ->
            val failed = assertIs<Update.Failed>(ModelUpdater(reelsense, store(), null).update(bundle("1.0.1")))
            assertEquals(Status.LIMIT, failed.status)
            assertEquals(Status.OK, reelsense.onRead(reelsense.openFlow(), 10))
        }
    }

    @Test
    fun update_WhenTheClassifierIsClosed_RollsBack() {
        store().install(bundle("1.0.1"))
        store().confirm()
        val reelsense = reelsense()
        val updater = ModelUpdater(reelsense, store(), store().load())
        reelsense.close()
        assertEquals(Status.CLOSED, assertIs<Update.Failed>(updater.update(bundle("1.0.2"))).status)
        store().load()!!.model.use { assertEquals("1.0.1", it.version) }
    }

    @Test
    fun load_DamagedModel_GoesBackToTheOneBefore() {
        store().install(bundle("1.0.1"))
        store().install(bundle("1.0.2"))
        File(temporary.root, "models/present/model.onnx").appendBytes(ByteArray(1))
        store().load()!!.model.use { assertEquals("1.0.1", it.version) }
        File(temporary.root, "models/present/signature").delete()
        assertNull(store().load())
    }

    @Test
    fun load_ModelThatNeverLabelled_IsRolledBackAfterThreeStarts() {
        store().install(bundle("1.0.1"))
        store().confirm()
        store().install(bundle("1.0.2"))
        repeat(3) { store().load()!!.model.use { assertEquals("1.0.2", it.version) } }
        store().load()!!.model.use { assertEquals("1.0.1", it.version) }
        repeat(5) { store().load()!!.model.use { assertEquals("1.0.1", it.version) } }
    }

    @Test
    fun trial_EndsWithTheFirstLabelledWindow() {
        reelsense().use { reelsense ->
            ModelUpdater(reelsense, store(), null).update(bundle("1.0.1"))
            val starts = File(temporary.root, "models/present/starts")
            assertTrue(starts.exists())
            reelsense.onRead(reelsense.openFlow(), 1000)
            reelsense.finish()
            assertTrue(!starts.exists())
        }
    }

    @Test
    fun install_AfterADeathBetweenTwoRenames_FindsTheOldModel() {
        store().install(bundle("1.0.1"))
        val folder = File(temporary.root, "models")
        File(folder, "present").renameTo(File(folder, "former"))
        store().load()!!.model.use { assertEquals("1.0.1", it.version) }
    }

    @Test
    fun key_ThatWasDropped_RefusesWhatItSigned() {
        store().install(bundle("1.0.1", present))
        assertNull(ModelStore(File(temporary.root, "models"), TrustedKeys(next.public.encoded)).load())
    }

    @Test
    fun versions_Order() {
        val order = listOf("0.9.9", "1.0.0-rc1", "1.0.0", "1.0.1", "1.2.0", "1.10.0", "2.0.0")
        for (i in 1 until order.size) assertTrue(Manifest.compareVersions(order[i - 1], order[i]) < 0, order[i])
    }
}
