import Foundation
import Reelsense

/// Escalation and feedback, both of which an app has to switch on.
func askServer(_ edge: URL, modelFile: URL) async throws {
  let model = try TrafficModel(contentsOf: modelFile)
  let meter = try TunnelMeter(model: model)
  let windows = meter.classifier.windows()
  try meter.observe((0..<40).map { packet(down: $0 % 4 != 0) }, at: 1_700_000_000_500_000_000)
  try meter.classifier.finish()
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

/// An IPv4 UDP packet between 10.0.0.7:50000 and 203.0.113.80:443, without content.
private func packet(down: Bool) -> Data {
  let length: UInt16 = down ? 1400 : 80
  let (phone, server): ([UInt8], [UInt8]) = ([10, 0, 0, 7], [203, 0, 113, 80])
  let (phonePort, serverPort): ([UInt8], [UInt8]) = ([0xc3, 0x50], [0x01, 0xbb])
  var bytes: [UInt8] = [0x45, 0, UInt8(length >> 8), UInt8(length & 0xff), 0, 0, 0, 0, 64, 17, 0, 0]
  bytes += down ? server + phone : phone + server
  bytes += down ? serverPort + phonePort : phonePort + serverPort
  bytes += [UInt8((length - 20) >> 8), UInt8((length - 20) & 0xff), 0, 0]
  return Data(bytes) + Data(count: Int(length) - bytes.count)
}
