import Foundation

#if canImport(FoundationNetworking)
  import FoundationNetworking
#endif

/// A URLSession delegate that meters every task of its session. Use it as it is, or subclass it and call `super`.
///
///     let session = URLSession(configuration: .default, delegate: MeteredSessionDelegate(classifier), delegateQueue: nil)
///
/// Before iOS 16 a task is seen at its first bytes; `meter.started(task)` before `task.resume()` is more exact. Tasks
/// with a completion handler and `data(for:)` show no body to a delegate: see `TaskMeter.observe`.
open class MeteredSessionDelegate: NSObject, URLSessionDataDelegate, URLSessionDownloadDelegate, @unchecked Sendable {
  // Sendable: nothing but a meter, which any thread may use.
  public let meter: TaskMeter

  public init(_ classifier: Classifier, keepAlive: TimeInterval = 60) {
    meter = TaskMeter(classifier, keepAlive: keepAlive)
  }

  #if !canImport(FoundationNetworking)
    @available(iOS 16, macOS 13, tvOS 16, *)
    open func urlSession(_ session: URLSession, didCreateTask task: URLSessionTask) { meter.started(task) }

    open func urlSession(
      _ session: URLSession, task: URLSessionTask, didFinishCollecting metrics: URLSessionTaskMetrics
    ) {
      if let name = metrics.transactionMetrics.last?.networkProtocolName {
        meter.learnt(networkProtocol: name, of: task)
      }
    }
  #endif

  open func urlSession(
    _ session: URLSession, dataTask: URLSessionDataTask, didReceive response: URLResponse,
    completionHandler: @escaping @Sendable (URLSession.ResponseDisposition) -> Void
  ) {
    meter.received(response, for: dataTask)
    completionHandler(.allow)
  }

  open func urlSession(_ session: URLSession, dataTask: URLSessionDataTask, didReceive data: Data) {
    meter.received(data.count, for: dataTask)
  }

  open func urlSession(
    _ session: URLSession, task: URLSessionTask, didSendBodyData bytesSent: Int64, totalBytesSent: Int64,
    totalBytesExpectedToSend: Int64
  ) {
    meter.sent(Int(bytesSent), for: task)
  }

  open func urlSession(
    _ session: URLSession, downloadTask: URLSessionDownloadTask, didWriteData bytesWritten: Int64,
    totalBytesWritten: Int64, totalBytesExpectedToWrite: Int64
  ) {
    meter.received(Int(bytesWritten), for: downloadTask)
  }

  /// The file is gone when this returns: a subclass that downloads moves it away here.
  open func urlSession(
    _ session: URLSession, downloadTask: URLSessionDownloadTask, didFinishDownloadingTo location: URL
  ) {}

  open func urlSession(_ session: URLSession, task: URLSessionTask, didCompleteWithError error: (any Error)?) {
    meter.finished(task)
  }

  open func urlSession(_ session: URLSession, didBecomeInvalidWithError error: (any Error)?) {
    meter.book.closeAll()
  }
}
