import XCTest

@testable import Reelsense

final class ClassifierTests: XCTestCase {
  func testSocket_ReelsPlayed_IsLabelledVideoAndDecidedOn() throws {
    let classifier = try Classifier(model: Released.socket)
    let log = classifier.record()
    let flow = try classifier.openFlow(at: start)
    try playReels(flow, seconds: 24)
    for at in 1...25 { try classifier.advance(to: start + Int64(at) * second) }
    let windows = log.value.windows
    XCTAssertEqual(windows.map(\.second), stride(from: 0, to: 24, by: 4).map { 1_700_000_000 + $0 })
    XCTAssertTrue(
      windows.allSatisfy { $0.flow == flow.id && $0.tuple == nil && $0.features.count == 28 && $0.bins.count == 40 })
    XCTAssertEqual(windows.last?.label, .video)
    let seconds = log.value.seconds
    XCTAssertEqual(seconds.map(\.second), (0..<25).map { 1_700_000_000 + $0 }, "idle seconds too")
    XCTAssertEqual(seconds.last?.session.label, .video, "also between bursts")
    XCTAssertTrue(seconds.allSatisfy { $0.qos.prefetchDepth >= 1 && $0.qos.bufferTargetMs > 0 })
    XCTAssertEqual(windows.reduce(0) { $0 + $1.bytesDown }, seconds.reduce(0) { $0 + $1.bytesDown })
  }

  func testSocket_WindowsOfASecond_ComeBeforeItsSecond() throws {
    let classifier = try Classifier(model: Released.socket)
    let log = classifier.record()
    let flows = try (0..<5).map { _ in try classifier.openFlow(at: start) }
    for at in 0..<3 { for flow in flows { try flow.read(1000, at: start + Int64(at) * second) } }
    try classifier.finish()
    var open: Int64?
    for event in log.value {
      switch event {
      case .window(let window):
        XCTAssertTrue(open == nil || open == window.second)
        open = window.second
      case .second(let one):
        XCTAssertEqual(open, one.second)
        XCTAssertEqual(one.windows, 5)
        open = nil
      case .flowEnded(let flow): XCTAssertEqual(flow.reason, .end)
      }
    }
    XCTAssertEqual(log.value.ended.count, 5)
  }

  func testPeek_BeforeTheSecondEnds_EqualsItsLabel() throws {
    let classifier = try Classifier(model: Released.socket)
    let log = classifier.record()
    let flow = try classifier.openFlow(at: start)
    try playReels(flow, seconds: 1)
    XCTAssertTrue(log.value.windows.isEmpty)
    let early = try flow.peek()
    try classifier.advance(to: start + second)
    XCTAssertEqual(log.value.windows.first?.decision, early)
  }

  func testFlow_ClosedTwice_IsClosed() throws {
    let classifier = try Classifier(model: Released.socket)
    let flow = try classifier.openFlow(at: start)
    try flow.read(100, at: start)
    try flow.close(at: start + 1)
    expectError(.closed, "flow \(flow.id)") { try flow.close(at: start + 2) }
    expectError(.closed, "flow \(flow.id)") { try flow.read(1, at: start + 2) }
    expectError(.closed, "flow \(flow.id)") { try flow.peek() }
    XCTAssertEqual(try classifier.counters().ended, [.finished: 1])
  }

  func testFlow_LetGo_ClosesItself() throws {
    let classifier = try Classifier(model: Released.socket)
    let log = classifier.record()
    do {
      let flow = try classifier.openFlow(at: start)
      try flow.read(100, at: start + 5)
    }
    XCTAssertEqual(try classifier.counters().liveFlows, 0)
    XCTAssertEqual(log.value.ended.first?.lastNs, start + 5)
  }

  func testFlow_BadNumbers_AreRefusedAndChangeNothing() throws {
    let classifier = try Classifier(model: Released.socket)
    let flow = try classifier.openFlow(at: start)
    expectError(.invalidArgument, "-1 bytes") { try flow.read(-1, at: start) }
    expectError(.invalidArgument) { try flow.read(1, at: -5) }
    expectError(.invalidArgument) { try flow.write(1, at: .max) }
    expectError(.invalidArgument) { try classifier.openFlow(at: -1) }
    try flow.read(0, at: start)
    XCTAssertEqual(try classifier.counters().records, 0)
  }

  func testFlow_TableFull_EvictsTheQuietest() throws {
    var options = Classifier.Options(view: .socket)
    options.maxFlows = 2
    let classifier = try Classifier(model: Released.socket, options: options)
    let log = classifier.record()
    let first = try classifier.openFlow(at: start)
    let other = try classifier.openFlow(at: start + 1)
    try first.read(10, at: start + 2)
    let third = try classifier.openFlow(at: start + 3)
    XCTAssertEqual(log.value.ended.map(\.flow), [other.id])
    XCTAssertEqual(log.value.ended.first?.reason, .evicted)
    expectError(.closed) { try other.read(1, at: start + 4) }
    try third.read(1, at: start + 4)
    XCTAssertEqual(try classifier.counters().peakFlows, 2)
  }

  func testTime_Backwards_IsLateAndNeverTrouble() throws {
    let classifier = try Classifier(model: Released.socket)
    let log = classifier.record()
    let flow = try classifier.openFlow(at: start + 10 * second)
    try flow.read(1000, at: start + 10 * second)
    try flow.read(1000, at: start + 8 * second)
    try classifier.advance(to: start)
    XCTAssertEqual(try classifier.counters().late, 1)
    try classifier.finish()
    XCTAssertEqual(log.value.windows.map(\.bytesDown), [2000])
  }

  func testHandler_CallsBack_IsRefusedAsBusy() throws {
    let classifier = try Classifier(model: Released.socket)
    let flow = try classifier.openFlow(at: start)
    let codes = Box<[ReelsenseError.Code?]>([])
    let note: @Sendable (() throws -> Void) -> Void = { call in
      do {
        try call()
        codes.change { $0.append(nil) }
      } catch { codes.change { $0.append((error as? ReelsenseError)?.code) } }
    }
    classifier.setHandler { [unowned classifier] event in
      guard case .window = event else { return }
      note { try flow.read(1, at: start + 5 * second) }
      note { try classifier.advance(to: start + 9 * second) }
      note { try classifier.finish() }
      note { _ = try classifier.openFlow(at: start) }
    }
    try flow.read(1000, at: start)
    try classifier.advance(to: start + second)
    classifier.setHandler(nil)
    XCTAssertEqual(codes.value, [.busy, .busy, .busy, .busy])
    XCTAssertEqual(try classifier.counters().refusedCalls, 4)
    XCTAssertEqual(try classifier.counters().windows, 1)
  }

  func testThreads_ManyAtOnce_LoseNothing() throws {
    var options = Classifier.Options(view: .socket)
    options.maxFlows = 64
    let classifier = try Classifier(model: Released.socket, options: options)
    let log = classifier.record()
    DispatchQueue.concurrentPerform(iterations: 8) { worker in
      do {
        let flow = try classifier.openFlow(at: start)
        for i in 0..<2000 { try flow.read(10 + worker, at: start + Int64(i) * 1_000_000) }
        for i in 0..<10 { try classifier.advance(to: start + Int64(i) * second / 10) }
        _ = try flow.peek()
        try flow.close(at: start + 2 * second)
      } catch { XCTFail("\(error)") }
    }
    try classifier.finish()
    XCTAssertEqual(log.value.ended.count, 8)
    XCTAssertEqual(
      log.value.windows.reduce(0) { $0 + $1.bytesDown }, UInt64((0..<8).reduce(0) { $0 + (10 + $1) * 2000 }))
    XCTAssertEqual(try classifier.counters().records, 16_000)
    XCTAssertEqual(try classifier.counters().refusedCalls, 0)
  }

  func testOptions_OutOfRange_NameTheOption() {
    var options = Classifier.Options(view: .socket)
    options.maxFlows = 0
    expectError(.invalidArgument, "max_flows") { try Classifier(model: nil, options: options) }
    options = Classifier.Options(view: .socket)
    options.idleTimeoutNs = 5
    expectError(.invalidArgument, "idle_timeout_ns") { try Classifier(model: nil, options: options) }
  }

  func testOptions_ModelOfAnotherView_IsAMismatch() throws {
    expectError(.mismatch) { try Classifier(model: Released.socket, options: Classifier.Options(view: .packet)) }
    let classifier = try Classifier(model: Released.socket)
    expectError(.mismatch) { try classifier.setModel(Released.packet) }
    expectError(.mismatch) { try Classifier(model: Released.packet).openFlow(at: start) }
    expectError(.mismatch) { try classifier.add([Frame(timeNs: start, data: Data([0x45]))]) }
  }

  func testModel_SwappedOrGone_ClassifierGoesOn() throws {
    var model: TrafficModel? = try TrafficModel(contentsOf: modelFile("reelsense-ue-socket"))
    let classifier = try Classifier(model: try XCTUnwrap(model))
    model = nil
    let log = classifier.record()
    let flow = try classifier.openFlow(at: start)
    try flow.read(1000, at: start)
    try classifier.setModel(Released.socket)
    try classifier.finish()
    XCTAssertEqual(log.value.windows.count, 1)
  }

  func testNoModel_Windows_AreUncertain() throws {
    let classifier = try Classifier(model: nil, options: Classifier.Options(view: .socket))
    let log = classifier.record()
    try classifier.openFlow(at: start).read(1000, at: start)
    try classifier.finish()
    let decision = try XCTUnwrap(log.value.windows.first?.decision)
    XCTAssertTrue(decision.isUncertain)
    XCTAssertEqual(decision.probability, 0.5)
  }

  func testErrors_Printed_SayCodeAndMessage() {
    let error = ReelsenseError(.limit, "queue: 5 are expected")
    XCTAssertEqual("\(error)", "limit: queue: 5 are expected")
    XCTAssertEqual((error as any Error).localizedDescription, "limit: queue: 5 are expected")
    XCTAssertFalse(reelsenseVersion.isEmpty)
  }
}
