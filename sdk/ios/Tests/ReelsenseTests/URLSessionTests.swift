import XCTest

@testable import Reelsense

#if canImport(FoundationNetworking)
  import FoundationNetworking
#endif

/// Real URLSession tasks against a server on loopback.
final class URLSessionTests: XCTestCase {
  /// Remembers what the delegate saw of the label when the header was there and no body yet.
  private final class App: MeteredSessionDelegate, @unchecked Sendable {
    let early = Box<[Decision?]>([])
    let data = Box<Int>(0)
    private let done = DispatchSemaphore(value: 0)
    override func urlSession(
      _ session: URLSession, dataTask: URLSessionDataTask, didReceive response: URLResponse,
      completionHandler: @escaping @Sendable (URLSession.ResponseDisposition) -> Void
    ) {
      super.urlSession(session, dataTask: dataTask, didReceive: response) { disposition in
        self.early.change { $0.append(self.meter.peek(dataTask)) }
        completionHandler(disposition)
      }
    }
    override func urlSession(_ session: URLSession, dataTask: URLSessionDataTask, didReceive data: Data) {
      super.urlSession(session, dataTask: dataTask, didReceive: data)
      self.data.change { $0 += data.count }
    }
    override func urlSession(_ session: URLSession, task: URLSessionTask, didCompleteWithError error: (any Error)?) {
      super.urlSession(session, task: task, didCompleteWithError: error)
      done.signal()
    }
    /// Waits until a task is complete.
    func waitForTask(file: StaticString = #filePath, line: UInt = #line) {
      XCTAssertEqual(
        done.wait(timeout: .now() + 60), .success, "a task is complete within a minute", file: file, line: line)
    }
  }

  func testDelegate_TwoRequests_AreOneConnectionWithTheirBytes() throws {
    let server = LocalServer { _ in
      .init(pieces: Array(repeating: Data(repeating: 7, count: 50_000), count: 6), pause: 0.01)
    }
    let classifier = try Classifier(model: Released.socket)
    let log = classifier.record()
    let app = App(classifier)
    let session = URLSession(configuration: .ephemeral, delegate: app, delegateQueue: nil)
    for _ in 0..<2 {
      let task = session.dataTask(with: server.url.appendingPathComponent("reel.mp4"))
      app.meter.started(task)
      task.resume()
      app.waitForTask()
    }
    XCTAssertEqual(app.meter.book.count, 1, "the idle connection was taken again")
    XCTAssertEqual(server.connections, 1, "as the network stack did")
    XCTAssertEqual(app.data.value, 600_000)
    XCTAssertEqual(app.early.value.compactMap { $0 }.count, 2, "there is a label before each body")
    XCTAssertEqual(app.meter.running, 0)
    XCTAssertEqual(app.meter.failures, 0)
    session.invalidateAndCancel()
    try classifier.finish()
    let down = log.value.windows.reduce(0) { $0 + $1.bytesDown }
    XCTAssertGreaterThan(down, 600_000)
    XCTAssertLessThan(down, 601_000, "bodies and headers, counted once")
    XCTAssertGreaterThan(log.value.windows.reduce(0) { $0 + $1.bytesUp }, 400)
  }

  func testDelegate_Upload_CountsItsBody() throws {
    let server = LocalServer { _ in .json("{}") }
    let classifier = try Classifier(model: Released.socket)
    let log = classifier.record()
    let app = App(classifier)
    let session = URLSession(configuration: .ephemeral, delegate: app, delegateQueue: nil)
    var request = URLRequest(url: server.url.appendingPathComponent("upload"))
    request.httpMethod = "POST"
    session.uploadTask(with: request, from: Data(repeating: 1, count: 200_000)).resume()
    app.waitForTask()
    XCTAssertEqual(server.requests.first?.body.count, 200_000)
    session.invalidateAndCancel()
    try classifier.finish()
    let up = log.value.windows.reduce(0) { $0 + $1.bytesUp }
    XCTAssertGreaterThanOrEqual(up, 200_000)
    XCTAssertLessThan(up, 201_000)
  }

  func testDelegate_ServerGone_EndsTheTask() throws {
    let server = LocalServer { _ in nil }
    let classifier = try Classifier(model: Released.socket)
    let app = App(classifier)
    let session = URLSession(configuration: .ephemeral, delegate: app, delegateQueue: nil)
    session.dataTask(with: server.url).resume()
    app.waitForTask()
    XCTAssertEqual(app.meter.running, 0)
    session.invalidateAndCancel()
  }

  func testMeter_TasksNeverFinished_AreBounded() throws {
    let meter = TaskMeter(try Classifier(model: Released.socket))
    let session = URLSession(configuration: .ephemeral)
    let url = try XCTUnwrap(URL(string: "http://127.0.0.1:9/"))
    let tasks = (0..<(TaskMeter.taskLimit + 5)).map { _ in session.dataTask(with: url) }  // never resumed
    for task in tasks { meter.started(task) }
    XCTAssertEqual(meter.running, TaskMeter.taskLimit)
    XCTAssertEqual(meter.failures, 5)
    meter.finished(tasks[0])
    meter.started(try XCTUnwrap(tasks.last))
    XCTAssertEqual(meter.running, TaskMeter.taskLimit)
    session.invalidateAndCancel()
  }

  func testOrigin_OfRequests_IsSchemeHostPort() throws {
    func origin(_ text: String) -> String? { TaskMeter.origin(of: URL(string: text).map { URLRequest(url: $0) }) }
    XCTAssertEqual(origin("https://CDN.example/a?b"), "https://cdn.example:443")
    XCTAssertEqual(origin("http://cdn.example:8080/"), "http://cdn.example:8080")
    XCTAssertNil(origin("file:///tmp/a"))
    XCTAssertNil(TaskMeter.origin(of: nil))
  }

  func testTicker_WithTraffic_LabelsAndThenSleeps() throws {
    let classifier = try Classifier(model: Released.socket)
    let labelled = expectation(description: "a window")
    labelled.assertForOverFulfill = false
    classifier.setHandler { if case .window = $0 { labelled.fulfill() } }
    let ticker = Ticker(classifier, quietSeconds: 1)
    ticker.start()
    try classifier.openFlow().read(5000)
    wait(for: [labelled], timeout: 30)
    let quiet = expectation(description: "asleep")
    DispatchQueue.global().async {
      while !ticker.isPaused { usleep(20_000) }
      quiet.fulfill()
    }
    wait(for: [quiet], timeout: 30)
    let asleep = ticker.wakeUps
    usleep(1_300_000)
    XCTAssertEqual(ticker.wakeUps, asleep, "no wake-ups without traffic")
    try classifier.openFlow().read(5000)
    XCTAssertFalse(ticker.isPaused)
    ticker.stop()
    XCTAssertTrue(ticker.isPaused)
  }
}
