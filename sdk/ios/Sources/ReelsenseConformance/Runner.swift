import Foundation
import Reelsense

/// Runs cases, one method a kind.
struct Runner {
  let root: URL

  func run(kind: String, file: String) throws {
    let url = root.appendingPathComponent(file)
    switch kind {
    case "capture": try capture(url)
    case "socket": try socket(url)
    case "model": try model(url)
    case "decisions": try decisions(url)
    default: throw Mismatch("no kind of case that this runner knows")
    }
  }

  /// Everything that a classifier says of a capture.
  private func events(of pcap: Pcap, model: TrafficModel?, options: Classifier.Options) throws -> [Classifier.Event] {
    let log = EventLog()
    let classifier = try Classifier(model: model, options: options)
    classifier.setHandler { log.append($0) }
    try classifier.add(pcap.frames, link: pcap.link)
    try classifier.finish()
    return log.events
  }

  private func capture(_ url: URL) throws {
    let lines = try Vectors.lines(url)
    guard let first = lines.first else { throw Mismatch("a header line is expected") }
    let header = try Vectors.decode(Vectors.Header.self, first, "header")
    var options = Classifier.Options(view: .packet)
    options.maxFlows = header.options.max_flows
    options.idleTimeoutNs = header.options.idle_timeout_ns
    options.activeTimeoutNs = header.options.active_timeout_ns
    let pcap = try Pcap(root.appendingPathComponent("tests/golden/captures/\(header.capture)"))
    let events = try events(of: pcap, model: nil, options: options)
    let windows = events.compactMap { if case .window(let window) = $0 { window } else { nil } }
    let ended = events.compactMap { if case .flowEnded(let flow) = $0 { flow } else { nil } }

    var rows: [Vectors.Row] = []
    var flows: [Vectors.Ended] = []
    for (number, line) in lines.enumerated().dropFirst() {
      if line.range(of: Data("\"features\"".utf8)) != nil {
        rows.append(try Vectors.decode(Vectors.Row.self, line, "line \(number + 1)"))
      } else {
        flows.append(try Vectors.decode(Vectors.Ended.self, line, "line \(number + 1)"))
      }
    }
    var differences = Differences()
    differences.equal("rows", windows.count, rows.count)
    for (i, (got, expected)) in zip(windows, rows).enumerated() { compare("row \(i)", got, expected, &differences) }
    differences.equal("ended flows", ended.count, flows.count)
    for (got, expected) in zip(ended.sorted { $0.flow < $1.flow }, flows) { compare(got, expected, &differences) }
    try differences.throwIfAny()
  }

  private func compare(_ at: String, _ got: FlowWindow, _ expected: Vectors.Row, _ differences: inout Differences) {
    differences.equal("\(at) second", got.second, expected.second)
    differences.equal("\(at) flow", got.flow, expected.flow)
    compare(
      at, got.tuple, expected.client, expected.client_port, expected.server, expected.server_port, expected.protocol,
      &differences)
    differences.equal("\(at) packets up", got.packetsUp, expected.packets_up)
    differences.equal("\(at) packets down", got.packetsDown, expected.packets_down)
    differences.equal("\(at) bytes up", got.bytesUp, expected.bytes_up)
    differences.equal("\(at) bytes down", got.bytesDown, expected.bytes_down)
    differences.equal("\(at) bins", got.bins, expected.bins)
    differences.close("\(at) features", got.features, expected.features)
  }

  private func compare(_ got: FlowSummary, _ expected: Vectors.Ended, _ differences: inout Differences) {
    let at = "flow \(expected.flow)"
    differences.equal("\(at) number", got.flow, expected.flow)
    differences.equal("\(at) reason", got.reason.description, expected.reason)
    compare(
      at, got.tuple, expected.client, expected.client_port, expected.server, expected.server_port, expected.protocol,
      &differences)
    differences.equal("\(at) first_ns", got.firstNs, expected.first_ns)
    differences.equal("\(at) last_ns", got.lastNs, expected.last_ns)
    differences.equal("\(at) packets up", got.packetsUp, expected.packets_up)
    differences.equal("\(at) packets down", got.packetsDown, expected.packets_down)
    differences.equal("\(at) bytes up", got.bytesUp, expected.bytes_up)
    differences.equal("\(at) bytes down", got.bytesDown, expected.bytes_down)
    differences.equal("\(at) windows", got.windows, expected.windows)
    differences.equal("\(at) idle windows", got.idleWindows, expected.idle_windows)
  }

  private func compare(
    _ at: String, _ got: FiveTuple?, _ client: String, _ clientPort: UInt16, _ server: String, _ serverPort: UInt16,
    _ transport: UInt8, _ differences: inout Differences
  ) {
    differences.equal("\(at) client", got?.client.description, client)
    differences.equal("\(at) client port", got?.clientPort, clientPort)
    differences.equal("\(at) server", got?.server.description, server)
    differences.equal("\(at) server port", got?.serverPort, serverPort)
    differences.equal("\(at) protocol", got?.transport, transport)
  }

  private func model(_ url: URL) throws {
    let golden = try Vectors.decode(Vectors.Golden.self, Data(contentsOf: url), url.lastPathComponent)
    let model = try TrafficModel(contentsOf: url.deletingLastPathComponent().appendingPathComponent("model.onnx"))
    let names = model.info.view.featureNames
    let columns = try golden.features.map { name in
      guard let column = names.firstIndex(of: name) else {
        throw Mismatch("view \(model.info.view) has no feature \(name)")
      }
      return column
    }
    var rows = [Float](repeating: 0, count: golden.rows.count * names.count)
    for (i, row) in golden.rows.enumerated() {
      for (column, value) in zip(columns, row) { rows[i * names.count + column] = value }
    }
    let decisions = try model.classify(rows)
    var differences = Differences()
    differences.equal("decisions", decisions.count, golden.probability.count)
    for (i, (got, expected)) in zip(decisions, golden.probability).enumerated() {
      differences.close("row \(i) probability", got.probability, expected)
    }
    try differences.throwIfAny()
  }

  private func decisions(_ url: URL) throws {
    let lines = try Vectors.lines(url)
    guard let first = lines.first else { throw Mismatch("a header line is expected") }
    let header = try Vectors.decode(Vectors.DecisionHeader.self, first, "header")
    var options = Classifier.Options(view: .packet)
    options.maxFlows = header.max_flows
    let events = try events(
      of: try Pcap(root.appendingPathComponent(header.capture)),
      model: try TrafficModel(contentsOf: try bundle(header.model)), options: options
    ).filter { if case .flowEnded = $0 { false } else { true } }

    var differences = Differences()
    differences.equal("windows and seconds", events.count, lines.count - 1)
    for (number, (event, line)) in zip(events, lines.dropFirst()).enumerated() {
      let expected = try Vectors.decode(Vectors.DecisionLine.self, line, "line \(number + 2)")
      compare("line \(number + 2)", event, expected, &differences)
    }
    try differences.throwIfAny()
  }

  private func compare(
    _ at: String, _ event: Classifier.Event, _ line: Vectors.DecisionLine, _ differences: inout Differences
  ) {
    switch (event, line.window, line.second) {
    case (.window(let got), let expected?, nil):
      differences.equal("\(at) second", got.second, expected.second)
      differences.equal("\(at) flow", got.flow, expected.flow)
      differences.close("\(at) probability", got.decision.probability, expected.probability)
      differences.equal("\(at) label", got.label.description, expected.label)
      differences.equal("\(at) uncertain", got.decision.isUncertain, expected.uncertain)
      differences.equal("\(at) dscp", got.dscp, expected.dscp)
      differences.equal("\(at) dscp reason", got.dscpReason.description, expected.dscp_reason)
    case (.second(let got), nil, let expected?):
      differences.equal("\(at) second", got.second, expected.second)
      differences.close("\(at) probability", got.session.probability, expected.probability)
      differences.equal("\(at) label", got.session.label.description, expected.label)
      differences.equal("\(at) uncertain", got.session.isUncertain, expected.uncertain)
      differences.equal("\(at) prefetch depth", got.qos.prefetchDepth, expected.prefetch_depth)
      differences.equal("\(at) buffer target", got.qos.bufferTargetMs, expected.buffer_target_ms)
      differences.equal("\(at) max bitrate", got.qos.maxBitrateKbps ?? 0, expected.max_bitrate_kbps)
      differences.equal("\(at) throughput", got.qos.throughputKbps ?? 0, expected.throughput_kbps)
      let reasons = [got.qos.prefetchReason, got.qos.bufferReason, got.qos.bitrateReason].map(\.description)
      differences.equal("\(at) reasons", reasons, expected.reasons)
    default:
      differences.equal("\(at) kind", event.kind, line.window != nil ? "window" : "second")
    }
  }

  /// A path of the tree ("models/reelsense-ue/1.0.0/model.onnx", with or without the file's name), or "name@version".
  private func bundle(_ name: String) throws -> URL {
    let parts = name.split(separator: "@")
    let path = parts.count == 2 ? "models/\(parts[0])/\(parts[1])" : name
    let url = root.appendingPathComponent(path)
    return url.pathExtension == "onnx" ? url : url.appendingPathComponent("model.onnx")
  }
}

extension Classifier.Event {
  fileprivate var kind: String {
    switch self {
    case .window: "window"
    case .second: "second"
    case .flowEnded: "flow's end"
    }
  }
}

/// Events in the order they came. The handler is called on the thread that feeds the classifier: this one.
final class EventLog: @unchecked Sendable {
  private(set) var events: [Classifier.Event] = []
  func append(_ event: Classifier.Event) { events.append(event) }
}
