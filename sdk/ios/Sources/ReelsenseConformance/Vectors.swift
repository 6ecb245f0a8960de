import Foundation

/// Files of golden vectors: a JSON object a line.
enum Vectors {
  struct Header: Decodable {
    struct Options: Decodable {
      let max_flows: Int
      let idle_timeout_ns: Int64
      let active_timeout_ns: Int64
    }
    let capture: String
    let options: Options
  }
  struct Row: Decodable {
    let second: Int64
    let flow: UInt64
    let client: String
    let client_port: UInt16
    let server: String
    let server_port: UInt16
    let `protocol`: UInt8
    let packets_up: UInt32
    let packets_down: UInt32
    let bytes_up: UInt64
    let bytes_down: UInt64
    let features: [Double]
    let bins: [UInt32]
  }
  struct Ended: Decodable {
    let reason: String
    let flow: UInt64
    let client: String
    let client_port: UInt16
    let server: String
    let server_port: UInt16
    let `protocol`: UInt8
    let first_ns: Int64
    let last_ns: Int64
    let packets_up: UInt64
    let packets_down: UInt64
    let bytes_up: UInt64
    let bytes_down: UInt64
    let windows: Int
    let idle_windows: Int
  }

  struct DecisionHeader: Decodable {
    let capture: String
    let model: String
    let max_flows: Int
  }
  struct DecisionLine: Decodable {
    let window: Window?
    let second: Second?
  }
  struct Window: Decodable {
    let second: Int64
    let flow: UInt64
    let probability: Double
    let label: String
    let uncertain: Bool
    let dscp: UInt8
    let dscp_reason: String
  }
  struct Second: Decodable {
    let second: Int64
    let probability: Double
    let label: String
    let uncertain: Bool
    let prefetch_depth: Int
    let buffer_target_ms: Int
    let max_bitrate_kbps: Int
    let throughput_kbps: Int
    let reasons: [String]
  }

  struct Golden: Decodable {
    let features: [String]
    let rows: [[Float]]
    let probability: [Double]
  }

  /// The lines of a file that hold anything.
  static func lines(_ url: URL) throws -> [Data] {
    try Data(contentsOf: url).split(separator: UInt8(ascii: "\n")).map { Data($0) }
  }

  static func decode<Line: Decodable>(_ type: Line.Type, _ line: Data, _ what: @autoclosure () -> String) throws -> Line
  {
    do {
      return try JSONDecoder().decode(type, from: line)
    } catch {
      throw Mismatch("\(what()): \(error)")
    }
  }
}
