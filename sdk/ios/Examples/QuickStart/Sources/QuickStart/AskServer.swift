import Foundation
import Reelsense

/// Escalation and feedback, both of which an app has to switch on.
func askServer(_ edge: URL, modelFile: URL) async throws {
  let model = try TrafficModel(contentsOf: modelFile)
  let classifier = try Classifier(model: model)
  let windows = classifier.windows()
  let flow = try classifier.openFlow(at: 1_700_000_000_000_000_000)
  try flow.read(40_000, at: 1_700_000_000_500_000_000)
  try classifier.finish()
  let folder = FileManager.default.temporaryDirectory.appendingPathComponent("quick-start-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: folder) }

  let server = try ServerEndpoint(edge)
  let escalator = Escalator(server)
  await escalator.setEnabled(true)  // off until the app says so

  var options = FeedbackQueue.Options()
  options.sample = 1  // for this example; 0.01 is the default
  let queue = try FeedbackQueue(folder.appendingPathComponent("feedback"), model: model, options: options)

  for await window in windows {
    await escalator.offer(window)  // sent only if it is uncertain
    try queue.add(window, truth: .nonVideo)  // the app knows that no reel was playing
  }
  await escalator.flush()
  print("escalated:", await escalator.counters.sent, "kept:", queue.count)

  // When the app finds the time: at a launch, in a background task.
  switch try await FeedbackSender(queue, to: server).send() {
  case .sent(let records): print("sent:", records)
  case .waiting(let seconds, let why): print("again in \(Int(seconds)) s:", why)
  }
}
