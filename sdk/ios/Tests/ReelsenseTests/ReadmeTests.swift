import XCTest

@testable import Reelsense

/// README.md says nothing that was not compiled, and shows no output that was not printed.
final class ReadmeTests: XCTestCase {
  private let package = sourceTree.appendingPathComponent("sdk/ios")

  /// Blocks of README.md in a language, as trimmed lines.
  private func blocks(_ language: String) throws -> [[String]] {
    let text = try String(contentsOf: package.appendingPathComponent("README.md"), encoding: .utf8)
    var blocks: [[String]] = []
    var inside: [String]?
    for line in text.components(separatedBy: "\n") {
      if line == "```\(language)" {
        inside = []
      } else if line == "```", let block = inside {
        blocks.append(block)
        inside = nil
      } else {
        inside?.append(line.trimmingCharacters(in: .whitespaces))
      }
    }
    return blocks
  }

  func testSnippets_All_AreInACompiledExample() throws {
    let files = try FileManager.default.subpathsOfDirectory(atPath: package.appendingPathComponent("Examples").path)
    let examples = try files.filter { $0.hasSuffix(".swift") && !$0.contains(".build") }.map { file in
      let text = try String(contentsOf: package.appendingPathComponent("Examples/\(file)"), encoding: .utf8)
      return text.components(separatedBy: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
    }
    let snippets = try blocks("swift")
    XCTAssertGreaterThanOrEqual(snippets.count, 7)
    for snippet in snippets {
      let isThere = examples.contains { example in
        example.indices.contains { example[$0...].starts(with: snippet) }
      }
      XCTAssertTrue(isThere, "no file of Examples holds:\n\(snippet.joined(separator: "\n"))")
    }
  }

  private func quickStart(_ arguments: String...) throws -> [String] {
    guard let path = ProcessInfo.processInfo.environment["REELSENSE_QUICK_START"],
      FileManager.default.isExecutableFile(atPath: path)
    else {
      throw XCTSkip("REELSENSE_QUICK_START is not Examples/QuickStart's program; scripts/swift-sdk-tests builds it")
    }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = [modelFile("reelsense-ue-socket").path] + arguments
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let text = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    XCTAssertEqual(process.terminationStatus, 0)
    return String(decoding: text, as: UTF8.self).split(separator: "\n").map(String.init)
  }

  func testReplay_Run_PrintsWhatTheReadmeSays() throws {
    let printed = try quickStart()
    XCTAssertEqual(printed, try XCTUnwrap(blocks("text").first))
  }

  func testFetchAndServer_Run_LabelEscalateAndSend() throws {
    let video = LocalServer { _ in
      .init(pieces: Array(repeating: Data(repeating: 1, count: 65_536), count: 20), pause: 0.02)
    }
    let edge = LocalServer { request in
      request.path == "/v1/observations"
        ? .json("{\"stored\": 1}")
        : .json(
          """
          {"model": "reelsense-edge@1.0.0", "labels": [{"flow": "a", "second": 1, "label": "non-video",
            "confidence": 0.9, "probability": 0.1, "uncertain": false}]}
          """)
    }
    let lines = try quickStart(
      video.url.appendingPathComponent("reel.mp4").absoluteString, modelFile("reelsense-ue").path,
      edge.url.absoluteString)
    XCTAssertEqual(video.requests.map(\.path), ["/reel.mp4"])
    XCTAssertTrue(lines.contains { $0.hasPrefix("label: ") }, "\(lines)")
    XCTAssertTrue(lines.contains { $0.hasPrefix("prefetch ") && $0.contains(" ms, at most ") }, "\(lines)")
    XCTAssertEqual(lines.suffix(1), ["sent: 1"])
    let asked = edge.requests.map(\.path)
    XCTAssertEqual(asked.last, "/v1/observations")
    XCTAssertTrue(lines.contains("escalated: \(asked.count - 1) kept: 1"), "\(lines), \(asked)")
  }
}
