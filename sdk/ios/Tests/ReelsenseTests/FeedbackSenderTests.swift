import XCTest

@testable import Reelsense

final class FeedbackSenderTests: XCTestCase {
  private let scratch = Scratch()

  private func filledQueue(_ records: Int) throws -> FeedbackQueue {
    var options = FeedbackQueue.Options()
    options.sample = 1
    options.records = max(records, 1)
    let queue = try FeedbackQueue(scratch.file("queue"), model: Released.socket, options: options)
    let classifier = try Classifier(model: Released.socket)
    let log = classifier.record()
    let flow = try classifier.openFlow(at: start)
    for at in 0..<records { try flow.read(20_000, at: start + Int64(at) * second) }
    try classifier.finish()
    for window in log.value.windows { try queue.add(window) }
    return queue
  }

  func testSend_ServerThere_EmptiesTheQueueInBatches() async throws {
    let server = LocalServer { _ in .json("{\"stored\": 1}") }
    let queue = try filledQueue(25)
    let sender = FeedbackSender(queue, to: try ServerEndpoint(server.url, apiKey: "rs_key"), batch: 10)
    let outcome = try await sender.send()
    XCTAssertEqual(outcome, .sent(25))
    XCTAssertEqual(queue.count, 0)
    XCTAssertEqual(server.requests.count, 3)
    for request in server.requests {
      XCTAssertEqual(request.method, "POST")
      XCTAssertEqual(request.path, "/v1/observations")
      XCTAssertEqual(request.headers["authorization"], "Bearer rs_key")
      XCTAssertNotNil(try JSONSerialization.jsonObject(with: request.body) as? [String: Any])
    }
    let again = try await sender.send()
    XCTAssertEqual(again, .sent(0))
  }

  func testSend_ServerGone_KeepsAllAndBacksOff() async throws {
    let server = LocalServer { _ in nil }
    let queue = try filledQueue(5)
    let sender = FeedbackSender(queue, to: try ServerEndpoint(server.url), firstBackoff: 0.2, longestBackoff: 1)
    guard case .waiting(let seconds, _) = try await sender.send() else { return XCTFail("waiting is expected") }
    XCTAssertTrue((0.1...0.2).contains(seconds), "\(seconds)")
    XCTAssertEqual(queue.count, 5)
    let asked = server.requests.count
    guard case .waiting(_, let why) = try await sender.send() else { return XCTFail("waiting is expected") }
    XCTAssertTrue(why.contains("backing off"), why)
    XCTAssertEqual(server.requests.count, asked, "nothing is sent while backing off")
    server.stop()
  }

  func testSend_AnswerLost_SendsTheSameBatchAgain() async throws {
    let asked = Box(0)
    let server = LocalServer { _ in
      asked.change {
        $0 += 1; return $0
      } == 1 ? .json("{}", status: 503) : .json("{}")
    }
    let queue = try filledQueue(5)
    let sender = FeedbackSender(queue, to: try ServerEndpoint(server.url), firstBackoff: 0.01, longestBackoff: 0.01)
    guard case .waiting(_, let why) = try await sender.send() else { return XCTFail("waiting is expected") }
    XCTAssertTrue(why.contains("503"), why)
    try await Task.sleep(nanoseconds: 30_000_000)
    let outcome = try await sender.send()
    XCTAssertEqual(outcome, .sent(5))
    XCTAssertEqual(server.requests.map(\.body).count, 2)
    XCTAssertEqual(server.requests[0].body, server.requests[1].body, "the same batch, so that the server keeps it once")
  }

  func testSend_ServerSaysWhen_WaitsThatLong() async throws {
    let server = LocalServer { _ in .init(status: 429, headers: ["Retry-After": "120"]) }
    let sender = FeedbackSender(
      try filledQueue(1), to: try ServerEndpoint(server.url), firstBackoff: 0.1, longestBackoff: 1)
    guard case .waiting(let seconds, _) = try await sender.send() else { return XCTFail("waiting is expected") }
    XCTAssertEqual(seconds, 120, accuracy: 1)
  }

  func testSend_ServerRefusesABatch_DropsItAndGoesOn() async throws {
    let asked = Box(0)
    let server = LocalServer { _ in
      asked.change {
        $0 += 1; return $0
      } == 1 ? .json("{}", status: 400) : .json("{}")
    }
    let queue = try filledQueue(6)
    let sender = FeedbackSender(queue, to: try ServerEndpoint(server.url), batch: 4)
    let outcome = try await sender.send()
    XCTAssertEqual(outcome, .sent(2))
    let refused = await sender.refusedRecords
    XCTAssertEqual(refused, 4)
    XCTAssertEqual(queue.count, 0)
  }

  func testBackoff_Failures_DoubleUpToTheLongest() {
    var backoff = Backoff(first: 2, longest: 60)
    var waits: [TimeInterval] = []
    for _ in 0..<50 { waits.append(backoff.failed(retryAfter: nil)) }
    for (i, wait) in waits.enumerated() {
      let most = min(60, 2 * pow(2, Double(i)))
      XCTAssertTrue(wait >= most / 2 && wait <= most, "failure \(i + 1): \(wait)")
    }
    XCTAssertEqual(backoff.failed(retryAfter: 1e9), 3600)
    backoff.succeeded()
    XCTAssertLessThanOrEqual(backoff.failed(retryAfter: nil), 2)
  }

  func testEndpoint_PlainHttp_IsForLoopbackOnly() throws {
    expectError(.invalidArgument, "http://edge.example") { try ServerEndpoint(URL(string: "http://edge.example")!) }
    expectError(.invalidArgument) { try ServerEndpoint(URL(string: "ftp://localhost")!) }
    XCTAssertNoThrow(try ServerEndpoint(URL(string: "https://edge.example/reelsense")!))
    XCTAssertNoThrow(try ServerEndpoint(URL(string: "http://localhost:8080")!))
    let request = try ServerEndpoint(URL(string: "https://edge.example/base")!).request("v1/classify", json: Data())
    XCTAssertEqual(request.url?.absoluteString, "https://edge.example/base/v1/classify")
  }
}
