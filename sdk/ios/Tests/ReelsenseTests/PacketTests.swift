import XCTest

@testable import Reelsense

final class PacketTests: XCTestCase {
  private let client: [UInt8] = [10, 0, 0, 7]
  private let server: [UInt8] = [203, 0, 113, 80]

  func testTunnel_BothDirections_AreOneFlowOfTheApp() throws {
    let meter = try TunnelMeter(model: Released.packet)
    let log = meter.classifier.record()
    for at in 0..<3 {
      let now = start + Int64(at) * second
      try meter.observe([ipv4(client: client, server: server, port: 50_000, total: 80, down: false)], at: now)
      let down = (0..<100).map { _ in ipv4(client: client, server: server, port: 50_000, total: 1400, down: true) }
      try meter.observe(down, at: now + 100_000_000)
    }
    try meter.classifier.finish()
    XCTAssertEqual(log.value.ended.count, 1)
    let window = try XCTUnwrap(log.value.windows.first)
    XCTAssertEqual(window.packetsUp, 1)
    XCTAssertEqual(window.packetsDown, 100)
    XCTAssertEqual(window.bytesDown, 140_000)
    XCTAssertEqual(window.tuple?.client.description, "10.0.0.7")
    XCTAssertEqual(window.tuple?.serverPort, 443)
    XCTAssertEqual(window.tuple?.transport, 17)
    XCTAssertEqual(window.features.count, 48)
  }

  func testTunnel_Garbage_IsCountedByReason() throws {
    let meter = try TunnelMeter(model: Released.packet)
    try meter.observe([Data(), Data([0xff]), Data([0x45, 0]), Data(repeating: 0x60, count: 5)], at: start)
    let counters = try meter.classifier.counters()
    XCTAssertEqual(counters.dropped.values.reduce(0, +), 4, "\(counters.dropped)")
    XCTAssertEqual(counters.records, 0)
  }

  func testFrames_InBatchesOfAnySize_SameWindows() throws {
    let frames: [Frame] = (0..<200).map { (i: Int) -> Frame in
      let port = UInt16(50_000 + i % 7)
      let data = ipv4(client: client, server: server, port: port, total: 60 + 6 * i, down: i % 3 != 0)
      return Frame(timeNs: start + Int64(i) * 11_000_000, data: data)
    }
    var answers: [[FlowWindow]] = []
    for step in [1, 31, 32, 33, 200] {
      let classifier = try Classifier(model: Released.packet)
      let log = classifier.record()
      for begin in stride(from: 0, to: frames.count, by: step) {
        try classifier.add(Array(frames[begin..<min(begin + step, frames.count)]))
      }
      try classifier.finish()
      answers.append(log.value.windows)
    }
    XCTAssertFalse(answers[0].isEmpty)
    XCTAssertTrue(answers.allSatisfy { $0 == answers[0] })
  }

  func testFrames_CutAt96Bytes_SameWindowsAsWhole() throws {
    let whole: [Data] = (0..<100).map { (i: Int) -> Data in
      ipv4(client: client, server: server, port: 50_000, total: 200 + i, down: i % 4 != 0)
    }
    let windows: [[FlowWindow]] = try [true, false].map { (cut: Bool) -> [FlowWindow] in
      let classifier = try Classifier(model: Released.packet)
      let log = classifier.record()
      let frames: [Frame] = whole.enumerated().map { (i: Int, data: Data) -> Frame in
        Frame(timeNs: start + Int64(i) * 5_000_000, data: cut ? data.prefix(96) : data, wireBytes: data.count)
      }
      try classifier.add(frames)
      try classifier.finish()
      return log.value.windows
    }
    XCTAssertEqual(windows[0], windows[1])
    XCTAssertEqual(windows[0].count, 1)
  }

  /// The packet tunnel's budget: 50 MB for the whole provider. A storm of flows must not grow it.
  func testTunnel_StormOfFlows_StaysWithinItsMemory() throws {
    let meter = try TunnelMeter(model: Released.packet)
    func storm(_ from: Int) throws {
      for block in 0..<250 {
        let packets: [Data] = (0..<64).map { (i: Int) -> Data in
          let n = from + block * 64 + i
          let phone: [UInt8] = [10, 0, UInt8(truncatingIfNeeded: n >> 8), UInt8(truncatingIfNeeded: n)]
          let port = UInt16(truncatingIfNeeded: 10_000 + n)
          return ipv4(client: phone, server: server, port: port, total: 60, down: i % 2 == 0)
        }
        try meter.observe(packets, at: start + Int64(from + block) * 20_000_000)
      }
    }
    try storm(0)
    let before = residentKB()
    try storm(16_000)
    try storm(32_000)
    let counters = try meter.classifier.counters()
    XCTAssertLessThanOrEqual(counters.peakFlows, 1024)
    XCTAssertGreaterThan(counters.ended[.evicted] ?? 0, 10_000)
    XCTAssertLessThan(counters.memoryBytes, 2_000_000)
    // The address sanitizer keeps what was freed, so the process grows under it whatever the package does.
    if ProcessInfo.processInfo.environment["REELSENSE_SANITIZE"] != "address" {
      XCTAssertLessThan(residentKB() - before, 4_000, "kB more after 32,000 packets of new flows")
    }
    print("tunnel: \(counters.memoryBytes) bytes for 1,024 flows, process at \(residentKB()) kB")
  }

  private func residentKB() -> Int {
    let statm = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
    let fields = statm.split(separator: " ").compactMap { Int($0) }
    return fields.count > 1 ? fields[1] * 4 : 0
  }
}
