// Adds windows to a feedback queue and says the number that is in it after each, until it is killed.
// Usage: FeedbackWriter QUEUE MODEL
import Foundation
import Reelsense

do {
  let model = try TrafficModel(contentsOf: URL(fileURLWithPath: CommandLine.arguments[2]))
  var options = FeedbackQueue.Options()
  options.sample = 1
  options.records = 100_000
  let queue = try FeedbackQueue(URL(fileURLWithPath: CommandLine.arguments[1]), model: model, options: options)
  let classifier = try Classifier(model: model)
  classifier.setHandler { event in
    guard case .window(let window) = event else { return }
    do { try queue.add(window, truth: .video) } catch { fatalError("\(error)") }
    FileHandle.standardOutput.write(Data("\(queue.count)\n".utf8))
  }
  let flow = try classifier.openFlow(at: 1_700_000_000_000_000_000)
  for second in 0..<Int64(99_000) { try flow.read(16_384, at: (1_700_000_000 + second) * 1_000_000_000) }
} catch {
  FileHandle.standardError.write(Data("FeedbackWriter: \(error)\n".utf8))
  exit(1)
}
