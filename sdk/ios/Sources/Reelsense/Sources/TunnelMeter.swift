import Foundation

/// Classifies the packets of a packet tunnel. Its state is bounded: the classifier's table, nothing else.
///
/// `NEPacketTunnelFlow` hands over and takes arrays of IP packets; both kinds go through here. **Thread safety:** all
/// methods from any thread. A packet is never held back or changed, and what cannot be read is only counted.
public final class TunnelMeter: Sendable {
  public let classifier: Classifier

  /// - Parameter classifier: of the packet view, for instance with ``Classifier/Options/packetTunnel``.
  public init(_ classifier: Classifier) { self.classifier = classifier }

  /// With a classifier of its own that fits into a tunnel's 50 MB.
  public convenience init(model: TrafficModel) throws {
    try self.init(Classifier(model: model, options: .packetTunnel))
  }

  /// Packets that the system read from apps, or that go back to them, in order. All count as of `nowNs`.
  public func observe(_ packets: [Data], at nowNs: Int64 = EventTime.now) throws {
    try classifier.add(packets.map { Frame(timeNs: nowNs, data: $0) }, link: .raw)
  }
}

#if canImport(NetworkExtension)
  import NetworkExtension

  extension TunnelMeter {
    /// As `NEPacketTunnelFlow.readPackets`, with every packet classified. Apple's systems only: checked against
    /// declarations of the API, not run in this project's tests, which have no Apple system.
    public func readPackets(
      from tunnel: NEPacketTunnelFlow, completion: @escaping @Sendable ([Data], [NSNumber]) -> Void
    ) {
      tunnel.readPackets { [self] packets, protocols in
        try? observe(packets)  // only refused from inside a callback of the same classifier
        completion(packets, protocols)
      }
    }

    /// As `NEPacketTunnelFlow.writePackets`.
    @discardableResult
    public func writePackets(_ packets: [Data], withProtocols protocols: [NSNumber], to tunnel: NEPacketTunnelFlow)
      -> Bool
    {
      try? observe(packets)
      return tunnel.writePackets(packets, withProtocols: protocols)
    }
  }
#endif
