import Foundation
import XCTest

@testable import Reelsense

/// The source tree: this file lies in sdk/ios/Tests/ReelsenseTests.
let sourceTree = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../../..")
  .standardizedFileURL

func modelFile(_ name: String) -> URL { sourceTree.appendingPathComponent("models/\(name)/1.0.0/model.onnx") }

/// The released models. Immutable, so read once.
enum Released {
  static let socket = try! TrafficModel(contentsOf: modelFile("reelsense-ue-socket"))
  static let packet = try! TrafficModel(contentsOf: modelFile("reelsense-ue"))
}

let second: Int64 = 1_000_000_000
/// A time on the border of a second.
let start: Int64 = 1_700_000_000 * second

/// Collects from any thread.
final class Box<Value>: @unchecked Sendable {
  private let lock = NSLock()
  private var stored: Value
  init(_ value: Value) { stored = value }
  var value: Value { lock.locked { stored } }
  func change<Result>(_ body: (inout Value) -> Result) -> Result { lock.locked { body(&stored) } }
}

extension Classifier {
  /// Everything that it says from now on.
  func record() -> Box<[Event]> {
    let box = Box<[Event]>([])
    setHandler { event in box.change { $0.append(event) } }
    return box
  }
}

extension Array where Element == Classifier.Event {
  var windows: [FlowWindow] { compactMap { if case .window(let window) = $0 { window } else { nil } } }
  var seconds: [SessionSecond] { compactMap { if case .second(let second) = $0 { second } else { nil } } }
  var ended: [FlowSummary] { compactMap { if case .flowEnded(let flow) = $0 { flow } else { nil } } }
}

/// Expects a ReelsenseError of this code whose message holds `text`.
func expectError<Result>(
  _ code: ReelsenseError.Code, _ text: String = "", file: StaticString = #filePath, line: UInt = #line,
  _ body: () throws -> Result
) {
  do {
    _ = try body()
    XCTFail("an error \(code) is expected", file: file, line: line)
  } catch let error as ReelsenseError {
    XCTAssertEqual(error.code, code, error.message, file: file, line: line)
    XCTAssertTrue(
      text.isEmpty || error.message.contains(text), "\(error.message) is expected to say: \(text)", file: file,
      line: line)
  } catch {
    XCTFail("a ReelsenseError is expected, not \(error)", file: file, line: line)
  }
}

/// Traffic of a reels player on one connection: a request and a burst of about `bytes` every `every` seconds.
func playReels(_ flow: Flow, seconds: Int, every: Int = 4, bytes: Int = 1_400_000) throws {
  for at in 0..<seconds where at % every == 0 {
    let begin = start + Int64(at) * second + 20_000_000
    try flow.write(420, at: begin)
    for read in 0..<(bytes / 16_384) { try flow.read(16_384, at: begin + 40_000_000 + Int64(read) * 6_000_000) }
  }
}

/// A folder of the test's own, removed afterwards.
final class Scratch {
  let url = FileManager.default.temporaryDirectory.appendingPathComponent("reelsense-\(UUID().uuidString)")
  init() { try! FileManager.default.createDirectory(at: url, withIntermediateDirectories: true) }
  deinit { try? FileManager.default.removeItem(at: url) }
  func file(_ name: String) -> URL { url.appendingPathComponent(name) }
}

/// An IPv4 UDP packet without content, from `client` to `server` or back.
func ipv4(client: [UInt8], server: [UInt8], port: UInt16, total: Int, down: Bool) -> Data {
  var packet = [UInt8](repeating: 0, count: max(28, total))
  packet[0] = 0x45
  packet[2] = UInt8(truncatingIfNeeded: packet.count >> 8)
  packet[3] = UInt8(truncatingIfNeeded: packet.count)
  packet[8] = 64
  packet[9] = 17
  packet.replaceSubrange(12..<16, with: down ? server : client)
  packet.replaceSubrange(16..<20, with: down ? client : server)
  let ports = down ? [443, port] : [port, 443]
  for (i, value) in ports.enumerated() {
    packet[20 + 2 * i] = UInt8(truncatingIfNeeded: value >> 8)
    packet[21 + 2 * i] = UInt8(truncatingIfNeeded: value)
  }
  packet[24] = UInt8(truncatingIfNeeded: (packet.count - 20) >> 8)
  packet[25] = UInt8(truncatingIfNeeded: packet.count - 20)
  return Data(packet)
}
