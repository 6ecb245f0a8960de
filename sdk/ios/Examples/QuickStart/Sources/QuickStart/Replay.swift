import Foundation
import Reelsense

/// Times are the caller's, so a log replays to the same bits.
func replay(modelFile: URL) throws {
  let classifier = try Classifier(model: TrafficModel(contentsOf: modelFile))
  classifier.setHandler { event in
    if case .second(let second) = event, second.windows > 0 {
      print(second.second, second.session.label, "prefetch \(second.qos.prefetchDepth): \(second.qos.prefetchReason)")
    }
  }
  let start: Int64 = 1_700_000_000_000_000_000  // nanoseconds since 1970
  let flow = try classifier.openFlow(at: start)
  for clip in 0..<6 {
    let time = start + Int64(clip) * 4_000_000_000
    try flow.write(420, at: time)  // a request
    for read in 0..<90 { try flow.read(16_384, at: time + 50_000_000 + Int64(read) * 6_000_000) }
    if clip == 3 { print("peek:", try flow.peek().label) }  // before the second is over
  }
  try classifier.finish()
}
