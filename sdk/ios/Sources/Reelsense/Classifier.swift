import CReelsense
import Foundation

/// Labels traffic: packets or socket bytes go in, labels per flow and second, session labels and QoS decisions come out.
///
/// **Thread safety:** every method may be called from any thread; one lock lets them run one after the other. That is a
/// class with a lock and not an actor because its callers are synchronous: URLSession delegates, packet handlers, reads.
/// A call takes microseconds. Events come on the thread of the call that caused them, in order, while the lock is held:
/// a handler that calls back into the same classifier gets `busy` and changes nothing.
///
/// **No life of its own:** there is no timer, thread or file in it. Time comes with the calls; a ``Ticker`` can bring it.
public final class Classifier: @unchecked Sendable {  // all state is behind `lock`
  public struct Options: Sendable {
    /// Must be the view of the model.
    public var view: TrafficView
    /// 1 to 16,777,216; about 520 bytes each.
    public var maxFlows: Int
    /// A flow without packets ends after this; 1 s to 1 day. In the socket view its features begin anew instead, and its
    /// handle stays.
    public var idleTimeoutNs: Int64
    /// The same for a flow that is that old; 1 s to 7 days.
    public var activeTimeoutNs: Int64
    public var policy = QoSPolicy()

    /// The library's defaults: 256 flows, 120 s, one hour.
    public init(view: TrafficView) {
      var c = rs_options()
      rs_options_init(&c, MemoryLayout<rs_options>.size)
      self.view = view
      maxFlows = Int(c.max_flows)
      idleTimeoutNs = c.idle_timeout_ns
      activeTimeoutNs = c.active_timeout_ns
    }

    /// For a NEPacketTunnelProvider, which the system ends at 50 MB: 1,024 flows cost about 0.5 MB.
    public static var packetTunnel: Options {
      var options = Options(view: .packet)
      options.maxFlows = 1024
      return options
    }
  }

  public enum Event: Equatable, Sendable {
    /// A flow's second. All windows of a second come first, then its `second`.
    case window(FlowWindow)
    case second(SessionSecond)
    /// Comes when the flow ends.
    case flowEnded(FlowSummary)
  }

  public let options: Options
  private let lock = NSRecursiveLock()
  private let handle: OpaquePointer
  private let outlets: Outlets
  private weak var ticker: Ticker?

  /// - Parameter model: nil gives features without labels.
  /// - Throws: `mismatch` if the model's view is another one than the options', `invalidArgument` for a bound that is out
  ///   of range, `outOfMemory`.
  public init(model: TrafficModel?, options: Options) throws {
    try requireAbi()
    let outlets = Outlets(featureCount: options.view.featureCount)
    let policy = try options.policy.handle()
    defer { rs_policy_free(policy) }
    var c = rs_options()
    rs_options_init(&c, MemoryLayout<rs_options>.size)
    c.view = options.view.c
    c.max_flows = UInt32(clamping: options.maxFlows)
    c.idle_timeout_ns = options.idleTimeoutNs
    c.active_timeout_ns = options.activeTimeoutNs
    c.policy = policy
    c.user = Unmanaged.passUnretained(outlets).toOpaque()
    c.on_windows = Outlets.onWindows
    c.on_second = Outlets.onSecond
    c.on_flow_end = Outlets.onFlowEnd
    var made: OpaquePointer?
    try explained { rs_classifier_create(&made, model?.handle, &c, $0) }
    guard let made else { throw ReelsenseError(.unknown, "rs_classifier_create gave no classifier and no error") }
    handle = made
    self.options = options
    self.outlets = outlets
  }

  /// With the model's view and the library's defaults.
  public convenience init(model: TrafficModel) throws {
    try self.init(model: model, options: Options(view: model.info.view))
  }

  deinit {
    // Nobody else can hold the lock now. What is open is dropped without events; the streams end.
    for finish in outlets.takeFinishers() { finish() }
    rs_classifier_free(handle)
  }

  // MARK: - Time

  /// Event time has reached `nowNs`: closes the seconds before it, labels them, gives events. To be called once a second
  /// while there are flows, and not at all while the app sleeps. A time before the latest seen changes nothing.
  public func advance(to nowNs: Int64 = EventTime.now) throws {
    try requireTime(nowNs)
    try lock.locked { try check(rs_classifier_advance(handle, nowNs), "advancing to \(nowNs) ns") }
  }

  /// End of input: closes every window, ends every flow and every stream that was handed out. The classifier may be used
  /// again.
  public func finish() throws {
    let finishers = try lock.locked {
      try check(rs_classifier_finish(handle), "finishing")
      return outlets.takeFinishers()
    }
    for finish in finishers { finish() }
  }

  /// Swaps the model, of the same view, between two seconds: windows that are open are scored by the new one.
  public func setModel(_ model: TrafficModel) throws {
    try lock.locked {
      try check(
        rs_classifier_set_model(handle, model.handle),
        "\(model.info.name) \(model.info.version) of view \(model.info.view) for a classifier of view \(options.view)")
    }
  }

  // MARK: - Events

  /// Sets what is called for every event, before the call that caused it returns. Nil: nothing. It must be quick and
  /// must not call this classifier.
  public func setHandler(_ handler: (@Sendable (Event) -> Void)?) {
    lock.locked { outlets.handler = handler }
  }

  /// Events from now on. Ends with ``finish()`` or with the classifier.
  /// - Parameter limit: events that wait for a slow reader; beyond that the oldest is dropped, which
  ///   ``Counters/droppedEvents`` counts.
  public func events(limit: Int = 1024) -> AsyncStream<Event> { stream(limit: limit) { $0 } }

  /// Labels of flows, second by second.
  public func windows(limit: Int = 1024) -> AsyncStream<FlowWindow> {
    stream(limit: limit) { if case .window(let window) = $0 { window } else { nil } }
  }

  /// Session labels and QoS decisions, second by second.
  public func seconds(limit: Int = 256) -> AsyncStream<SessionSecond> {
    stream(limit: limit) { if case .second(let second) = $0 { second } else { nil } }
  }

  private func stream<Element: Sendable>(
    limit: Int, _ pick: @escaping @Sendable (Event) -> Element?
  ) -> AsyncStream<Element> {
    AsyncStream(bufferingPolicy: .bufferingNewest(max(1, limit))) { continuation in
      let key = lock.locked {
        outlets.add(
          deliver: { event in
            guard let element = pick(event) else { return false }
            if case .dropped = continuation.yield(element) { return true }
            return false
          },
          finish: { continuation.finish() })
      }
      continuation.onTermination = { [weak self] _ in
        guard let self else { return }
        self.lock.locked { self.outlets.remove(key) }
      }
    }
  }

  // MARK: - Packets

  /// Adds packets that begin with the bytes of a link layer, in the order they were captured. Those that hold no readable
  /// IP packet are counted in ``Counters/dropped``.
  public func add(_ frames: [Frame], link: LinkType = .raw) throws {
    try lock.locked {
      try Frame.inBatches(frames) { batch in
        try check(rs_add_frames(handle, link.rawValue, batch.baseAddress, batch.count), "adding \(batch.count) frames")
      }
      ticker?.wake()
    }
  }

  // MARK: - Connections

  /// A connection was opened. If the table is full, the flow that was quiet for longest is ended as `evicted`.
  /// - Throws: `mismatch` in the packet view.
  public func openFlow(at nowNs: Int64 = EventTime.now) throws -> Flow {
    try requireTime(nowNs)
    return try lock.locked {
      var id: UInt64 = 0
      try check(rs_flow_open(handle, &id, nowNs), "opening a flow in view \(options.view) at \(nowNs) ns")
      ticker?.wake()
      return Flow(id: id, classifier: self, openedNs: nowNs)
    }
  }

  func read(_ flow: UInt64, _ bytes: UInt64, _ nowNs: Int64) throws {
    try requireTime(nowNs)
    try lock.locked {
      try check(rs_flow_read(handle, flow, bytes, nowNs), "reading \(bytes) bytes of flow \(flow) at \(nowNs) ns")
      ticker?.wake()
    }
  }

  func write(_ flow: UInt64, _ bytes: UInt64, _ nowNs: Int64) throws {
    try requireTime(nowNs)
    try lock.locked {
      try check(rs_flow_write(handle, flow, bytes, nowNs), "writing \(bytes) bytes to flow \(flow) at \(nowNs) ns")
      ticker?.wake()
    }
  }

  func close(_ flow: UInt64, _ nowNs: Int64) throws {
    try requireTime(nowNs)
    try lock.locked { try check(rs_flow_close(handle, flow, nowNs), "closing flow \(flow) at \(nowNs) ns") }
  }

  func peek(_ flow: UInt64) throws -> Decision {
    try lock.locked {
      var decision = rs_decision()
      try check(rs_flow_peek(handle, &decision, flow), "looking at flow \(flow)")
      return Decision(decision)
    }
  }

  // MARK: - Counters

  public func counters() throws -> Counters {
    try lock.locked {
      var c = rs_counters()
      rs_counters_init(&c, MemoryLayout<rs_counters>.size)
      try check(rs_classifier_counters(&c, handle), "reading the counters")
      return Counters(c, droppedEvents: outlets.dropped)
    }
  }

  func attach(_ ticker: Ticker?) { lock.locked { self.ticker = ticker } }
}
