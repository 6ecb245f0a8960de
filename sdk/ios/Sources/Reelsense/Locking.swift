import Foundation

extension NSLocking {
  /// Runs `body` under the lock. (Foundation's own `withLock` is not there on every system that the package supports.)
  func locked<Result>(_ body: () throws -> Result) rethrows -> Result {
    lock()
    defer { unlock() }
    return try body()
  }
}
