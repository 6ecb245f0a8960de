import Foundation

/// An open connection of the socket view.
///
/// **Thread safety:** as ``Classifier``. A handle that is let go closes its flow at the time of its last call.
public final class Flow: @unchecked Sendable {  // `lastNs` and `isClosed` are behind `lock`
  /// Never 0 and never given twice by one classifier.
  public let id: UInt64
  public let classifier: Classifier
  private let lock = NSLock()
  private var lastNs: Int64
  private var isClosed = false

  init(id: UInt64, classifier: Classifier, openedNs: Int64) {
    self.id = id
    self.classifier = classifier
    lastNs = openedNs
  }

  deinit {
    // Inside an event handler this is refused as busy; the flow's idle timeout ends it then.
    if !isClosed { try? classifier.close(id, lastNs) }
  }

  /// The app read `bytes` bytes; 0 is nothing.
  /// - Throws: `closed`, `busy`, or `invalidArgument` for a negative number or a time outside 1970 to 2200.
  public func read(_ bytes: Int, at nowNs: Int64 = EventTime.now) throws {
    try classifier.read(id, count(bytes, "read"), nowNs)
    seen(nowNs)
  }

  /// The app wrote `bytes` bytes; 0 is nothing. Throws as ``read(_:at:)``.
  public func write(_ bytes: Int, at nowNs: Int64 = EventTime.now) throws {
    try classifier.write(id, count(bytes, "written"), nowNs)
    seen(nowNs)
  }

  /// What is known so far, without waiting for the second to end: the open window, labelled as if its second ended now;
  /// the latest window's label where none is open; uncertain before the first. For decisions before the body of a
  /// response is read.
  public func peek() throws -> Decision { try classifier.peek(id) }

  /// Labels the open window, then ends the flow. A second close throws `closed`.
  public func close(at nowNs: Int64 = EventTime.now) throws {
    try classifier.close(id, nowNs)
    lock.locked { isClosed = true }
  }

  private func count(_ bytes: Int, _ what: String) throws -> UInt64 {
    guard bytes >= 0 else {
      throw ReelsenseError(.invalidArgument, "flow \(id): \(bytes) bytes \(what): 0 or more are expected")
    }
    return UInt64(bytes)
  }

  private func seen(_ nowNs: Int64) { lock.locked { lastNs = max(lastNs, nowNs) } }
}
