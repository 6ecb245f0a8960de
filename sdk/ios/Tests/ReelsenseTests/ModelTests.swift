import XCTest

@testable import Reelsense

final class ModelTests: XCTestCase {
  func testModel_Released_SaysWhatItIs() throws {
    let info = Released.socket.info
    XCTAssertEqual(info.name, "reelsense-ue-socket")
    XCTAssertEqual(info.version, "1.0.0")
    XCTAssertEqual(info.view, .socket)
    XCTAssertLessThan(info.uncertainLow, info.threshold)
    XCTAssertGreaterThan(info.uncertainHigh, info.threshold)
    XCTAssertFalse(info.kernel.isEmpty)
    XCTAssertEqual(Released.packet.info.view, .packet)
  }

  func testModel_DamagedBytes_IsCorruptAndSaysWhere() throws {
    expectError(.corrupt) { try TrafficModel(data: Data("no model".utf8)) }
    var bytes = try Data(contentsOf: modelFile("reelsense-ue-socket"))
    bytes.removeLast(bytes.count / 2)
    expectError(.corrupt) { try TrafficModel(data: bytes) }
    XCTAssertThrowsError(try TrafficModel(data: Data())) { XCTAssertTrue($0 is ReelsenseError) }
  }

  func testModel_MissingFile_NamesThePath() {
    expectError(.storage, "/nowhere/model.onnx") {
      try TrafficModel(contentsOf: URL(fileURLWithPath: "/nowhere/model.onnx"))
    }
  }

  func testModel_OfARecordView_IsRefused() {
    XCTAssertThrowsError(try TrafficModel(contentsOf: modelFile("reelsense-ue-record"))) { error in
      XCTAssertTrue([.mismatch, .unsupported].contains((error as? ReelsenseError)?.code), "\(error)")
    }
  }

  func testClassify_RowsOfAnotherWidth_NameTheWidth() {
    expectError(.invalidArgument, "a multiple of 28") { try Released.socket.classify([1, 2, 3]) }
    XCTAssertEqual(try Released.socket.classify([]), [])
  }

  func testClassify_OneRowOrMany_SameAnswers() throws {
    let width = TrafficView.socket.featureCount
    let rows = (0..<(300 * width)).map { Float(($0 * 7919) % 97) / 4 }
    let together = try Released.socket.classify(rows)
    XCTAssertEqual(together.count, 300)
    for i in stride(from: 0, to: 300, by: 37) {
      XCTAssertEqual(try Released.socket.classify(Array(rows[(i * width)..<((i + 1) * width)])), [together[i]])
    }
    XCTAssertGreaterThan(Set(together.map(\.probability)).count, 1)
  }

  func testView_Schema_IsThatOfTheReleasedBundle() throws {
    struct Manifest: Decodable { let schema_hash: String }
    for (view, name) in [(TrafficView.packet, "reelsense-ue"), (.socket, "reelsense-ue-socket")] {
      let file = modelFile(name).deletingLastPathComponent().appendingPathComponent("manifest.json")
      let manifest = try JSONDecoder().decode(Manifest.self, from: Data(contentsOf: file))
      XCTAssertEqual(view.schemaHash, manifest.schema_hash)
      XCTAssertEqual(view.featureNames.count, view.featureCount)
      XCTAssertEqual(Set(view.featureNames).count, view.featureCount)
    }
  }

  func testPolicy_Settings_AreCheckedAgainstTheirRange() throws {
    XCTAssertFalse(QoSPolicy.settings.isEmpty)
    for setting in QoSPolicy.settings {
      var policy = QoSPolicy()
      XCTAssertEqual(try policy.value(of: setting.name), setting.standard, setting.name)
      expectError(.invalidArgument, setting.name) { try policy.set(setting.name, to: setting.range.upperBound + 1) }
      XCTAssertEqual(policy, QoSPolicy(), "a refused value changes nothing")
      expectError(.invalidArgument, setting.name) { try policy.set(setting.name, to: .nan) }
    }
    expectError(.invalidArgument, "no_such_setting") { try QoSPolicy(["no_such_setting": 1]) }
  }

  func testPolicy_Changed_IsKept() throws {
    let setting = try XCTUnwrap(QoSPolicy.settings.first)
    let other = setting.standard == setting.range.lowerBound ? setting.range.upperBound : setting.range.lowerBound
    var policy = QoSPolicy()
    do { try policy.set(setting.name, to: other) } catch {
      // Bounded by another setting: the message says so.
      return expectError(.invalidArgument, setting.name) { throw error }
    }
    XCTAssertEqual(try policy.value(of: setting.name), other)
    XCTAssertNotEqual(policy, QoSPolicy())
  }
}
