import Foundation

/// Which connection a transfer uses, where the network stack does not say: URLSession tells only afterwards.
///
/// The stack's own rules are followed: a multiplexed protocol (HTTP/2, HTTP/3) has one connection for each origin; of
/// HTTP/1.1 a transfer takes an idle connection of its origin, the one used last, or opens another. A connection that
/// was idle for `keepAlive` seconds is closed. **Thread safety:** all methods from any thread.
public final class ConnectionBook: @unchecked Sendable {  // all state is behind `lock`
  /// One request and its response.
  public final class Transfer: @unchecked Sendable {  // `line` is set once; the rest is behind the book's lock
    fileprivate let line: Line
    fileprivate let book: ConnectionBook
    fileprivate var isOpen = true

    fileprivate init(line: Line, book: ConnectionBook) {
      self.line = line
      self.book = book
    }

    /// The flow that the transfer's bytes count for now.
    public var flow: Flow? { book.lock.locked { line.flow } }

    public func read(_ bytes: Int, at nowNs: Int64 = EventTime.now) throws {
      try book.count(self, nowNs) { try $0.read(bytes, at: nowNs) }
    }

    public func write(_ bytes: Int, at nowNs: Int64 = EventTime.now) throws {
      try book.count(self, nowNs) { try $0.write(bytes, at: nowNs) }
    }

    /// What the transfer's connection carries, as far as it is known.
    public func peek() throws -> Decision {
      guard let flow else { throw ReelsenseError(.closed, "the transfer's connection is closed") }
      return try flow.peek()
    }

    /// The response is complete or failed. A second end does nothing.
    public func end(at nowNs: Int64 = EventTime.now) { book.end(self, nowNs) }
  }

  fileprivate final class Line {
    var flow: Flow?
    var transfers = 0
    var lastNs: Int64
    init(flow: Flow, nowNs: Int64) {
      self.flow = flow
      lastNs = nowNs
    }
  }

  private let classifier: Classifier
  private let keepAliveNs: Int64
  fileprivate let lock = NSLock()
  private var lines: [String: [Line]] = [:]
  private var multiplexed: [String: Bool] = [:]

  /// - Parameter keepAlive: seconds that an idle connection stays open.
  public init(_ classifier: Classifier, keepAlive: TimeInterval = 60) {
    self.classifier = classifier
    keepAliveNs = nanoseconds(keepAlive)
  }

  /// Connections that are open.
  public var count: Int { lock.locked { lines.values.reduce(0) { $0 + $1.count } } }

  /// A transfer begins.
  /// - Parameter origin: scheme, host and port; it stays on the device and is never a feature.
  public func begin(origin: String, at nowNs: Int64 = EventTime.now) throws -> Transfer {
    closeIdle(at: nowNs)
    if let line = lock.locked({ take(origin, nowNs) }) { return Transfer(line: line, book: self) }
    let line = Line(flow: try classifier.openFlow(at: nowNs), nowNs: nowNs)
    lock.locked {
      line.transfers = 1
      lines[origin, default: []].append(line)
    }
    return Transfer(line: line, book: self)
  }

  private func take(_ origin: String, _ nowNs: Int64) -> Line? {
    let all = lines[origin] ?? []
    let shares = multiplexed[origin] ?? origin.hasPrefix("https:")
    guard let line = shares ? all.last : all.filter({ $0.transfers == 0 }).max(by: { $0.lastNs < $1.lastNs }) else {
      return nil
    }
    line.transfers += 1
    line.lastNs = max(line.lastNs, nowNs)
    return line
  }

  /// What was learnt of an origin: "h2", "h3" and "hq" carry many transfers on a connection, "http/1.1" one at a time.
  /// Until then https is taken as multiplexed.
  public func learn(origin: String, networkProtocol: String) {
    lock.locked {
      // Hosts come and go for as long as an app runs; what was learnt is cheap to learn again.
      if multiplexed.count >= 256 { multiplexed.removeAll(keepingCapacity: true) }
      multiplexed[origin] = !networkProtocol.lowercased().hasPrefix("http/1")
    }
  }

  /// Closes connections that were idle for the keep-alive time.
  public func closeIdle(at nowNs: Int64 = EventTime.now) {
    close(nowNs) { $0.transfers == 0 && nowNs - $0.lastNs >= self.keepAliveNs }
  }

  /// The session was invalidated: closes all.
  public func closeAll(at nowNs: Int64 = EventTime.now) { close(nowNs) { _ in true } }

  private func close(_ nowNs: Int64, where isDone: (Line) -> Bool) {
    let done: [(flow: Flow, ns: Int64)] = lock.locked {
      var done: [(flow: Flow, ns: Int64)] = []
      for (origin, all) in lines {
        for line in all where isDone(line) {
          if let flow = line.flow { done.append((flow, max(nowNs, line.lastNs))) }
          line.flow = nil
        }
        let left = all.filter { $0.flow != nil }
        lines[origin] = left.isEmpty ? nil : left
      }
      return done
    }
    for (flow, ns) in done { try? flow.close(at: ns) }  // evicted before: then it is closed already
  }

  // The classifier is never called under the book's lock: an event handler, which runs under the classifier's, may then
  // ask the book without a deadlock.
  fileprivate func count(_ transfer: Transfer, _ nowNs: Int64, _ body: (Flow) throws -> Void) throws {
    let line = transfer.line
    let found = lock.locked { transfer.isOpen ? line.flow : nil }
    guard let flow = found else {
      throw ReelsenseError(.closed, "the transfer has ended: no more bytes are expected")
    }
    do {
      try body(flow)
    } catch let error as ReelsenseError where error.code == .closed {
      // The classifier let the flow go (evicted, too long idle) though the connection lives: it begins anew.
      let again = try classifier.openFlow(at: nowNs)
      lock.locked { if line.flow === flow { line.flow = again } }
      try body(again)
    }
    lock.locked { line.lastNs = max(line.lastNs, nowNs) }
  }

  fileprivate func end(_ transfer: Transfer, _ nowNs: Int64) {
    lock.locked {
      guard transfer.isOpen else { return }
      transfer.isOpen = false
      transfer.line.transfers -= 1
      transfer.line.lastNs = max(transfer.line.lastNs, nowNs)
    }
  }
}
