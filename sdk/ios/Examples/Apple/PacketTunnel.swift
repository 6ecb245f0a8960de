import NetworkExtension
import Reelsense

/// A packet tunnel that labels every flow of the device. Checked against declarations of Apple's API, not run.
final class PacketTunnelProvider: NEPacketTunnelProvider, @unchecked Sendable {
  private var meter: TunnelMeter?
  private var ticker: Ticker?

  override func startTunnel(options: [String: NSObject]?, completionHandler: @escaping ((any Error)?) -> Void) {
    do {
      let model = try TrafficModel(contentsOf: Bundle.main.url(forResource: "reelsense-ue", withExtension: "onnx")!)
      let meter = try TunnelMeter(model: model)  // at most 1,024 flows: 0.7 MB of the tunnel's 50
      meter.classifier.setHandler { event in
        if case .window(let window) = event, window.dscp != 0 { print(window.flow, "may be marked", window.dscp) }
      }
      let ticker = Ticker(meter.classifier)
      ticker.start()
      (self.meter, self.ticker) = (meter, ticker)
      read(meter)
      completionHandler(nil)
    } catch {
      completionHandler(error)
    }
  }

  private func read(_ meter: TunnelMeter) {
    meter.readPackets(from: packetFlow) { [weak self] packets, protocols in
      // … send them to the tunnel's server, and what comes back through meter.writePackets(_:withProtocols:to:)
      self?.read(meter)
    }
  }
}
