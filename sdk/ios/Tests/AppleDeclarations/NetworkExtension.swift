// What the package uses of NetworkExtension, declared after Apple's documentation, so that its callers can be type-checked
// where there is no Apple SDK. Nothing here runs.
@_exported import Foundation

open class NEPacketTunnelFlow: NSObject {
  open func readPackets(completionHandler: @escaping @Sendable ([Data], [NSNumber]) -> Void) { fatalError() }
  open func writePackets(_ packets: [Data], withProtocols protocols: [NSNumber]) -> Bool { fatalError() }
}

open class NEPacketTunnelProvider: NSObject {
  open var packetFlow: NEPacketTunnelFlow { fatalError() }
  open func startTunnel(options: [String: NSObject]?, completionHandler: @escaping ((any Error)?) -> Void) {
    fatalError()
  }
}
