import Foundation

/// Model bundles that came after the app: checks them, keeps the newest good one, gives it back after a restart.
///
/// An update is three files: `manifest.json`; `manifest.json.sig`, its signature; and `model.onnx`, whose SHA-256 the
/// manifest holds. It is installed only if the signature is of the publisher's key, the digest agrees, the name is that of
/// the model in use, the version is higher (no one can bring an old model back), and the library loads the model. Nothing
/// half-written is ever seen: the folder of a version appears at once, and is complete.
///
/// **Thread safety:** all methods from any thread; one process at a time.
public final class ModelStore: @unchecked Sendable {  // what is on the disk is changed behind `lock`
  /// An update as it came from the network or a push.
  public struct Update: Sendable {
    public let manifest: Data
    public let signature: Data
    public let model: Data

    public init(manifest: Data, signature: Data, model: Data) {
      self.manifest = manifest
      self.signature = signature
      self.model = model
    }
  }

  private struct Manifest: Decodable {
    let format: Int
    let name: String
    let version: String
    let tier: String
    let view: String
    let files: [String: String]
  }

  private let folder: URL
  private let name: String
  private let shipped: TrafficModel
  private let verifier: any SignatureVerifier
  private let lock = NSLock()

  /// - Parameters:
  ///   - folder: for the store alone, for instance in Application Support; made if it is not there.
  ///   - shipped: the model inside the app: what is used until there is a newer one, and if the newer one is damaged.
  public init(_ folder: URL, shipped: TrafficModel, verifier: any SignatureVerifier) throws {
    self.folder = folder
    self.shipped = shipped
    self.verifier = verifier
    name = shipped.info.name
    do {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    } catch {
      throw ReelsenseError(
        .storage, "\(folder.path): a folder for models cannot be made: \(error.localizedDescription)")
    }
  }

  /// The newest good model: an installed one whose signature and digest still hold, or the shipped one.
  public func current() -> TrafficModel { lock.locked { newest() } }

  /// Checks an update and keeps it.
  /// - Returns: the model, to be given to ``Classifier/setModel(_:)``.
  /// - Throws: `signature`, `corrupt` (manifest), `mismatch` (digest, name, view, version not higher), `storage`, and what
  ///   ``TrafficModel/init(data:)`` throws. What was installed before stays.
  public func install(_ update: Update) throws -> TrafficModel {
    try lock.locked {
      let model = try verified(update)
      let present = newest().info.version
      guard Self.isHigher(model.info.version, than: present) else {
        throw ReelsenseError(
          .mismatch, "\(name) \(model.info.version): a version higher than \(present), the one in use, is expected")
      }
      try write(update, version: model.info.version)
      removeAll(but: model.info.version)
      return model
    }
  }

  private func newest() -> TrafficModel {
    var best = shipped
    for version in versions() where Self.isHigher(version, than: best.info.version) {
      if let update = try? read(version), let model = try? verified(update) { best = model }
    }
    return best
  }

  private func verified(_ update: Update) throws -> TrafficModel {
    guard try verifier.isValid(signature: update.signature, for: update.manifest) else {
      throw ReelsenseError(
        .signature, "manifest.json.sig: a signature of manifest.json by the publisher's key is expected")
    }
    let manifest: Manifest
    do {
      manifest = try JSONDecoder().decode(Manifest.self, from: update.manifest)
    } catch {
      throw ReelsenseError(.corrupt, "manifest.json: format, name, version, tier, view, files are expected: \(error)")
    }
    guard manifest.format == 1 else {
      throw ReelsenseError(.unsupported, "manifest.json: format 1 is expected, not \(manifest.format)")
    }
    guard manifest.name == name, manifest.view == shipped.info.view.description, manifest.tier == "ue" else {
      throw ReelsenseError(
        .mismatch,
        "manifest.json: \(name) of view \(shipped.info.view) and tier ue is expected, not \(manifest.name) "
          + "of view \(manifest.view) and tier \(manifest.tier)")
    }
    let digest = sha256(update.model)
    guard let expected = manifest.files["model.onnx"], expected == digest else {
      throw ReelsenseError(
        .mismatch, "model.onnx: SHA-256 \(manifest.files["model.onnx"] ?? "(none)") is expected, found \(digest)")
    }
    let model = try TrafficModel(data: update.model)
    guard model.info.name == manifest.name, model.info.version == manifest.version else {
      throw ReelsenseError(
        .mismatch,
        "model.onnx calls itself \(model.info.name) \(model.info.version), its manifest \(manifest.name) "
          + manifest.version)
    }
    return model
  }

  // MARK: - On the disk: folder/<version>/{manifest.json, manifest.json.sig, model.onnx}

  private func versions() -> [String] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    return names.filter { Self.parts($0) != nil }.sorted { Self.isHigher($1, than: $0) }
  }

  private func read(_ version: String) throws -> Update {
    let at = folder.appendingPathComponent(version)
    return Update(
      manifest: try Data(contentsOf: at.appendingPathComponent("manifest.json")),
      signature: try Data(contentsOf: at.appendingPathComponent("manifest.json.sig")),
      model: try Data(contentsOf: at.appendingPathComponent("model.onnx")))
  }

  private func write(_ update: Update, version: String) throws {
    let files = FileManager.default
    let made = folder.appendingPathComponent("new-\(UUID().uuidString)")
    let target = folder.appendingPathComponent(version)
    do {
      try files.createDirectory(at: made, withIntermediateDirectories: false)
      try update.manifest.write(to: made.appendingPathComponent("manifest.json"))
      try update.signature.write(to: made.appendingPathComponent("manifest.json.sig"))
      try update.model.write(to: made.appendingPathComponent("model.onnx"))
      try? files.removeItem(at: target)  // a damaged one of the same version
      try files.moveItem(at: made, to: target)
    } catch {
      try? files.removeItem(at: made)
      throw ReelsenseError(.storage, "\(target.path): the model cannot be stored: \(error.localizedDescription)")
    }
  }

  private func removeAll(but version: String) {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    for name in names where name != version && (Self.parts(name) != nil || name.hasPrefix("new-")) {
      try? FileManager.default.removeItem(at: folder.appendingPathComponent(name))
    }
  }

  /// "1.10.0" → [1, 10, 0, 1], "1.10.0-rc" → [1, 10, 0, 0], which comes before it; nil for anything else.
  static func parts(_ version: String) -> [Int]? {
    let halves = version.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
    let fields = halves[0].split(separator: ".", omittingEmptySubsequences: false)
    let numbers = fields.compactMap { $0.utf8.allSatisfy { (48...57).contains($0) } ? Int($0) : nil }
    let isPlain = halves.dropFirst().allSatisfy { suffix in
      !suffix.isEmpty
        && suffix.unicodeScalars.allSatisfy {
          $0.isASCII && ($0.properties.isAlphabetic || "0123456789-.".unicodeScalars.contains($0))
        }
    }
    return numbers.count == 3 && fields.count == 3 && isPlain ? numbers + [halves.count == 1 ? 1 : 0] : nil
  }

  static func isHigher(_ version: String, than other: String) -> Bool {
    guard let a = parts(version), let b = parts(other) else { return false }
    return b.lexicographicallyPrecedes(a)
  }
}
