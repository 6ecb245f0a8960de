import Foundation
import Reelsense

/// Installs a model that came from the app's own server. Checked against declarations of Apple's API, not run.
func update(
  _ classifier: Classifier, shipped: TrafficModel, folder: URL, manifest: Data, signature: Data, model: Data,
  publicKey: String
) throws {
  let store = try ModelStore(folder, shipped: shipped, verifier: P256Verifier(publicKeyPEMs: [publicKey]))
  let newer = try store.install(.init(manifest: manifest, signature: signature, model: model))
  try classifier.setModel(newer)  // after a restart: store.current()
}
