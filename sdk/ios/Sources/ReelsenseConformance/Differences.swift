import Foundation

/// Gathers differences; a case with any has failed.
struct Differences {
  private var found: [String] = []
  private var count = 0
  private let shown = 5

  mutating func equal<Value: Equatable>(_ what: @autoclosure () -> String, _ got: Value, _ expected: Value) {
    if got != expected { add("\(what()): got \(got), expected \(expected)") }
  }

  /// Within 1e-6 of the expected value, of 1 below 1.
  mutating func close(_ what: @autoclosure () -> String, _ got: Float, _ expected: Double) {
    let difference = abs(Double(got) - expected)
    if !(difference <= 1e-6 * max(1, abs(expected))) { add("\(what()): got \(got), expected \(expected)") }
  }

  /// Rows of equal number, each a feature vector.
  mutating func close(_ what: @autoclosure () -> String, _ got: [Float], _ expected: [Double]) {
    guard got.count == expected.count else {
      return add("\(what()): got \(got.count) values, expected \(expected.count)")
    }
    for (i, (a, b)) in zip(got, expected).enumerated() { close("\(what())[\(i)]", a, b) }
  }

  private mutating func add(_ text: String) {
    count += 1
    if found.count < shown { found.append(text) }
  }

  func throwIfAny() throws {
    if count > 0 { throw Mismatch("\(count) differences:\n  " + found.joined(separator: "\n  ")) }
  }
}
