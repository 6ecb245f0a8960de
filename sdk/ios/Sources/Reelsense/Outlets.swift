import CReelsense

/// Where a classifier's callbacks go: one handler and any number of streams.
///
/// Thread safety: none of its own; its classifier's lock is held whenever it is used.
final class Outlets {
  typealias Handler = @Sendable (Classifier.Event) -> Void

  var handler: Handler?
  private(set) var dropped: UInt64 = 0
  private var streams: [Int: (Classifier.Event) -> Bool] = [:]
  private var finishers: [Int: () -> Void] = [:]
  private var nextKey = 0
  let featureCount: Int

  init(featureCount: Int) { self.featureCount = featureCount }

  /// - Parameters:
  ///   - deliver: gives an event to a stream; true if the stream had to drop one.
  /// - Returns: the key to remove it by.
  func add(deliver: @escaping (Classifier.Event) -> Bool, finish: @escaping () -> Void) -> Int {
    nextKey += 1
    streams[nextKey] = deliver
    finishers[nextKey] = finish
    return nextKey
  }

  func remove(_ key: Int) {
    streams[key] = nil
    finishers[key] = nil
  }

  /// Takes all streams out. The caller ends them after it let the lock go: ending one may run code of the app.
  func takeFinishers() -> [() -> Void] {
    defer {
      streams = [:]
      finishers = [:]
    }
    return Array(finishers.values)
  }

  private var anyoneListens: Bool { handler != nil || !streams.isEmpty }

  private func deliver(_ event: Classifier.Event) {
    for stream in streams.values where stream(event) { dropped += 1 }
    handler?(event)
  }

  // The C ABI's callbacks, which run inside the calls of Classifier.

  static let onWindows: @convention(c) (UnsafeMutableRawPointer?, UnsafePointer<rs_window>?, Int) -> Void = {
    user, windows, n in
    guard let outlets = Outlets.from(user), outlets.anyoneListens else { return }
    for window in UnsafeBufferPointer(start: windows, count: n) {
      outlets.deliver(.window(FlowWindow(window, featureCount: outlets.featureCount)))
    }
  }

  static let onSecond: @convention(c) (UnsafeMutableRawPointer?, UnsafePointer<rs_second>?) -> Void = { user, second in
    guard let outlets = Outlets.from(user), outlets.anyoneListens, let second else { return }
    outlets.deliver(.second(SessionSecond(second.pointee)))
  }

  static let onFlowEnd: @convention(c) (UnsafeMutableRawPointer?, UnsafePointer<rs_flow_summary>?) -> Void = {
    user, flow in
    guard let outlets = Outlets.from(user), outlets.anyoneListens, let flow else { return }
    outlets.deliver(.flowEnded(FlowSummary(flow.pointee)))
  }

  private static func from(_ user: UnsafeMutableRawPointer?) -> Outlets? {
    user.map { Unmanaged<Outlets>.fromOpaque($0).takeUnretainedValue() }
  }
}
