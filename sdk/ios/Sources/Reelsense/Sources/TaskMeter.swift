import Foundation

#if canImport(FoundationNetworking)
  import FoundationNetworking
#endif

/// Counts the bytes of URLSession tasks for a classifier of the socket view.
///
/// An app that has a session delegate of its own calls these methods from it, one line each; ``MeteredSessionDelegate``
/// is that delegate ready made. What URLSession does not tell is estimated: the bytes of a request's header from its
/// text, those of a response's likewise. Bodies are counted as the app gets them, after decompression.
///
/// AVPlayer loads its media by itself and not through an app's URLSession: an app that plays with AVPlayer meters its
/// `AVAssetResourceLoaderDelegate` or local proxy, whichever fetches the segments.
///
/// **Thread safety:** all methods from any thread. Nothing here throws: a connection that cannot be counted never stops
/// the app's transfer; ``failures`` counts.
public final class TaskMeter: @unchecked Sendable {  // all state is behind `lock`
  public let book: ConnectionBook
  private let lock = NSLock()
  private var transfers: [ObjectIdentifier: Entry] = [:]
  private var failed: UInt64 = 0
  /// Tasks at once; tasks beyond are not metered, and counted as failures.
  public static let taskLimit = 1024

  private final class Entry {
    let task: URLSessionTask  // keeps the identifier from being given to another task
    let transfer: ConnectionBook.Transfer
    let origin: String
    var observedBytes: Int64?
    var observation: AnyObject?
    init(_ task: URLSessionTask, _ transfer: ConnectionBook.Transfer, _ origin: String) {
      self.task = task
      self.transfer = transfer
      self.origin = origin
    }
  }

  public init(_ classifier: Classifier, keepAlive: TimeInterval = 60) {
    book = ConnectionBook(classifier, keepAlive: keepAlive)
  }

  /// Bytes or tasks that could not be counted.
  public var failures: UInt64 { lock.locked { failed } }
  /// Tasks that run.
  public var running: Int { lock.locked { transfers.count } }

  /// The task starts: its connection is chosen and the request's header written. Called late or not at all, the first
  /// bytes do the same.
  public func started(_ task: URLSessionTask, at nowNs: Int64 = EventTime.now) { _ = entry(task, nowNs) }

  /// The response's header is there, and its body not yet: the moment for ``peek(_:)``.
  public func received(_ response: URLResponse, for task: URLSessionTask, at nowNs: Int64 = EventTime.now) {
    guard let entry = entry(task, nowNs) else { return }
    note { try entry.transfer.read(Self.headerBytes(of: response), at: nowNs) }
  }

  /// Bytes of the response's body.
  public func received(_ bytes: Int, for task: URLSessionTask, at nowNs: Int64 = EventTime.now) {
    guard let entry = entry(task, nowNs), lock.locked({ entry.observedBytes == nil }) else { return }
    note { try entry.transfer.read(bytes, at: nowNs) }
  }

  /// Bytes of the request's body.
  public func sent(_ bytes: Int, for task: URLSessionTask, at nowNs: Int64 = EventTime.now) {
    guard let entry = entry(task, nowNs) else { return }
    note { try entry.transfer.write(bytes, at: nowNs) }
  }

  /// The protocol that the task's connection speaks, from `URLSessionTaskTransactionMetrics.networkProtocolName`.
  public func learnt(networkProtocol: String, of task: URLSessionTask) {
    guard let origin = Self.origin(of: task.currentRequest ?? task.originalRequest) else { return }
    book.learn(origin: origin, networkProtocol: networkProtocol)
  }

  /// The task is complete, with or without an error.
  public func finished(_ task: URLSessionTask, at nowNs: Int64 = EventTime.now) {
    let entry = lock.locked { transfers.removeValue(forKey: ObjectIdentifier(task)) }
    entry?.transfer.end(at: nowNs)
  }

  /// What the task's connection carries, as far as it is known; nil for a task that is not metered.
  public func peek(_ task: URLSessionTask) -> Decision? {
    let entry = lock.locked { transfers[ObjectIdentifier(task)] }
    return entry.flatMap { try? $0.transfer.peek() }
  }

  private func entry(_ task: URLSessionTask, _ nowNs: Int64) -> Entry? {
    if let known = lock.locked({ transfers[ObjectIdentifier(task)] }) { return known }
    guard let request = task.currentRequest ?? task.originalRequest, let origin = Self.origin(of: request) else {
      return nil  // file:, data:, about:
    }
    var made: Entry?
    note {
      guard makeRoom() else { throw ReelsenseError(.limit, "\(Self.taskLimit) tasks are metered already") }
      let transfer = try book.begin(origin: origin, at: nowNs)
      made = Entry(task, transfer, origin)
      try transfer.write(Self.headerBytes(of: request), at: nowNs)
    }
    guard let made else { return nil }
    // Two threads may come with the same task at once: the first one's entry stays.
    let kept = lock.locked {
      if let other = transfers[ObjectIdentifier(task)] { return other }
      transfers[ObjectIdentifier(task)] = made
      return made
    }
    if kept !== made { made.transfer.end(at: nowNs) }
    return kept
  }

  /// Tasks that nobody said are complete are forgotten when they are.
  private func makeRoom() -> Bool {
    let forgotten: [Entry] = lock.locked {
      guard transfers.count >= Self.taskLimit else { return [] }
      let complete = transfers.filter { $0.value.task.state == .completed }
      for key in complete.keys { transfers[key] = nil }
      return Array(complete.values)
    }
    for entry in forgotten { entry.transfer.end() }
    return lock.locked { transfers.count < Self.taskLimit }
  }

  private func note(_ body: () throws -> Void) {
    do { try body() } catch { lock.locked { failed += 1 } }
  }

  /// "https://host:443"; nil for what is no HTTP.
  static func origin(of request: URLRequest?) -> String? {
    guard let url = request?.url, let scheme = url.scheme?.lowercased(), let host = url.host?.lowercased(),
      scheme == "https" || scheme == "http"
    else { return nil }
    return "\(scheme)://\(host):\(url.port ?? (scheme == "https" ? 443 : 80))"
  }

  /// About what a request's header costs: its own fields, and some 200 bytes that the stack adds.
  static func headerBytes(of request: URLRequest) -> Int {
    let fields = request.allHTTPHeaderFields ?? [:]
    let line = (request.httpMethod ?? "GET").utf8.count + (request.url?.absoluteString.utf8.count ?? 0)
    return 200 + line + fields.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count + 4 }
  }

  static func headerBytes(of response: URLResponse) -> Int {
    guard let http = response as? HTTPURLResponse else { return 0 }
    return http.allHeaderFields.reduce(19) { sum, field in
      sum + String(describing: field.key).utf8.count + String(describing: field.value).utf8.count + 4
    }
  }
}

#if canImport(ObjectiveC)
  extension TaskMeter {
    /// Counts the body of a task whose data no delegate sees (`data(for:)`, completion handlers) by observing
    /// `countOfBytesReceived`; ``received(_:for:at:)`` then does nothing for it. Apple's systems only; not run in this
    /// project's tests, which have no Apple system.
    public func observe(_ task: URLSessionTask) {
      guard let entry = entry(task, EventTime.now) else { return }
      let isNew = lock.locked {
        guard entry.observedBytes == nil else { return false }
        entry.observedBytes = 0
        return true
      }
      guard isNew else { return }
      let observation = task.observe(\.countOfBytesReceived, options: [.new]) { [weak self] task, _ in
        self?.observed(task.countOfBytesReceived, entry)
      }
      lock.locked { entry.observation = observation }
    }

    private func observed(_ bytes: Int64, _ entry: Entry) {
      let more = lock.locked {
        let more = bytes - (entry.observedBytes ?? 0)
        if more > 0 { entry.observedBytes = bytes }
        return more
      }
      if more > 0 { note { try entry.transfer.read(Int(more), at: EventTime.now) } }
    }
  }
#endif
