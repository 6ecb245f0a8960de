import Foundation
import Reelsense

#if canImport(FoundationNetworking)
  import FoundationNetworking
#endif

/// Fetches a video as an app would, and prints what Reelsense says of it.
func fetch(_ video: URL, modelFile: URL) async throws {
  // Once in the app's life.
  let classifier = try Classifier(model: TrafficModel(contentsOf: modelFile))
  let ticker = Ticker(classifier)  // tells it the time while there is traffic, and sleeps otherwise
  ticker.start()

  // A session whose bytes are seen.
  let delegate = MeteredSessionDelegate(classifier)
  let session = URLSession(configuration: .default, delegate: delegate, delegateQueue: nil)
  let task = session.dataTask(with: video)
  delegate.meter.started(task)
  task.resume()

  // What to do, every second.
  let seconds = classifier.seconds()
  for await second in seconds {
    print("label:", second.session.label, second.session.isUncertain ? "(uncertain)" : "")
    print(
      "prefetch \(second.qos.prefetchDepth) clips, hold \(second.qos.bufferTargetMs) ms,",
      "at most \(second.qos.maxBitrateKbps.map { "\($0) kbit/s" } ?? "any bitrate")")
    if second.windows > 0 { break }
  }

  ticker.stop()
  session.invalidateAndCancel()
}
