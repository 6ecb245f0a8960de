import Dispatch
import Foundation

/// Tells a classifier the time once a second while there is traffic, and sleeps otherwise.
///
/// Optional: an app that has a timer anyway calls ``Classifier/advance(to:)`` from it. The ticker stops by itself after
/// `quietSeconds` without packets, reads or writes, and goes on with the next one; the seconds in between are then closed
/// together. **Thread safety:** all methods from any thread.
public final class Ticker: @unchecked Sendable {  // all state is behind `lock`
  private let classifier: Classifier
  private let quietSeconds: Int
  private let queue = DispatchQueue(label: "reelsense.ticker", qos: .utility)
  private let lock = NSLock()
  private var timer: DispatchSourceTimer?
  private var quietFor = 0
  private var isStarted = false
  private var ticks: UInt64 = 0

  /// - Parameter quietSeconds: at least 1.
  public init(_ classifier: Classifier, quietSeconds: Int = 10) {
    self.classifier = classifier
    self.quietSeconds = max(1, quietSeconds)
  }

  deinit { timer?.cancel() }

  /// Begins to follow the clock. A classifier has one ticker; a later one takes its place.
  public func start() {
    lock.locked { isStarted = true }
    classifier.attach(self)
    wake()
  }

  public func stop() {
    classifier.attach(nil)
    lock.locked {
      isStarted = false
      pause()
    }
  }

  /// Times it woke the processor: for energy budgets.
  public var wakeUps: UInt64 { lock.locked { ticks } }
  /// It waits for traffic.
  public var isPaused: Bool { lock.locked { timer == nil } }

  /// There was traffic. Called under the classifier's lock, so it must not call the classifier.
  func wake() {
    lock.locked {
      quietFor = 0
      guard isStarted, timer == nil else { return }
      let timer = DispatchSource.makeTimerSource(queue: queue)
      // Just after the second has ended; the system may join the wake-up with others'.
      let intoSecond = EventTime.now % 1_000_000_000
      timer.schedule(
        deadline: .now() + .nanoseconds(Int(1_010_000_000 - intoSecond)), repeating: .seconds(1),
        leeway: .milliseconds(100))
      timer.setEventHandler { [weak self] in self?.tick() }
      self.timer = timer
      timer.resume()
    }
  }

  private func tick() {
    try? classifier.advance()  // fails only if the clock is set before 1970 or beyond 2200: nothing to label then
    lock.locked {
      ticks += 1
      quietFor += 1
      if quietFor > quietSeconds { pause() }
    }
  }

  private func pause() {
    timer?.cancel()
    timer = nil
  }
}
