import CReelsense

extension Classifier {
  /// What a classifier has seen and given since it was made.
  public struct Counters: Equatable, Sendable {
    /// Packets, or reads and writes, that count for a flow.
    public let records: UInt64
    /// Packets that they stand for: offloads merge packets.
    public let packets: UInt64
    /// Taken as of the present second because their time was before it.
    public let late: UInt64
    /// Frames left out, by reason: "link_type", "not_ip", …; without the zeros.
    public let dropped: [String: UInt64]
    public let flows: UInt64
    /// Ended flows by reason, without the zeros.
    public let ended: [FlowSummary.End: UInt64]
    public let windows: UInt64
    public let videoWindows: UInt64
    public let uncertainWindows: UInt64
    public let idleWindows: UInt64
    public let timeSteps: UInt64
    /// Calls refused as `busy`.
    public let refusedCalls: UInt64
    public let liveFlows: Int
    public let peakFlows: Int
    /// What the classifier holds at most, its model not counted.
    public let memoryBytes: Int
    /// Events that streams dropped because their reader was slower than their limit allows.
    public let droppedEvents: UInt64

    init(_ c: rs_counters, droppedEvents: UInt64) {
      records = c.records
      packets = c.packets
      late = c.late
      dropped = withUnsafeBytes(of: c.dropped) { bytes in
        var dropped: [String: UInt64] = [:]
        for (reason, count) in bytes.bindMemory(to: UInt64.self).enumerated() where count > 0 {
          dropped[rs_drop_name(UInt32(reason)).map { String(cString: $0) } ?? "reason \(reason)"] = count
        }
        return dropped
      }
      ended = withUnsafeBytes(of: c.ended) { bytes in
        var ended: [FlowSummary.End: UInt64] = [:]
        for (reason, count) in bytes.bindMemory(to: UInt64.self).enumerated() where count > 0 {
          ended[FlowSummary.End(rawValue: UInt32(reason)) ?? .end] = count
        }
        return ended
      }
      flows = c.flows
      windows = c.windows
      videoWindows = c.video_windows
      uncertainWindows = c.uncertain_windows
      idleWindows = c.idle_windows
      timeSteps = c.time_steps
      refusedCalls = c.refused_calls
      liveFlows = Int(c.live_flows)
      peakFlows = Int(c.peak_flows)
      memoryBytes = c.memory_bytes
      self.droppedEvents = droppedEvents
    }
  }
}
