import Foundation
import Reelsense
import Testing

private let second: Int64 = 1_000_000_000
private let start: Int64 = 1_700_000_000 * second
private let model: TrafficModel = {
  let tree = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../../..")
  return try! TrafficModel(contentsOf: tree.appendingPathComponent("models/reelsense-ue-socket/1.0.0/model.onnx"))
}()

@Suite("Async sequences of labels and decisions")
struct StreamTests {
  @Test("a stream gives every window in order and ends with finish()")
  func windowsInOrder() async throws {
    let classifier = try Classifier(model: model)
    let windows = classifier.windows()
    let reader = Task { await windows.reduce(into: [Int64]()) { $0.append($1.second) } }
    let flow = try classifier.openFlow(at: start)
    for at in 0..<20 { try flow.read(16_384, at: start + Int64(at) * second) }
    try classifier.finish()
    #expect(await reader.value == (0..<20).map { 1_700_000_000 + $0 })
  }

  @Test("several streams each get everything")
  func severalReaders() async throws {
    let classifier = try Classifier(model: model)
    let (events, seconds) = (classifier.events(), classifier.seconds())
    try classifier.openFlow(at: start).read(1000, at: start)
    try classifier.advance(to: start + 3 * second)
    try classifier.finish()
    var kinds: [String] = []
    for await event in events {
      switch event {
      case .window: kinds.append("window")
      case .second: kinds.append("second")
      case .flowEnded(let flow): kinds.append("\(flow.reason)")
      }
    }
    #expect(kinds.filter { $0 == "window" }.count == 1)
    #expect(kinds.contains("finished"), "the handle was let go, which closed the flow")
    var count = 0
    for await _ in seconds { count += 1 }
    #expect(count == kinds.filter { $0 == "second" }.count)
    #expect(count >= 3)
  }

  @Test("a slow reader loses the oldest, and the loss is counted", arguments: [1, 8, 64])
  func slowReader(limit: Int) async throws {
    let classifier = try Classifier(model: model)
    let seconds = classifier.seconds(limit: limit)
    let flow = try classifier.openFlow(at: start)
    for at in 0..<100 { try flow.read(100, at: start + Int64(at) * second) }
    try classifier.finish()
    var got: [Int64] = []
    for await one in seconds { got.append(one.second) }
    #expect(got == ((100 - limit)..<100).map { 1_700_000_000 + Int64($0) })
    #expect(try classifier.counters().droppedEvents == UInt64(100 - limit))
  }

  @Test("a reader that stops is forgotten")
  func readerStops() async throws {
    let classifier = try Classifier(model: model)
    let reader = Task { [windows = classifier.windows(limit: 1)] in
      for await _ in windows {}
    }
    reader.cancel()
    await reader.value
    let flow = try classifier.openFlow(at: start)
    for at in 0..<50 { try flow.read(100, at: start + Int64(at) * second) }
    #expect(try classifier.counters().droppedEvents == 0)
  }

  @Test("a stream ends with its classifier")
  func endsWithClassifier() async throws {
    var classifier: Classifier? = try Classifier(model: model)
    let events = try #require(classifier).events()
    classifier = nil
    var count = 0
    for await _ in events { count += 1 }
    #expect(count == 0)
  }

  @Test("every reason and end has the C ABI's name")
  func names() {
    #expect(Reason.allCases.map(\.description).contains("congested"))
    #expect(Set(Reason.allCases.map(\.description)).count == Reason.allCases.count)
    #expect(
      FlowSummary.End.allCases.map(\.description)
        == ["finished", "idle", "active", "reopened", "evicted", "time_step", "end"])
  }
}
