import Dispatch
import Network
import Reelsense

/// A connection of the Network framework. Checked against declarations of Apple's API, not run.
func download(from host: NWEndpoint.Host, classifier: Classifier) throws -> MeteredConnection {
  let connection = NWConnection(host: host, port: 443, using: .tls)
  let metered = try MeteredConnection(connection, classifier: classifier)
  metered.start(queue: .global())
  metered.send(content: Data("GET /reel.mp4 HTTP/1.1\r\n\r\n".utf8)) { _ in }
  metered.receive(minimumIncompleteLength: 1, maximumLength: 65_536) { data, _, _, _ in
    if let decision = try? metered.flow.peek(), decision.label == .video { print("video") }
  }
  return metered
}
