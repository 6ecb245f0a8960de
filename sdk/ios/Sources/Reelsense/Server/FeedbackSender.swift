import Foundation

/// Sends a feedback queue to a server when the app finds the time: at a launch, in a background task, on Wi-Fi.
///
/// It has no timer. ``send()`` sends until the queue is empty or a failure comes, and after a failure does nothing until
/// the backoff is over. A record leaves the queue only when a server has it on its disk; a batch whose answer was lost is
/// sent again under the same number, and the server keeps it once.
public actor FeedbackSender {
  public enum Outcome: Sendable, Equatable {
    /// Nothing waits any more; so many records were sent by this call.
    case sent(Int)
    /// The server was not reached, is busy, or refuses the key. Records wait.
    case waiting(seconds: TimeInterval, why: String)
  }

  public private(set) var sentRecords = 0
  /// Records that the server found wrong and will never take, so they were dropped.
  public private(set) var refusedRecords = 0
  private let queue: FeedbackQueue
  private let endpoint: ServerEndpoint
  private let transport: any HTTPTransport
  private let batch: Int
  private var backoff: Backoff
  private var quietUntil = Date.distantPast
  private var isSending = false

  /// - Parameters:
  ///   - batch: records in a request; a server takes 1,000.
  ///   - firstBackoff: seconds to wait after a failure, doubled with each up to `longestBackoff`.
  public init(
    _ queue: FeedbackQueue, to endpoint: ServerEndpoint, batch: Int = 500, firstBackoff: TimeInterval = 30,
    longestBackoff: TimeInterval = 3600, transport: any HTTPTransport = URLSessionTransport()
  ) {
    self.queue = queue
    self.endpoint = endpoint
    self.transport = transport
    self.batch = max(1, min(1000, batch))
    backoff = Backoff(first: firstBackoff, longest: longestBackoff)
  }

  /// Sends what waits.
  /// - Throws: only what ``FeedbackQueue/peek(maxRecords:)`` throws; failures of the network are an outcome.
  public func send() async throws -> Outcome {
    let left = quietUntil.timeIntervalSinceNow
    if left > 0 { return .waiting(seconds: left, why: "backing off after \(backoff.failures) failures") }
    if isSending { return .waiting(seconds: 0, why: "another call is sending") }
    isSending = true
    defer { isSending = false }
    var sent = 0
    while let next = try queue.peek(maxRecords: batch) {
      let reply: HTTPReply
      do {
        reply = try await transport.send(endpoint.request("v1/observations", json: next.json))
      } catch {
        return failed(error.localizedDescription, nil)
      }
      switch reply.status {
      case 200..<300:
        try queue.discard(next.records)
        sent += next.records
        sentRecords += next.records
        backoff.succeeded()
      case 400, 413, 415, 422:
        // Sent again it would be refused again, and block what is behind it.
        try queue.discard(next.records)
        refusedRecords += next.records
      default:
        return failed("the server answered \(reply.status)", reply.retryAfter)
      }
    }
    return .sent(sent)
  }

  private func failed(_ why: String, _ retryAfter: TimeInterval?) -> Outcome {
    let seconds = backoff.failed(retryAfter: retryAfter)
    quietUntil = Date().addingTimeInterval(seconds)
    return .waiting(seconds: seconds, why: why)
  }
}
