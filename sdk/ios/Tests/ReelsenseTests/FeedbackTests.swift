import XCTest

@testable import Reelsense

final class FeedbackTests: XCTestCase {
  private let scratch = Scratch()

  private func options(sample: Double = 1, records: Int = 100) -> FeedbackQueue.Options {
    var options = FeedbackQueue.Options()
    options.sample = sample
    options.records = records
    return options
  }

  private func someWindows(_ count: Int) throws -> [FlowWindow] {
    let classifier = try Classifier(model: Released.socket)
    let log = classifier.record()
    let flow = try classifier.openFlow(at: start)
    for at in 0..<count { try flow.read(16_384 + at, at: start + Int64(at) * second) }
    try classifier.finish()
    return log.value.windows
  }

  func testQueue_Reopened_HasEverything() throws {
    let file = scratch.file("queue")
    do {
      let queue = try FeedbackQueue(file, model: Released.socket, options: options())
      for window in try someWindows(7) { XCTAssertTrue(try queue.add(window, truth: .video)) }
    }
    let queue = try FeedbackQueue(file, model: Released.socket, options: options(records: 5))
    XCTAssertEqual(queue.count, 7, "the file keeps its size")
    try queue.discard(3)
    XCTAssertEqual(queue.count, 4)
    try queue.erase()
    XCTAssertNil(try queue.peek())
  }

  func testQueue_ProcessKilled_LosesNothing() throws {
    let file = scratch.file("queue")
    let writer = Process()
    #if os(Linux)
      let products = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
    #else
      let products = Bundle(for: FeedbackTests.self).bundleURL.deletingLastPathComponent()
    #endif
    writer.executableURL = products.appendingPathComponent("FeedbackWriter")
    writer.arguments = [file.path, modelFile("reelsense-ue-socket").path]
    let output = Pipe()
    writer.standardOutput = output
    try writer.run()
    var said = Data()
    while said.count < 2000 { said.append(output.fileHandleForReading.availableData) }
    kill(writer.processIdentifier, SIGKILL)
    writer.waitUntilExit()
    said.append(output.fileHandleForReading.readDataToEndOfFile())
    let lines = String(decoding: said, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
    let acknowledged = lines.dropLast().compactMap { Int($0) }.max() ?? 0
    XCTAssertGreaterThan(acknowledged, 100)

    let queue = try FeedbackQueue(file, model: Released.socket, options: options())
    XCTAssertGreaterThanOrEqual(queue.count, acknowledged)
    XCTAssertLessThanOrEqual(queue.count, acknowledged + 1)
    XCTAssertEqual(queue.lost, 0)
  }

  func testQueue_Full_LeavesOutAndCounts() throws {
    let queue = try FeedbackQueue(scratch.file("queue"), model: Released.socket, options: options(records: 3))
    let windows = try someWindows(5)
    for window in windows.prefix(3) { XCTAssertTrue(try queue.add(window)) }
    expectError(.limit) { try queue.add(windows[3]) }
    expectError(.limit) { try queue.add(windows[4]) }
    XCTAssertEqual(queue.count, 3)
    XCTAssertEqual(queue.lost, 2)
  }

  func testQueue_Sampled_KeepsItsShare() throws {
    let queue = try FeedbackQueue(
      scratch.file("queue"), model: Released.socket, options: options(sample: 0.2, records: 2000))
    let window = try XCTUnwrap(someWindows(1).first)
    let kept = try (0..<2000).filter { _ in try queue.add(window) }.count
    XCTAssertEqual(Double(kept), 400, accuracy: 100)
    XCTAssertEqual(queue.count, kept)
  }

  func testQueue_OpenTwice_IsBusy() throws {
    let file = scratch.file("queue")
    let queue = try FeedbackQueue(file, model: Released.socket, options: options())
    expectError(.busy, file.path) { try FeedbackQueue(file, model: Released.socket, options: self.options()) }
    XCTAssertEqual(queue.count, 0)
  }

  func testQueue_FileOfSomethingElse_IsCorruptAndLeftAlone() throws {
    let file = scratch.file("notes")
    let notes = Data(repeating: 0x41, count: 8192)
    try notes.write(to: file)
    expectError(.corrupt, file.path) { try FeedbackQueue(file, model: Released.socket, options: self.options()) }
    XCTAssertEqual(try Data(contentsOf: file), notes)
  }

  func testQueue_NoPlace_IsAStorageError() throws {
    expectError(.storage, "/nowhere/queue") {
      try FeedbackQueue(URL(fileURLWithPath: "/nowhere/queue"), model: Released.socket, options: self.options())
    }
    #if os(Linux)
      // A full disk, as far as a file can tell.
      expectError(.storage, "/dev/full") {
        try FeedbackQueue(URL(fileURLWithPath: "/dev/full"), model: Released.socket, options: self.options())
      }
    #endif
    expectError(.invalidArgument, "records is 0") {
      try FeedbackQueue(self.scratch.file("queue"), model: Released.socket, options: self.options(records: 0))
    }
    expectError(.invalidArgument, "sample") {
      try FeedbackQueue(self.scratch.file("queue"), model: Released.socket, options: self.options(sample: 2))
    }
  }

  func testAdd_WindowOfAnotherView_IsAMismatch() throws {
    let queue = try FeedbackQueue(scratch.file("queue"), model: Released.packet, options: options())
    let window = try XCTUnwrap(someWindows(1).first)
    expectError(.mismatch, "28 features") { try queue.add(window) }
  }

  func testBatch_Written_HoldsNoTimeFlowOrAddress() throws {
    let queue = try FeedbackQueue(scratch.file("queue"), model: Released.socket, options: options())
    for window in try someWindows(3) { try queue.add(window, truth: .nonVideo) }
    let batch = try XCTUnwrap(queue.peek())
    XCTAssertEqual(batch.records, 3)
    let body = try XCTUnwrap(JSONSerialization.jsonObject(with: batch.json) as? [String: Any])
    XCTAssertEqual((body["observations"] as? [Any])?.count, 3)
    XCTAssertEqual(body["view"] as? String, "socket")
    let text = String(decoding: batch.json, as: UTF8.self)
    XCTAssertFalse(text.contains("1700000"), "a time")
    for key in ["flow", "second", "time", "address", "tuple"] { XCTAssertFalse(text.contains("\"\(key)\""), key) }
  }
}
