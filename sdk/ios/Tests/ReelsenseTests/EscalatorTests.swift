import XCTest

@testable import Reelsense

final class EscalatorTests: XCTestCase {
  /// Windows that no model labelled, and so uncertain ones.
  private func uncertain(_ count: Int) throws -> [FlowWindow] {
    let classifier = try Classifier(model: nil, options: Classifier.Options(view: .socket))
    let log = classifier.record()
    let flow = try classifier.openFlow(at: start)
    for at in 0..<count { try flow.read(20_000, at: start + Int64(at) * second) }
    try classifier.finish()
    return log.value.windows
  }

  private struct Body: Decodable {
    struct Window: Decodable {
      let flow: String
      let second: Int64
      let features: [Float]
      let bins: [UInt32]
    }
    let model: String?
    let windows: [Window]
  }

  @Sendable private static func labels(_ request: LocalServer.Request) -> LocalServer.Response {
    guard let body = try? JSONDecoder().decode(Body.self, from: request.body) else { return .json("{}", status: 400) }
    let labels = body.windows.map { window in
      "{\"flow\": \"\(window.flow)\", \"second\": \(window.second), \"label\": \"video\", \"confidence\": 0.97, "
        + "\"probability\": 0.97, \"uncertain\": false, \"queue_us\": 1, \"compute_us\": 1}"
    }
    return .json("{\"model\": \"reelsense-edge@1.0.0\", \"labels\": [\(labels.joined(separator: ", "))]}")
  }

  /// The next answers, or those that came within 30 s.
  private func take(_ count: Int, from escalator: Escalator) async -> [Escalator.Answer] {
    let reader = Task { [answers = escalator.answers] in
      var taken: [Escalator.Answer] = []
      for await answer in answers {
        taken.append(answer)
        if taken.count == count { break }
      }
      return taken
    }
    let timeout = Task {
      try await Task.sleep(nanoseconds: 30_000_000_000)
      reader.cancel()
    }
    defer { timeout.cancel() }
    return await reader.value
  }

  func testOffer_SwitchedOff_SendsNothing() async throws {
    let server = LocalServer { _ in .json("{}") }
    let escalator = Escalator(try ServerEndpoint(server.url))
    let taken = await escalator.offer(try uncertain(1)[0])
    XCTAssertFalse(taken)
    await escalator.flush()
    XCTAssertEqual(server.requests.count, 0)
  }

  func testOffer_Certain_IsNotSent() async throws {
    let server = LocalServer(Self.labels)
    let escalator = Escalator(try ServerEndpoint(server.url))
    await escalator.setEnabled(true)
    let classifier = try Classifier(model: Released.socket)
    let log = classifier.record()
    try playReels(try classifier.openFlow(at: start), seconds: 24)
    try classifier.finish()
    for window in log.value.windows where !window.decision.isUncertain {
      let taken = await escalator.offer(window)
      XCTAssertFalse(taken)
    }
    XCTAssertTrue(log.value.windows.contains { !$0.decision.isUncertain })
  }

  func testOffer_ManyWindows_ComeBackAsLabelsInOrder() async throws {
    let server = LocalServer(Self.labels)
    var configuration = Escalator.Configuration()
    configuration.maxBatch = 8
    configuration.model = "reelsense-ue-socket"
    let escalator = Escalator(try ServerEndpoint(server.url), configuration: configuration)
    await escalator.setEnabled(true)
    let windows = try uncertain(20)
    for window in windows { await escalator.offer(window) }
    await escalator.flush()
    let answers = await take(20, from: escalator)
    XCTAssertEqual(answers.map(\.second), windows.map(\.second))
    XCTAssertTrue(answers.allSatisfy { $0.decision?.label == .video && $0.flow == windows[0].flow })
    let counters = await escalator.counters
    XCTAssertEqual(counters.sent, 20)
    XCTAssertEqual(counters.requests, server.requests.count)
    XCTAssertLessThanOrEqual(server.requests.count, 5, "batched")

    let sent = try server.requests.map { try JSONDecoder().decode(Body.self, from: $0.body) }
    XCTAssertTrue(sent.allSatisfy { $0.model == "reelsense-ue-socket" && $0.windows.count <= 8 })
    let seconds = sent.flatMap(\.windows).map(\.second)
    XCTAssertEqual(seconds.map { $0 - seconds[0] }, (0..<20).map { Int64($0) }, "in order, the distances kept")
    XCTAssertNotEqual(seconds[0], windows[0].second, "the true time stays on the device")
    XCTAssertEqual(sent.first?.windows.first?.features, windows[0].features)
  }

  func testOffer_WithoutFlush_IsSentAfterTheDelay() async throws {
    let server = LocalServer(Self.labels)
    var configuration = Escalator.Configuration()
    configuration.maxDelay = 0.5
    let escalator = Escalator(try ServerEndpoint(server.url), configuration: configuration)
    await escalator.setEnabled(true)
    for window in try uncertain(3) { await escalator.offer(window) }
    let answers = await take(3, from: escalator)
    XCTAssertEqual(answers.count, 3)
    XCTAssertEqual(server.requests.count, 1)
  }

  func testOffer_OverTheRate_IsLeftOut() async throws {
    let server = LocalServer(Self.labels)
    var configuration = Escalator.Configuration()
    configuration.windowsPerMinute = 10
    let escalator = Escalator(try ServerEndpoint(server.url), configuration: configuration)
    await escalator.setEnabled(true)
    for window in try uncertain(30) { await escalator.offer(window) }
    await escalator.flush()
    let counters = await escalator.counters
    XCTAssertEqual(counters.sent, 10)
    XCTAssertEqual(counters.overRate, 20)
  }

  func testOffer_NetworkGone_DropsAndWaits() async throws {
    let server = LocalServer { _ in nil }
    let escalator = Escalator(try ServerEndpoint(server.url))
    await escalator.setEnabled(true)
    let windows = try uncertain(4)
    for window in windows { await escalator.offer(window) }
    await escalator.flush()
    let taken = await escalator.offer(windows[0])
    XCTAssertFalse(taken, "backing off")
    let counters = await escalator.counters
    XCTAssertEqual(counters.failedRequests, 1)
    XCTAssertEqual(counters.lost, 5)
    XCTAssertEqual(counters.answered, 0)
    server.stop()
  }

  func testOffer_ServerRefuses_SaysWhy() async throws {
    let server = LocalServer { _ in
      .json("{\"type\": \"/problems/invalid-request\", \"detail\": \"windows[0].features: 28 numbers\"}", status: 400)
    }
    let escalator = Escalator(try ServerEndpoint(server.url))
    await escalator.setEnabled(true)
    await escalator.offer(try uncertain(1)[0])
    await escalator.flush()
    let why = await escalator.lastFailure
    XCTAssertEqual(why, "the server answered 400: windows[0].features: 28 numbers")
  }

  func testAnswers_OfTheWrongShape_AreANetworkError() throws {
    let windows = try uncertain(2)
    expectError(.network, "\"labels\"") { try Escalator.decode(Data("[]".utf8), windows) }
    expectError(.network, "2 labels are expected, the server gave 0") {
      try Escalator.decode(Data("{\"model\": \"m\", \"labels\": []}".utf8), windows)
    }
    let answers = try Escalator.decode(
      Data(
        """
        {"model": "m@1", "labels": [{"flow": "a", "second": 1, "error": "out_of_order"},
          {"flow": "a", "second": 2, "label": "non-video", "confidence": 0.9, "probability": 0.1, "uncertain": false}]}
        """.utf8), windows)
    XCTAssertNil(answers[0].decision)
    XCTAssertEqual(answers[0].problem, "out_of_order")
    XCTAssertEqual(answers[1].decision?.label, .nonVideo)
    XCTAssertEqual(answers[1].model, "m@1")
  }
}
