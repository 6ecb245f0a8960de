import Foundation

#if canImport(FoundationNetworking)
  import FoundationNetworking
#endif

/// Where an edge server is. Labels and feedback go over https only; plain http is for loopback.
public struct ServerEndpoint: Sendable {
  public let url: URL
  let apiKey: String?

  /// - Parameters:
  ///   - url: "https://edge.example.org"; a path before `/v1` is kept.
  ///   - apiKey: "rs_…", with the scope `infer` for ``Escalator``, `feedback` for ``FeedbackSender``.
  /// - Throws: `invalidArgument` for anything but https, or http to another host than loopback.
  public init(_ url: URL, apiKey: String? = nil) throws {
    let isLoopback = ["localhost", "127.0.0.1", "::1", "[::1]"].contains(url.host ?? "")
    guard let scheme = url.scheme?.lowercased(), url.host != nil, scheme == "https" || (scheme == "http" && isLoopback)
    else {
      throw ReelsenseError(
        .invalidArgument, "\(url.absoluteString): a server's https URL is expected (http on loopback only)")
    }
    self.url = url
    self.apiKey = apiKey
  }

  func request(_ path: String, json body: Data) -> URLRequest {
    var request = URLRequest(url: url.appendingPathComponent(path))
    request.httpMethod = "POST"
    request.httpBody = body
    request.setValue("application/json", forHTTPHeaderField: "Content-Type")
    if let apiKey { request.setValue("Bearer \(apiKey)", forHTTPHeaderField: "Authorization") }
    return request
  }
}

/// What carries requests. An app may put its own stack here; tests put failures.
public protocol HTTPTransport: Sendable {
  /// - Throws: any error means that no answer came.
  func send(_ request: URLRequest) async throws -> HTTPReply
}

public struct HTTPReply: Sendable {
  public let status: Int
  public let body: Data
  /// Seconds of `Retry-After-Ms` or `Retry-After`, if the server said so.
  public let retryAfter: TimeInterval?

  public init(status: Int, body: Data, retryAfter: TimeInterval? = nil) {
    self.status = status
    self.body = body
    self.retryAfter = retryAfter
  }
}

/// A URLSession that keeps nothing: no cookies, no cache. It is not metered, so what it sends is never labelled.
public final class URLSessionTransport: HTTPTransport {
  private let session: URLSession

  /// - Parameter timeout: seconds without progress after which a request fails.
  public init(timeout: TimeInterval = 15) {
    let configuration = URLSessionConfiguration.ephemeral
    configuration.timeoutIntervalForRequest = timeout
    configuration.urlCache = nil
    configuration.httpShouldSetCookies = false
    session = URLSession(configuration: configuration)
  }

  deinit { session.finishTasksAndInvalidate() }

  public func send(_ request: URLRequest) async throws -> HTTPReply {
    try await withCheckedThrowingContinuation { continuation in
      let task = session.dataTask(with: request) { data, response, error in
        guard let http = response as? HTTPURLResponse else {
          let why = error?.localizedDescription ?? "no HTTP response"
          return continuation.resume(throwing: ReelsenseError(.network, "\(request.url?.absoluteString ?? ""): \(why)"))
        }
        let ms = http.value(forHTTPHeaderField: "Retry-After-Ms").flatMap(TimeInterval.init).map { $0 / 1000 }
        let seconds = http.value(forHTTPHeaderField: "Retry-After").flatMap(TimeInterval.init)
        continuation.resume(
          returning: HTTPReply(status: http.statusCode, body: data ?? Data(), retryAfter: ms ?? seconds))
      }
      task.resume()
    }
  }
}

/// How long to wait after failures: doubling, with jitter so that many devices do not come back together.
struct Backoff: Sendable {
  let first: TimeInterval
  let longest: TimeInterval
  private(set) var failures = 0

  init(first: TimeInterval, longest: TimeInterval) {
    self.first = first
    self.longest = longest
  }

  mutating func succeeded() { failures = 0 }

  /// Seconds to wait: between half and all of min(longest, first × 2^(failures - 1)), or longer if the server said so
  /// (an hour at most, whatever it says).
  mutating func failed(retryAfter: TimeInterval?) -> TimeInterval {
    failures += 1
    let most = min(longest, first * pow(2, Double(min(failures, 32) - 1)))
    let wait = most * Double.random(in: 0.5...1)
    return max(wait, min(retryAfter ?? 0, 3600))
  }
}
