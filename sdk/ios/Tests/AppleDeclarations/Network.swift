// What the package uses of the Network framework, declared after Apple's documentation, so that its callers can be
// type-checked where there is no Apple SDK. Nothing here runs.
@_exported import Foundation

@_exported import Dispatch

public enum NWError: Error, Equatable, Sendable {
  case posix(Int32)
}

public enum NWEndpoint: Sendable {
  public enum Host: Sendable, ExpressibleByStringLiteral {
    case name(String, Int?)
    public init(stringLiteral: String) { fatalError() }
  }
  public struct Port: Sendable, ExpressibleByIntegerLiteral {
    public init(integerLiteral: UInt16) { fatalError() }
  }
}

public final class NWParameters: @unchecked Sendable {
  public static var tls: NWParameters { fatalError() }
}

public final class NWConnection: @unchecked Sendable {
  public final class ContentContext: @unchecked Sendable {
    public static var defaultMessage: ContentContext { fatalError() }
  }
  public enum SendCompletion: Sendable {
    case contentProcessed(@Sendable (NWError?) -> Void)
    case idempotent
  }

  public init(host: NWEndpoint.Host, port: NWEndpoint.Port, using: NWParameters) { fatalError() }
  public func start(queue: DispatchQueue) { fatalError() }
  public func cancel() { fatalError() }
  public func send(
    content: Data?, contentContext: ContentContext = .defaultMessage, isComplete: Bool = true,
    completion: SendCompletion
  ) { fatalError() }
  public func receive(
    minimumIncompleteLength: Int, maximumLength: Int,
    completion: @escaping @Sendable (Data?, ContentContext?, Bool, NWError?) -> Void
  ) { fatalError() }
}
