import XCTest

@testable import Reelsense

/// Real keys and signatures, made and checked by the `openssl` command: there is no CryptoKit on Linux.
final class ModelStoreTests: XCTestCase {
  private let scratch = Scratch()

  private struct OpenSSL: SignatureVerifier {
    let publicKey: URL

    func isValid(signature: Data, for data: Data) throws -> Bool {
      let scratch = Scratch()
      try signature.write(to: scratch.file("signature"))
      try data.write(to: scratch.file("data"))
      return try OpenSSL.run(
        "dgst", "-sha256", "-verify", publicKey.path, "-signature", scratch.file("signature").path,
        scratch.file("data").path) == 0
    }

    @discardableResult
    static func run(_ arguments: String...) throws -> Int32 {
      let process = Process()
      process.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
      process.arguments = arguments
      process.standardOutput = FileHandle.nullDevice
      process.standardError = FileHandle.nullDevice
      try process.run()
      process.waitUntilExit()
      return process.terminationStatus
    }
  }

  private func makeKey(_ name: String) throws -> URL {
    let key = scratch.file("\(name).pem")
    XCTAssertEqual(try OpenSSL.run("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key.path), 0)
    XCTAssertEqual(try OpenSSL.run("ec", "-in", key.path, "-pubout", "-out", scratch.file("\(name).pub").path), 0)
    return key
  }

  private func sign(_ data: Data, with key: URL) throws -> Data {
    try data.write(to: scratch.file("to-sign"))
    XCTAssertEqual(
      try OpenSSL.run(
        "dgst", "-sha256", "-sign", key.path, "-out", scratch.file("signed").path, scratch.file("to-sign").path), 0)
    return try Data(contentsOf: scratch.file("signed"))
  }

  /// The released socket model under a higher version: its bytes hold "1.0.0" once, which gives another of equal length.
  private func update(
    version: String = "1.0.1", key: URL, change: (inout [String: Any]) -> Void = { _ in }
  ) throws -> ModelStore.Update {
    let folder = modelFile("reelsense-ue-socket").deletingLastPathComponent()
    var model = try Data(contentsOf: folder.appendingPathComponent("model.onnx"))
    let old = Data("1.0.0".utf8)
    var at = model.range(of: old)
    XCTAssertNotNil(at, "the model names its version")
    while let range = at {
      model.replaceSubrange(range, with: Data(version.utf8))
      at = model.range(of: old)
    }
    let text = try Data(contentsOf: folder.appendingPathComponent("manifest.json"))
    var manifest = try XCTUnwrap(JSONSerialization.jsonObject(with: text) as? [String: Any])
    manifest["version"] = version
    var files = try XCTUnwrap(manifest["files"] as? [String: Any])
    files["model.onnx"] = sha256(model)
    manifest["files"] = files
    change(&manifest)
    let data = try JSONSerialization.data(withJSONObject: manifest)
    return ModelStore.Update(manifest: data, signature: try sign(data, with: key), model: model)
  }

  private func store(_ name: String = "models") throws -> ModelStore {
    try ModelStore(
      scratch.file(name), shipped: Released.socket, verifier: OpenSSL(publicKey: scratch.file("publisher.pub")))
  }

  func testInstall_SignedUpdate_IsUsedAndKept() throws {
    let key = try makeKey("publisher")
    let store = try store()
    XCTAssertEqual(store.current().info.version, "1.0.0")
    let model = try store.install(try update(key: key))
    XCTAssertEqual(model.info.version, "1.0.1")
    let classifier = try Classifier(model: Released.socket)
    try classifier.setModel(model)
    XCTAssertEqual(try self.store().current().info.version, "1.0.1", "after a restart")
    _ = try store.install(try update(version: "1.2.0", key: key))
    XCTAssertEqual(try FileManager.default.contentsOfDirectory(atPath: scratch.file("models").path), ["1.2.0"])
  }

  func testInstall_AnotherKeysSignature_IsRefused() throws {
    _ = try makeKey("publisher")
    let stranger = try makeKey("stranger")
    let store = try store()
    expectError(.signature, "manifest.json") { try store.install(try self.update(key: stranger)) }
    XCTAssertEqual(store.current().info.version, "1.0.0")
    XCTAssertEqual(try FileManager.default.contentsOfDirectory(atPath: scratch.file("models").path), [])
  }

  func testInstall_ChangedAfterSigning_IsRefused() throws {
    let key = try makeKey("publisher")
    let store = try store()
    let good = try update(key: key)
    let manifest = good.manifest + Data(" ".utf8)
    expectError(.signature) {
      try store.install(.init(manifest: manifest, signature: good.signature, model: good.model))
    }
    var model = good.model
    model[model.count / 2] ^= 1
    expectError(.mismatch, "SHA-256") {
      try store.install(.init(manifest: good.manifest, signature: good.signature, model: model))
    }
    expectError(.signature) { try store.install(.init(manifest: good.manifest, signature: Data(), model: good.model)) }
    XCTAssertEqual(store.current().info.version, "1.0.0")
  }

  func testInstall_WrongContent_SaysWhat() throws {
    let key = try makeKey("publisher")
    let store = try store()
    expectError(.mismatch, "a version higher than 1.0.0") {
      try store.install(try self.update(version: "0.9.9", key: key))
    }
    expectError(.mismatch, "reelsense-other") {
      try store.install(try self.update(key: key) { $0["name"] = "reelsense-other" })
    }
    expectError(.mismatch, "packet") { try store.install(try self.update(key: key) { $0["view"] = "packet" }) }
    expectError(.unsupported, "format 1") { try store.install(try self.update(key: key) { $0["format"] = 2 }) }
    expectError(.corrupt, "files") { try store.install(try self.update(key: key) { $0["files"] = nil }) }
    expectError(.mismatch, "calls itself") { try store.install(try self.update(key: key) { $0["version"] = "3.0.0" }) }
  }

  func testInstall_Older_DoesNotComeBack() throws {
    let key = try makeKey("publisher")
    let store = try store()
    _ = try store.install(try update(version: "1.5.0", key: key))
    expectError(.mismatch, "a version higher than 1.5.0") {
      try store.install(try self.update(version: "1.4.9", key: key))
    }
    expectError(.mismatch) { try store.install(try self.update(version: "1.5.0", key: key)) }
  }

  func testCurrent_InstalledIsDamaged_GivesTheShippedOne() throws {
    let key = try makeKey("publisher")
    _ = try store().install(try update(key: key))
    let file = scratch.file("models/1.0.1/model.onnx")
    var bytes = try Data(contentsOf: file)
    bytes[100] ^= 1
    try bytes.write(to: file)
    XCTAssertEqual(try store().current().info.version, "1.0.0")
    _ = try store().install(try update(key: key))
    XCTAssertEqual(try store().current().info.version, "1.0.1", "the same version repairs it")
  }

  func testStore_NoPlace_IsAStorageError() throws {
    expectError(.storage, "/dev/null/models") {
      try ModelStore(
        URL(fileURLWithPath: "/dev/null/models"), shipped: Released.socket,
        verifier: OpenSSL(publicKey: self.scratch.file("publisher.pub")))
    }
  }

  func testVersions_Compared_AsNumbers() {
    XCTAssertTrue(ModelStore.isHigher("1.10.0", than: "1.9.9"))
    XCTAssertTrue(ModelStore.isHigher("1.0.0", than: "1.0.0-rc.1"))
    XCTAssertFalse(ModelStore.isHigher("1.0.0", than: "1.0.0"))
    for odd in ["", "1.0", "1.0.0.0", "1.0.x", "-1.0.0", "+1.0.0", "1.0.0-", "1.0.0-a/b", "../1.0.0"] {
      XCTAssertNil(ModelStore.parts(odd), odd)
    }
  }

  func testSHA256_KnownMessages_KnownDigests() {
    // FIPS 180-4's examples, and lengths around a block.
    XCTAssertEqual(sha256(Data()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    XCTAssertEqual(sha256(Data("abc".utf8)), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    XCTAssertEqual(
      sha256(Data("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".utf8)),
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")
    let ofLength = [
      55: "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318",
      56: "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a",
      64: "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb",
      65: "635361c48bb9eab14198e76ea8ab7f1a41685d6ad62aa9146d301d4f17eb0ae0",
      100_000: "6d1cf22d7cc09b085dfc25ee1a1f3ae0265804c607bc2074ad253bcc82fd81ee",
    ]
    for (length, digest) in ofLength {
      XCTAssertEqual(sha256(Data(repeating: 0x61, count: length)), digest, "\(length)")
    }
  }
}
