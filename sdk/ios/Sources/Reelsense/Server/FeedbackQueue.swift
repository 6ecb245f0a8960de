import CReelsense
import Foundation

/// Anonymised windows on their way to retraining, kept in a file until a server has them.
///
/// A record holds quantised features, the label given and, if the app knows it, the truth behind randomised response: no
/// address, name, flow or time (`docs/explanation/privacy.md`). What was added is there after a crash or a restart.
/// Nothing is collected unless an app makes a queue, which it does when its user agreed; ``erase()`` when the user no
/// longer does.
///
/// **Thread safety:** all methods from any thread. **On iOS** keep the file in the app's own container: a process that is
/// suspended while it holds a lock on a file of a group container is ended by the system.
public final class FeedbackQueue: @unchecked Sendable {  // all state is behind `lock`
  /// What a window really was. An app knows it: it plays the reels.
  public enum Truth: UInt32, Sendable {
    case unknown = 0
    case nonVideo = 1
    case video = 2
  }

  public struct Options: Sendable {
    /// Share of the windows that is kept, 0 to 1.
    public var sample: Double
    /// ε of the truth's randomised response, 0.1 to 10: lower says less.
    public var epsilon: Double
    /// Records that the file has room for, 1 to 1,000,000. A file that is there keeps its size.
    public var records = 2000

    /// The library's defaults: one window in a hundred, ε = 1.
    public init() {
      var c = rs_feedback_options()
      rs_feedback_options_init(&c, MemoryLayout<rs_feedback_options>.size)
      sample = c.sample
      epsilon = c.epsilon
    }
  }

  /// The oldest records, as a server takes them.
  public struct Batch: Sendable {
    /// The body of `POST /v1/observations`.
    public let json: Data
    public let records: Int
  }

  private let lock = NSLock()
  private let file: MappedFile
  private let handle: OpaquePointer
  private let view: TrafficView

  /// Opens the file, or makes it.
  /// - Parameter model: names the features, and is remembered in each record.
  /// - Throws: `storage` (no place, no permission), `busy` (open elsewhere), `corrupt` (the file is something else; it is
  ///   left alone), `invalidArgument` (options).
  public init(_ url: URL, model: TrafficModel, options: Options = Options()) throws {
    try requireAbi()
    let bytes = rs_feedback_memory(UInt32(clamping: options.records))
    guard bytes > 0 else {
      throw ReelsenseError(.invalidArgument, "records is \(options.records): 1 to 1000000 are expected")
    }
    file = try MappedFile(url, newFileBytes: bytes)
    var c = rs_feedback_options()
    rs_feedback_options_init(&c, MemoryLayout<rs_feedback_options>.size)
    c.sample = options.sample
    c.epsilon = options.epsilon
    var made: OpaquePointer?
    do {
      try explained { [file] in rs_feedback_open(&made, file.memory, file.bytes, model.handle, &c, $0) }
    } catch let error as ReelsenseError {
      throw ReelsenseError(error.code, "\(url.path): \(error.message)")
    }
    guard let made else { throw ReelsenseError(.unknown, "rs_feedback_open gave no queue and no error") }
    handle = made
    view = model.info.view
  }

  deinit { rs_feedback_free(handle) }

  /// Adds a window, if the sample takes it.
  /// - Returns: true if it was kept.
  /// - Throws: `mismatch` for a window of another view than the model's; `limit` if the queue is full: the window is left
  ///   out, which ``lost`` counts.
  @discardableResult
  public func add(_ window: FlowWindow, truth: Truth = .unknown) throws -> Bool {
    guard window.features.count == view.featureCount else {
      throw ReelsenseError(
        .mismatch,
        "a window of \(window.features.count) features: \(view.featureCount), those of view \(view), are expected")
    }
    var generator = SystemRandomNumberGenerator()
    let random = [generator.next(), generator.next()]
    var kept: Int32 = 0
    try lock.locked {
      let status = window.withC { window in
        random.withUnsafeBytes { random in
          rs_feedback_add(
            handle, &kept, window, rs_truth(truth.rawValue), random.bindMemory(to: UInt8.self).baseAddress)
        }
      }
      try check(status, "adding a window to the feedback queue")
    }
    return kept != 0
  }

  /// Records that wait.
  public var count: Int { lock.locked { Int(rs_feedback_count(handle)) } }
  /// Records that were left out since the file was made, because it was full or damaged.
  public var lost: UInt64 { lock.locked { rs_feedback_lost(handle) } }

  /// The oldest records, at most `maxRecords` of them; nil if none waits. They stay until ``discard(_:)``.
  public func peek(maxRecords: Int = 500) throws -> Batch? {
    try lock.locked {
      guard rs_feedback_count(handle) > 0 else { return nil }
      let most = max(1, min(maxRecords, Int(rs_feedback_count(handle))))
      var json = [CChar](repeating: 0, count: 4096 + 1024 * (most - 1))
      var written = 0
      var records: UInt32 = 0
      try check(
        rs_feedback_peek(handle, &json, json.count, &written, &records, UInt32(most)),
        "writing the oldest \(most) feedback records")
      return Batch(json: Data(json.prefix(written).map { UInt8(bitPattern: $0) }), records: Int(records))
    }
  }

  /// A server has the oldest `records`: forgets them.
  public func discard(_ records: Int) throws {
    try lock.locked {
      try check(
        rs_feedback_discard(handle, UInt32(clamping: records)), "forgetting the oldest \(records) feedback records")
    }
  }

  /// Forgets all: the user no longer agrees.
  public func erase() throws {
    try lock.locked {
      try check(rs_feedback_discard(handle, rs_feedback_count(handle)), "forgetting all feedback records")
      file.flush()
    }
  }

  /// Brings the records to the disk now; they outlive a crash of the process without it, but not a loss of power.
  public func flush() { lock.locked { file.flush() } }
}
