import Foundation
import Reelsense

extension Runner {
  /// vectors/NAME.csv beside logs/NAME.csv.
  func socket(_ url: URL) throws {
    let name = url.lastPathComponent
    let logs = url.deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("logs")
    let windows = EventLog()
    let classifier = try Classifier(model: nil, options: Classifier.Options(view: .socket))
    classifier.setHandler { windows.append($0) }
    var flows: [String: Flow] = [:]
    for fields in try Self.csv(logs.appendingPathComponent(name)).dropFirst() {
      guard fields.count == 4, let time = Int64(fields[0]), let bytes = Int(fields[3]) else {
        throw Mismatch("logs/\(name): time_ns,connection,direction,bytes is expected, not \(fields)")
      }
      let flow = try flows[fields[1]] ?? classifier.openFlow(at: time)
      flows[fields[1]] = flow
      switch fields[2] {
      case "down": try flow.read(bytes, at: time)
      case "up": try flow.write(bytes, at: time)
      default: throw Mismatch("logs/\(name): direction \(fields[2])")
      }
    }
    try classifier.finish()

    var rows: [UInt64: [FlowWindow]] = [:]
    for case .window(let window) in windows.events { rows[window.flow, default: []].append(window) }
    var differences = Differences()
    let expected = try Self.csv(url)
    differences.equal("columns", expected.first ?? [], ["flow", "second"] + TrafficView.socket.featureNames)
    differences.equal("rows", rows.values.reduce(0) { $0 + $1.count }, expected.count - 1)
    var next: [String: Int] = [:]
    for fields in expected.dropFirst() {
      let number = next[fields[0], default: 0]
      next[fields[0]] = number + 1
      let at = "connection \(fields[0]) row \(number)"
      guard let flow = flows[fields[0]], let got = rows[flow.id]?.dropFirst(number).first else {
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
