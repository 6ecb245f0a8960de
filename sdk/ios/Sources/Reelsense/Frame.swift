import CReelsense
import Foundation

/// Link layer of a capture or an interface, by its DLT number.
public struct LinkType: RawRepresentable, Hashable, Sendable {
  public let rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  public static let ethernet = LinkType(rawValue: RS_LINK_ETHERNET)
  /// IP packets without a link layer: what a NEPacketTunnelProvider has.
  public static let raw = LinkType(rawValue: RS_LINK_RAW)
}

/// A captured packet. Only headers are read, never the payload.
public struct Frame: Sendable {
  public let timeNs: Int64
  /// From the link layer's first byte. A snap length of 96 bytes is enough.
  public let data: Data
  /// Length on the link, if `data` holds only its beginning.
  public let wireBytes: Int

  /// - Parameter wireBytes: nil: all bytes are there.
  public init(timeNs: Int64, data: Data, wireBytes: Int? = nil) {
    self.timeNs = timeNs
    self.data = data
    self.wireBytes = wireBytes ?? data.count
  }

  static let batch = 32

  /// Gives the frames to `body` as the C ABI wants them, at most ``batch`` at once and without copying their bytes.
  static func inBatches(_ frames: [Frame], _ body: (UnsafeBufferPointer<rs_frame>) throws -> Void) rethrows {
    var c: [rs_frame] = []
    c.reserveCapacity(min(batch, frames.count))
    var start = 0
    while start < frames.count {
      let end = min(start + batch, frames.count)
      c.removeAll(keepingCapacity: true)
      try hold(frames[start..<end], &c, body)
      start = end
    }
  }

  // The bytes of a Data may be looked at inside a closure only, so a batch is as many closures deep.
  private static func hold(
    _ frames: ArraySlice<Frame>, _ c: inout [rs_frame], _ body: (UnsafeBufferPointer<rs_frame>) throws -> Void
  ) rethrows {
    guard let frame = frames.first else { return try c.withUnsafeBufferPointer(body) }
    try frame.data.withUnsafeBytes { bytes in
      var one = rs_frame()
      one.time_ns = frame.timeNs
      one.data = bytes.baseAddress
      one.captured_bytes = UInt32(clamping: bytes.count)
      one.wire_bytes = UInt32(clamping: frame.wireBytes)
      c.append(one)
      try hold(frames.dropFirst(), &c, body)
    }
  }
}
