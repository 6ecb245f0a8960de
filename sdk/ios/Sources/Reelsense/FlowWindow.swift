import CReelsense

/// One second of one flow that had packets, or reads and writes.
public struct FlowWindow: Equatable, Sendable {
  /// k: the window is [k, k + 1) s since the epoch.
  public let second: Int64
  /// Socket view: ``Flow/id``; packet view: number in the order of first packets, from 0.
  public let flow: UInt64
  public let bytesUp: UInt64
  public let bytesDown: UInt64
  /// Socket view: writes and reads.
  public let packetsUp: UInt32
  public let packetsDown: UInt32
  /// Without a model: probability 0.5, uncertain.
  public let decision: Decision
  /// The feature vector, float32, in the order of ``TrafficView/featureNames``.
  public let features: [Float]
  /// Bytes in 20 × 50 ms down, then 20 × 50 ms up.
  public let bins: [UInt32]
  /// Nil in the socket view, which sees no addresses.
  public let tuple: FiveTuple?
  /// Differentiated services code point that the flow may be given from this second on. Never NQB.
  public let dscp: UInt8
  public let dscpReason: Reason

  public var label: Decision.Label { decision.label }

  init(_ c: rs_window, featureCount: Int) {
    second = c.second
    flow = c.flow
    bytesUp = c.bytes_up
    bytesDown = c.bytes_down
    packetsUp = c.packets_up
    packetsDown = c.packets_down
    decision = Decision(c.decision)
    features = Array(UnsafeBufferPointer(start: c.features, count: c.features == nil ? 0 : featureCount))
    bins = Array(UnsafeBufferPointer(start: c.bins, count: c.bins == nil ? 0 : Int(RS_BINS)))
    tuple = FiveTuple(c.tuple)
    dscp = c.dscp
    dscpReason = Reason(rawValue: c.dscp_reason) ?? .standard
  }

  /// The window as the C ABI has it, without the five-tuple; valid inside `body`.
  func withC<Result>(_ body: (UnsafePointer<rs_window>) throws -> Result) rethrows -> Result {
    try features.withUnsafeBufferPointer { features in
      try bins.withUnsafeBufferPointer { bins in
        var c = rs_window()
        c.second = second
        c.flow = flow
        c.bytes_up = bytesUp
        c.bytes_down = bytesDown
        c.packets_up = packetsUp
        c.packets_down = packetsDown
        c.decision = decision.c
        c.features = features.baseAddress
        c.bins = bins.baseAddress
        c.dscp = dscp
        c.dscp_reason = dscpReason.rawValue
        return try body(&c)
      }
    }
  }
}

/// A second of the whole session: all flows of a classifier together, idle seconds too.
public struct SessionSecond: Equatable, Sendable {
  public let second: Int64
  /// Is video being watched? Also through idle seconds between prefetch bursts.
  public let session: Decision
  public let qos: QoS
  public let bytesUp: UInt64
  public let bytesDown: UInt64
  /// Flows with packets in this second.
  public let windows: Int
  public let liveFlows: Int

  init(_ c: rs_second) {
    second = c.second
    session = Decision(c.session)
    qos = QoS(c.qos)
    bytesUp = c.bytes_up
    bytesDown = c.bytes_down
    windows = Int(c.windows)
    liveFlows = Int(c.live_flows)
  }
}

/// What a flow was, when it has ended.
public struct FlowSummary: Equatable, Sendable {
  public enum End: UInt32, Sendable, CaseIterable, CustomStringConvertible {
    /// Packet view: RST, or FIN from both sides; socket view: closed.
    case finished = 0
    case idle = 1
    case active = 2
    case reopened = 3
    /// The table was full.
    case evicted = 4
    /// The clock was set anew.
    case timeStep = 5
    /// ``Classifier/finish()``.
    case end = 6

    public var description: String {
      switch self {
      case .finished: "finished"
      case .idle: "idle"
      case .active: "active"
      case .reopened: "reopened"
      case .evicted: "evicted"
      case .timeStep: "time_step"
      case .end: "end"
      }
    }
  }

  public let flow: UInt64
  public let firstNs: Int64
  public let lastNs: Int64
  public let packetsUp: UInt64
  public let packetsDown: UInt64
  public let bytesUp: UInt64
  public let bytesDown: UInt64
  /// Seconds that were labelled, seconds without packets, and labelled ones that were video.
  public let windows: Int
  public let idleWindows: Int
  public let videoWindows: Int
  public let reason: End
  public let tuple: FiveTuple?

  init(_ c: rs_flow_summary) {
    flow = c.flow
    firstNs = c.first_ns
    lastNs = c.last_ns
    packetsUp = c.packets_up
    packetsDown = c.packets_down
    bytesUp = c.bytes_up
    bytesDown = c.bytes_down
    windows = Int(c.windows)
    idleWindows = Int(c.idle_windows)
    videoWindows = Int(c.video_windows)
    reason = End(rawValue: c.reason) ?? .end
    tuple = FiveTuple(c.tuple)
  }
}
