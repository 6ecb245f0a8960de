import XCTest

@testable import Reelsense

final class ConnectionBookTests: XCTestCase {
  private let origin = "https://cdn.example:443"
  private let plain = "http://cdn.example:80"

  func testTransfers_Multiplexed_ShareAConnection() throws {
    let book = ConnectionBook(try Classifier(model: Released.socket))
    let a = try book.begin(origin: origin, at: start)
    let b = try book.begin(origin: origin, at: start)
    let other = try book.begin(origin: "https://api.example:443", at: start)
    XCTAssertEqual(a.flow?.id, b.flow?.id)
    XCTAssertNotEqual(a.flow?.id, other.flow?.id)
    XCTAssertEqual(book.count, 2)
  }

  func testTransfers_Http1_TakeOneEachAndReuseTheLast() throws {
    let book = ConnectionBook(try Classifier(model: Released.socket))
    let a = try book.begin(origin: plain, at: start)
    let b = try book.begin(origin: plain, at: start)
    XCTAssertNotEqual(a.flow?.id, b.flow?.id)
    a.end(at: start + second)
    b.end(at: start + 2 * second)
    let c = try book.begin(origin: plain, at: start + 3 * second)
    XCTAssertEqual(c.flow?.id, b.flow?.id)
    XCTAssertEqual(book.count, 2)
  }

  func testOrigin_LearntAsHttp1_OpensMore() throws {
    let book = ConnectionBook(try Classifier(model: Released.socket))
    book.learn(origin: origin, networkProtocol: "http/1.1")
    let a = try book.begin(origin: origin, at: start)
    XCTAssertNotEqual(a.flow?.id, try book.begin(origin: origin, at: start).flow?.id)
    book.learn(origin: origin, networkProtocol: "h3")
    XCTAssertEqual(
      try book.begin(origin: origin, at: start).flow?.id, try book.begin(origin: origin, at: start).flow?.id)
  }

  func testConnection_IdleForTheKeepAlive_Closes() throws {
    let classifier = try Classifier(model: Released.socket)
    let book = ConnectionBook(classifier, keepAlive: 30)
    let a = try book.begin(origin: plain, at: start)
    try a.read(100, at: start)
    book.closeIdle(at: start + 100 * second)
    XCTAssertEqual(book.count, 1, "a transfer runs on it")
    a.end(at: start + 100 * second)
    book.closeIdle(at: start + 129 * second)
    XCTAssertEqual(book.count, 1)
    book.closeIdle(at: start + 130 * second)
    XCTAssertEqual(book.count, 0)
    XCTAssertEqual(try classifier.counters().ended, [.finished: 1])
    expectError(.closed) { try a.read(1, at: start + 131 * second) }
  }

  func testConnection_EvictedByTheClassifier_BeginsAnew() throws {
    var options = Classifier.Options(view: .socket)
    options.maxFlows = 1
    let classifier = try Classifier(model: Released.socket, options: options)
    let book = ConnectionBook(classifier)
    let a = try book.begin(origin: origin, at: start)
    let id = a.flow?.id
    let stranger = try classifier.openFlow(at: start + 1)
    try a.read(500, at: start + 2)
    XCTAssertNotEqual(a.flow?.id, id)
    XCTAssertEqual(try classifier.counters().records, 1)
    expectError(.closed) { try stranger.read(1, at: start + 3) }
  }

  func testTransfer_Ended_CountsNoMore() throws {
    let book = ConnectionBook(try Classifier(model: Released.socket))
    let a = try book.begin(origin: origin, at: start)
    a.end(at: start)
    a.end(at: start)
    expectError(.closed, "has ended") { try a.write(1, at: start) }
    let b = try book.begin(origin: plain, at: start)
    book.closeAll(at: start)
    XCTAssertEqual(book.count, 0)
    expectError(.closed) { try b.peek() }
  }

  func testBook_AskedFromAHandlerWhileOthersTransfer_DoesNotLock() throws {
    let classifier = try Classifier(model: Released.socket)
    let book = ConnectionBook(classifier)
    let shown = try book.begin(origin: origin, at: start)
    classifier.setHandler { _ in
      _ = book.count
      _ = try? shown.peek()
    }
    DispatchQueue.concurrentPerform(iterations: 4) { worker in
      for i in 0..<500 {
        guard let one = try? book.begin(origin: "http://\(worker):80", at: start + Int64(i) * second / 50) else {
          continue
        }
        try? one.read(100, at: start + Int64(i) * second / 50)
        one.end(at: start + Int64(i) * second / 50)
      }
    }
    XCTAssertEqual(book.count, 5)
  }
}
