import CReelsense
import Foundation

/// Addresses, ports and protocol of a flow in the packet view. Never a feature, and never in feedback.
public struct FiveTuple: Hashable, Sendable {
  public let client: IPAddress
  public let server: IPAddress
  public let clientPort: UInt16
  public let serverPort: UInt16
  /// IANA protocol number: 6 TCP, 17 UDP.
  public let transport: UInt8

  init?(_ c: rs_flow_tuple) {
    guard c.ip_version == 4 || c.ip_version == 6 else { return nil }
    client = withUnsafeBytes(of: c.client) { IPAddress(bytes: $0, version: c.ip_version) }
    server = withUnsafeBytes(of: c.server) { IPAddress(bytes: $0, version: c.ip_version) }
    clientPort = c.client_port
    serverPort = c.server_port
    transport = c.protocol
  }
}

/// An IPv4 or IPv6 address.
public struct IPAddress: Hashable, Sendable, CustomStringConvertible {
  /// 4 or 16 bytes in network byte order.
  public let bytes: [UInt8]

  /// - Parameter bytes: 16 of them, IPv4 as ::ffff:a.b.c.d.
  init(bytes: UnsafeRawBufferPointer, version: UInt8) {
    self.bytes = Array(version == 4 ? bytes.suffix(4) : bytes[...])
  }

  public var description: String {
    var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    let family = bytes.count == 4 ? AF_INET : AF_INET6
    guard inet_ntop(family, bytes, &text, socklen_t(text.count)) != nil else { return "" }
    return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
