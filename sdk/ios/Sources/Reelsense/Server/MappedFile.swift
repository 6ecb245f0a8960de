import Foundation

/// A file of fixed size in memory, opened by one process at a time.
///
/// Its blocks are written before it is mapped: a full disk is then an error here and not a fault at some later write.
final class MappedFile {
  let memory: UnsafeMutableRawPointer
  let bytes: Int
  private let descriptor: Int32

  /// Opens or makes it. A file that is there keeps its size.
  /// - Throws: `storage`, or `busy` if another queue has it open.
  init(_ url: URL, newFileBytes: Int) throws {
    let path = url.path
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw Self.failure(path, "cannot be opened") }
    do {
      guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
        throw ReelsenseError(.busy, "\(path): another feedback queue has it open; one at a time is expected")
      }
      bytes = try Self.fill(descriptor, path, newFileBytes)
      guard let mapped = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0), mapped != MAP_FAILED
      else {
        throw Self.failure(path, "cannot be mapped, \(newFileBytes) bytes")
      }
      memory = mapped
      self.descriptor = descriptor
    } catch {
      _ = close(descriptor)
      throw error
    }
    Self.protect(url)
  }

  deinit {
    munmap(memory, bytes)
    _ = close(descriptor)
  }

  /// Asks the system to bring all to the disk: for a moment when power may go. A crash of the process needs no flush.
  func flush() { msync(memory, bytes, MS_ASYNC) }

  private static func fill(_ descriptor: Int32, _ path: String, _ newFileBytes: Int) throws -> Int {
    let there = lseek(descriptor, 0, SEEK_END)
    guard there >= 0 else { throw failure(path, "has no size") }
    if there > 0 { return Int(there) }
    let zeros = [UInt8](repeating: 0, count: 64 * 1024)
    var left = newFileBytes
    while left > 0 {
      let wrote = write(descriptor, zeros, min(left, zeros.count))
      if wrote < 0 && errno == EINTR { continue }
      guard wrote > 0 else {
        let error = failure(path, "cannot grow to \(newFileBytes) bytes")
        ftruncate(descriptor, 0)
        throw error
      }
      left -= wrote
    }
    return newFileBytes
  }

  /// On a locked iPhone a file with full protection faults when it is touched; and feedback needs no backup.
  private static func protect(_ url: URL) {
    #if os(iOS) || os(tvOS) || os(visionOS)
      try? FileManager.default.setAttributes(
        [.protectionKey: FileProtectionType.completeUntilFirstUserAuthentication], ofItemAtPath: url.path)
    #endif
    #if canImport(Darwin)
      var values = URLResourceValues()
      values.isExcludedFromBackup = true
      var url = url
      try? url.setResourceValues(values)
    #endif
  }

  private static func failure(_ path: String, _ what: String) -> ReelsenseError {
    ReelsenseError(.storage, "\(path): \(what): \(String(cString: strerror(errno)))")
  }
}
