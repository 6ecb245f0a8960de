import Foundation
import Reelsense

/// One connection with a classifier of its own: those of a log are out of order among each other.
private struct Connection {
  let flow: Flow
  private let log = EventLog()

  init(at timeNs: Int64) throws {
    let classifier = try Classifier(model: nil, options: Classifier.Options(view: .socket))
    classifier.setHandler { [log] in log.append($0) }
    flow = try classifier.openFlow(at: timeNs)
  }

  /// The rows of all its windows.
  func finish() throws -> [FlowWindow] {
    try flow.classifier.finish()
    return log.events.compactMap { if case .window(let window) = $0 { window } else { nil } }
  }
}

extension Runner {
  /// vectors/NAME.csv beside logs/NAME.csv.
  func socket(_ url: URL) throws {
    let name = url.lastPathComponent
    let logs = url.deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("logs")
    var connections: [String: Connection] = [:]
    for fields in try Self.csv(logs.appendingPathComponent(name)).dropFirst() {
      guard fields.count == 4, let time = Int64(fields[0]), let bytes = Int(fields[3]) else {
        throw Mismatch("logs/\(name): time_ns,connection,direction,bytes is expected, not \(fields)")
      }
      let connection = try connections[fields[1]] ?? Connection(at: time)
      connections[fields[1]] = connection
      switch fields[2] {
      case "down": try connection.flow.read(bytes, at: time)
      case "up": try connection.flow.write(bytes, at: time)
      default: throw Mismatch("logs/\(name): direction \(fields[2])")
      }
    }
    let rows = try connections.mapValues { try $0.finish() }

    var differences = Differences()
    let expected = try Self.csv(url)
    differences.equal("columns", expected.first ?? [], ["flow", "second"] + TrafficView.socket.featureNames)
    differences.equal("rows", rows.values.reduce(0) { $0 + $1.count }, expected.count - 1)
    var next: [String: Int] = [:]
    for fields in expected.dropFirst() {
      let number = next[fields[0], default: 0]
      next[fields[0]] = number + 1
      let at = "connection \(fields[0]) row \(number)"
      guard let got = rows[fields[0]]?.dropFirst(number).first else {
        differences.equal(at, "none", "a row")
        continue
      }
      differences.equal("\(at) second", got.second, Int64(fields[1]) ?? -1)
      differences.close("\(at) features", got.features, fields.dropFirst(2).map { Double($0) ?? .nan })
    }
    try differences.throwIfAny()
  }

  private static func csv(_ url: URL) throws -> [[String]] {
    try String(contentsOf: url, encoding: .utf8).split(whereSeparator: \.isNewline).map {
      $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }
  }
}
