#if canImport(Network)
  import Foundation
  import Network

  /// An NWConnection whose bytes are counted for a classifier of the socket view.
  ///
  /// Use it in place of the connection's own `receive` and `send`. Of TLS the connection gives clear bytes, which is what
  /// the socket view means. Apple's systems only: checked against declarations of the API, not run in this project's
  /// tests, which have no Apple system. **Thread safety:** as NWConnection.
  public final class MeteredConnection: @unchecked Sendable {  // both members are safe from any thread
    public let connection: NWConnection
    public let flow: Flow

    /// - Throws: as ``Classifier/openFlow(at:)``.
    public init(_ connection: NWConnection, classifier: Classifier) throws {
      self.connection = connection
      flow = try classifier.openFlow()
    }

    public func start(queue: DispatchQueue) { connection.start(queue: queue) }

    /// As `NWConnection.receive`. The bytes are counted before the completion has them, so that `flow.peek()` inside it
    /// knows them.
    public func receive(
      minimumIncompleteLength: Int, maximumLength: Int,
      completion: @escaping @Sendable (Data?, NWConnection.ContentContext?, Bool, NWError?) -> Void
    ) {
      connection.receive(minimumIncompleteLength: minimumIncompleteLength, maximumLength: maximumLength) {
        [flow] content, context, isComplete, error in
        // A flow that was evicted is not counted: that is never the app's error.
        if let content { try? flow.read(content.count) }
        completion(content, context, isComplete, error)
      }
    }

    /// As `NWConnection.send`; counted when the stack has processed the content.
    public func send(
      content: Data?, contentContext: NWConnection.ContentContext = .defaultMessage, isComplete: Bool = true,
      completion: @escaping @Sendable (NWError?) -> Void
    ) {
      connection.send(
        content: content, contentContext: contentContext, isComplete: isComplete,
        completion: .contentProcessed { [flow] error in
          if error == nil, let content { try? flow.write(content.count) }
          completion(error)
        })
    }

    public func cancel() {
      connection.cancel()
      try? flow.close()
    }
  }
#endif
