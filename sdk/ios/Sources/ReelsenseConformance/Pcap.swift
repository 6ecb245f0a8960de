import Foundation
import Reelsense

/// Reads classic pcap files: what the conformance cases need, in the package's own terms.
struct Pcap {
  let link: LinkType
  let frames: [Frame]

  init(_ url: URL) throws {
    let file = try Data(contentsOf: url)
    guard file.count >= 24 else { throw Mismatch("\(url.path): 24 bytes of pcap header are expected") }
    let (bigEndian, nanoseconds): (Bool, Bool)
    switch Self.word(file, 0, bigEndian: true) {
    case 0xa1b2_c3d4: (bigEndian, nanoseconds) = (true, false)
    case 0xa1b2_3c4d: (bigEndian, nanoseconds) = (true, true)
    case 0xd4c3_b2a1: (bigEndian, nanoseconds) = (false, false)
    case 0x4d3c_b2a1: (bigEndian, nanoseconds) = (false, true)
    default: throw Mismatch("\(url.path): no classic pcap")
    }
    link = LinkType(rawValue: Self.word(file, 20, bigEndian: bigEndian) & 0xffff)
    var frames: [Frame] = []
    var at = 24
    while at + 16 <= file.count {
      let field = (0..<4).map { Int64(Self.word(file, at + 4 * $0, bigEndian: bigEndian)) }
      let end = at + 16 + Int(field[2])
      guard end <= file.count else { break }
      let fraction = nanoseconds ? field[1] : field[1] * 1000
      if fraction < 1_000_000_000 {
        frames.append(
          Frame(timeNs: field[0] * 1_000_000_000 + fraction, data: file[(at + 16)..<end], wireBytes: Int(field[3])))
      }
      at = end
    }
    self.frames = frames
  }

  private static func word(_ file: Data, _ at: Int, bigEndian: Bool) -> UInt32 {
    let bytes = file[(file.startIndex + at)..<(file.startIndex + at + 4)]
    return (bigEndian ? Array(bytes) : bytes.reversed()).reduce(0) { $0 << 8 | UInt32($1) }
  }
}

/// A case that failed, and why.
struct Mismatch: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}
