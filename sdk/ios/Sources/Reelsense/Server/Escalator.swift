import Foundation

/// Asks an edge server for the label of windows that the device is not sure of. Off until it is switched on.
///
/// Windows are sent in batches and within a rate; what is over a bound is left out and counted, for a label that comes
/// late helps nobody. Flows are named by numbers under a name that is drawn anew for each escalator, and seconds are moved
/// by a number drawn likewise, so that the server cannot tell when the traffic was. Features and bins are sent as they are
/// (compare feedback, which is quantised).
///
/// The network may be gone: windows then wait up to `maxDelay`, are dropped, and nothing is thrown at the app.
public actor Escalator {
  public struct Configuration: Sendable {
    /// Model to ask; nil: the server's default. The released edge model takes windows of the packet view: in the socket
    /// view name a model that takes those.
    public var model: String?
    /// Windows in a request, 1 to 256.
    public var maxBatch = 32
    /// Seconds that a window waits for others.
    public var maxDelay: TimeInterval = 0.25
    /// Windows a minute on the whole, with one minute's worth at once.
    public var windowsPerMinute = 120.0
    /// Windows that wait at most; the oldest goes first.
    public var queueLimit = 64
    /// First and longest wait after a failure, in seconds.
    public var firstBackoff: TimeInterval = 2
    public var longestBackoff: TimeInterval = 120
    public init() {}
  }

  /// The server's answer to one window.
  public struct Answer: Sendable, Equatable {
    public let flow: UInt64
    public let second: Int64
    /// Nil if the server did not label it; `problem` then says why ("out_of_order", "deadline", …).
    public let decision: Decision?
    public let problem: String?
    /// "reelsense-edge@1.0.0"
    public let model: String
  }

  public struct Counters: Sendable, Equatable {
    public var sent = 0
    public var answered = 0
    public var requests = 0
    public var failedRequests = 0
    /// Left out because of the rate, because the queue was full, because the server was not there.
    public var overRate = 0
    public var overQueue = 0
    public var lost = 0
  }

  public private(set) var isEnabled = false
  public private(set) var counters = Counters()
  /// Why the latest request failed: no connection, or what the server said. Nil after one that did not.
  public private(set) var lastFailure: String?
  private let endpoint: ServerEndpoint
  private let configuration: Configuration
  private let transport: any HTTPTransport
  private let name: String
  private let shift: Int64
  private var queue: [FlowWindow] = []
  private var tokens: Double
  private var tokensAt = Date()
  private var backoff: Backoff
  private var quietUntil = Date.distantPast
  private var pending: Task<Void, Never>?
  private var sending: Task<Void, Never>?
  private let stream: AsyncStream<Answer>
  private let continuation: AsyncStream<Answer>.Continuation

  public init(
    _ endpoint: ServerEndpoint, configuration: Configuration = Configuration(),
    transport: any HTTPTransport = URLSessionTransport()
  ) {
    self.endpoint = endpoint
    self.configuration = configuration
    self.transport = transport
    name = UUID().uuidString
    shift = Int64.random(in: 1...1_000_000_000)
    tokens = configuration.windowsPerMinute
    backoff = Backoff(first: configuration.firstBackoff, longest: configuration.longestBackoff)
    (stream, continuation) = AsyncStream.makeStream(of: Answer.self, bufferingPolicy: .bufferingNewest(256))
  }

  deinit {
    pending?.cancel()
    continuation.finish()
  }

  /// Answers as they come, to be read by one reader. Ends with the escalator.
  public nonisolated var answers: AsyncStream<Answer> { stream }

  /// Switches it on or off; off forgets what waits.
  public func setEnabled(_ enabled: Bool) {
    isEnabled = enabled
    if !enabled {
      queue = []
      pending?.cancel()
      pending = nil
    }
  }

  /// Takes a window if it is uncertain and the escalator is on. Does not wait for the answer.
  /// - Returns: true if it will be sent.
  @discardableResult
  public func offer(_ window: FlowWindow) -> Bool {
    guard isEnabled, window.decision.isUncertain else { return false }
    guard Date() >= quietUntil else {
      counters.lost += 1
      return false
    }
    guard takeToken() else {
      counters.overRate += 1
      return false
    }
    queue.append(window)
    if queue.count > max(1, configuration.queueLimit) {
      queue.removeFirst()
      counters.overQueue += 1
    }
    schedule()
    return true
  }

  /// Sends what waits now, and returns when it is answered or given up.
  public func flush() async {
    pending?.cancel()
    pending = nil
    await drain()
  }

  private var batchLimit: Int { max(1, min(256, configuration.maxBatch)) }

  private func schedule() {
    let isFull = queue.count >= batchLimit
    if isFull { pending?.cancel() } else if pending != nil { return }
    let wait = isFull ? 0 : UInt64(max(0, configuration.maxDelay) * 1e9)
    pending = Task { [weak self] in
      if wait > 0 { try? await Task.sleep(nanoseconds: wait) }
      if !Task.isCancelled { await self?.due() }
    }
  }

  private func due() async {
    pending = nil
    await drain()
  }

  // One request at a time: a flow's windows reach the server in their order.
  private func drain() async {
    while let sending { await sending.value }
    guard !queue.isEmpty else { return }
    let task = Task { await sendAll() }
    sending = task
    await task.value
  }

  private func sendAll() async {
    while isEnabled, !queue.isEmpty {
      let batch = Array(queue.prefix(batchLimit))
      queue.removeFirst(batch.count)
      await send(batch)
    }
    sending = nil
  }

  private func takeToken() -> Bool {
    let now = Date()
    let rate = max(0, configuration.windowsPerMinute)
    tokens = min(rate, tokens + max(0, now.timeIntervalSince(tokensAt)) * rate / 60)
    tokensAt = now
    guard tokens >= 1 else { return false }
    tokens -= 1
    return true
  }

  private func send(_ batch: [FlowWindow]) async {
    do {
      let body = try encode(batch)
      counters.requests += 1
      let reply = try await transport.send(endpoint.request("v1/classify", json: body))
      guard (200..<300).contains(reply.status) else {
        let detail = try? JSONDecoder().decode(Wire.Problem.self, from: reply.body).detail
        return failed(batch, "the server answered \(reply.status): \(detail ?? "no detail")", reply.retryAfter)
      }
      let answers = try Self.decode(reply.body, batch)
      lastFailure = nil
      backoff.succeeded()
      counters.sent += batch.count
      for answer in answers {
        counters.answered += answer.decision == nil ? 0 : 1
        continuation.yield(answer)
      }
    } catch {
      failed(batch, error.localizedDescription, nil)
    }
  }

  private func failed(_ batch: [FlowWindow], _ why: String, _ retryAfter: TimeInterval?) {
    lastFailure = why
    counters.failedRequests += 1
    counters.lost += batch.count + queue.count
    queue = []
    quietUntil = Date().addingTimeInterval(backoff.failed(retryAfter: retryAfter))
  }

  private func encode(_ batch: [FlowWindow]) throws -> Data {
    let windows = batch.map { window in
      Wire.Window(
        flow: "\(name)/\(window.flow)", second: window.second &+ shift, features: window.features, bins: window.bins)
    }
    return try JSONEncoder().encode(Wire.Request(model: configuration.model, windows: windows))
  }

  /// The server answers in the order of the request.
  static func decode(_ body: Data, _ batch: [FlowWindow]) throws -> [Answer] {
    let response: Wire.Response
    do {
      response = try JSONDecoder().decode(Wire.Response.self, from: body)
    } catch {
      throw ReelsenseError(.network, "/v1/classify: {\"model\", \"labels\": […]} is expected: \(error)")
    }
    guard response.labels.count == batch.count else {
      throw ReelsenseError(
        .network, "/v1/classify: \(batch.count) labels are expected, the server gave \(response.labels.count)")
    }
    return zip(batch, response.labels).map { window, label in
      Answer(
        flow: window.flow, second: window.second, decision: label.decision,
        problem: label.decision == nil ? label.error ?? "no label" : nil, model: response.model)
    }
  }

  private enum Wire {
    struct Request: Encodable {
      let model: String?
      let windows: [Window]
    }
    struct Window: Encodable {
      let flow: String
      let second: Int64
      let features: [Float]
      let bins: [UInt32]
    }
    struct Response: Decodable {
      let model: String
      let labels: [Label]
    }
    struct Problem: Decodable {
      let detail: String
    }
    struct Label: Decodable {
      let label: String?
      let probability: Float?
      let confidence: Float?
      let uncertain: Bool?
      let error: String?

      var decision: Decision? {
        guard error == nil, let probability, let confidence, label == "video" || label == "non-video" else {
          return nil
        }
        return Decision(
          probability: probability, confidence: confidence, label: label == "video" ? .video : .nonVideo,
          isUncertain: uncertain ?? false)
      }
    }
  }
}
