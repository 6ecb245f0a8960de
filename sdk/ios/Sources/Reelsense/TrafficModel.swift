import CReelsense
import Foundation

/// A model of the device tier, read from the bytes of a bundle's `model.onnx`.
///
/// Immutable: any number of threads and classifiers may use it at once, and a classifier keeps it alive.
public final class TrafficModel: @unchecked Sendable {  // the handle is never changed, and rs_model is immutable
  public struct Info: Equatable, Sendable {
    /// "reelsense-ue-socket"
    public let name: String
    /// "1.0.0"
    public let version: String
    public let view: TrafficView
    /// Features that the model uses.
    public let inputs: Int
    /// Video if the probability is at least this.
    public let threshold: Float
    /// Uncertain if the probability lies strictly between these.
    public let uncertainLow: Float
    public let uncertainHigh: Float
    /// What scores it on this machine: "neon", "avx2", "portable", …
    public let kernel: String
  }

  public let info: Info
  let handle: OpaquePointer

  /// - Throws: `corrupt`, `unsupported`, `limit` (over 16 MiB) or `mismatch` (trained on another feature table).
  public init(data: Data) throws {
    try requireAbi()
    var made: OpaquePointer?
    try explained { error in
      data.withUnsafeBytes { rs_model_load(&made, $0.baseAddress, $0.count, error) }
    }
    guard let made else { throw ReelsenseError(.unknown, "rs_model_load gave no model and no error") }
    handle = made
    do {
      info = try Info(of: made)
    } catch {
      rs_model_free(made)
      throw error
    }
  }

  /// Reads `model.onnx` of a bundle, for instance from `Bundle.main.url(forResource: "model", withExtension: "onnx")`.
  public convenience init(contentsOf url: URL) throws {
    let data: Data
    do {
      data = try Data(contentsOf: url)
    } catch {
      throw ReelsenseError(.storage, "\(url.path): a model file is expected: \(error.localizedDescription)")
    }
    try self.init(data: data)
  }

  deinit { rs_model_free(handle) }

  /// Labels full feature vectors.
  /// - Parameter rows: row-major [n, `info.view.featureCount`], float32.
  /// - Returns: n decisions in the order of the rows.
  public func classify(_ rows: [Float]) throws -> [Decision] {
    let width = info.view.featureCount
    guard rows.count % width == 0 else {
      throw ReelsenseError(
        .invalidArgument,
        "rows holds \(rows.count) values: a multiple of \(width), the features of view \(info.view), is expected")
    }
    let n = rows.count / width
    var decisions = [rs_decision](repeating: rs_decision(), count: n)
    if n > 0 { try check(rs_model_classify(handle, &decisions, rows, n), "classifying \(n) rows") }
    return decisions.map(Decision.init)
  }
}

extension TrafficModel.Info {
  fileprivate init(of model: OpaquePointer) throws {
    var c = rs_model_info()
    rs_model_info_init(&c, MemoryLayout<rs_model_info>.size)
    try check(rs_model_describe(&c, model), "describing a model")
    guard let view = TrafficView(rawValue: c.view.rawValue) else {
      throw ReelsenseError(.unsupported, "the model's view \(c.view.rawValue) is not known to this version")
    }
    self.view = view
    name = String(cString: c.name)
    version = String(cString: c.version)
    inputs = Int(c.inputs)
    threshold = c.threshold
    uncertainLow = c.uncertain_low
    uncertainHigh = c.uncertain_high
    kernel = String(cString: c.kernel)
  }
}

/// The package and a separately built library (an XCFramework) may be of different versions.
func requireAbi() throws {
  let found = rs_abi_version()
  guard found == RS_ABI_VERSION else {
    throw ReelsenseError(
      .mismatch, "the linked library has ABI version \(found), this package expects \(RS_ABI_VERSION)")
  }
}

/// Version of the library, "0.4.0".
public let reelsenseVersion = String(cString: rs_version())
