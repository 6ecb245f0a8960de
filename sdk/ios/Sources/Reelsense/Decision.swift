import CReelsense

/// What the traffic of one second is, and how sure that is.
public struct Decision: Equatable, Sendable {
  public enum Label: UInt8, Sendable, CaseIterable, CustomStringConvertible {
    case nonVideo = 0
    /// Streamed video for playback: reels, shorts, stories, long-form, live.
    case video = 1

    public var description: String { self == .video ? "video" : "non-video" }
  }

  /// Calibrated probability of video, 0 to 1.
  public let probability: Float
  /// Calibrated confidence of the label, 0.5 to 1.
  public let confidence: Float
  public let label: Label
  /// The model is not sure: not to be acted on alone. An ``Escalator`` may ask the server.
  public let isUncertain: Bool

  public init(probability: Float, confidence: Float, label: Label, isUncertain: Bool) {
    self.probability = probability
    self.confidence = confidence
    self.label = label
    self.isUncertain = isUncertain
  }

  init(_ c: rs_decision) {
    self.init(
      probability: c.probability, confidence: c.confidence, label: Label(rawValue: c.label) ?? .nonVideo,
      isUncertain: c.uncertain != 0)
  }

  var c: rs_decision {
    var c = rs_decision()
    c.probability = probability
    c.confidence = confidence
    c.label = label.rawValue
    c.uncertain = isUncertain ? 1 : 0
    return c
  }
}

/// Why a decision of the QoS policy is as it is.
public enum Reason: UInt8, Sendable, CaseIterable, CustomStringConvertible {
  /// Nothing known yet: what an app does without Reelsense.
  case standard = 0
  /// Video, and the path keeps up.
  case video = 1
  /// Video, and the path does not keep up.
  case congested = 2
  /// Other traffic.
  case nonVideo = 3
  /// Not sure: safe values.
  case uncertain = 4
  /// Not sure since a moment: the last sure decision is held.
  case hold = 5
  /// Silence between bursts: the last decision stays.
  case idle = 6
  /// A long transfer that is not video: it may stand back.
  case bulk = 7

  /// The C ABI's name: "default", "video", …
  public var description: String { String(cString: rs_reason_name(rs_reason(UInt32(rawValue)))) }
}

/// What an app or a network should do for a session, from a second on.
public struct QoS: Equatable, Sendable {
  /// Clips to fetch ahead.
  public let prefetchDepth: Int
  /// Milliseconds of media to hold before fetching pauses.
  public let bufferTargetMs: Int
  /// Highest bitrate to choose in kbit/s; nil: no limit.
  public let maxBitrateKbps: Int?
  /// The throughput in kbit/s that these rest on; nil: not known yet.
  public let throughputKbps: Int?
  public let prefetchReason: Reason
  public let bufferReason: Reason
  public let bitrateReason: Reason
  /// Differs from the second before.
  public let changed: Bool

  init(_ c: rs_qos) {
    prefetchDepth = Int(c.prefetch_depth)
    bufferTargetMs = Int(c.buffer_target_ms)
    maxBitrateKbps = c.max_bitrate_kbps == 0 ? nil : Int(c.max_bitrate_kbps)
    throughputKbps = c.throughput_kbps == 0 ? nil : Int(c.throughput_kbps)
    prefetchReason = Reason(rawValue: c.prefetch_reason) ?? .standard
    bufferReason = Reason(rawValue: c.buffer_reason) ?? .standard
    bitrateReason = Reason(rawValue: c.bitrate_reason) ?? .standard
    changed = c.changed != 0
  }
}
