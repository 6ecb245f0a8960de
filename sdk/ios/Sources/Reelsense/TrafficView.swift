import CReelsense

/// How traffic is seen. Each view has a feature schema and models of its own.
public enum TrafficView: UInt32, Sendable, CaseIterable, CustomStringConvertible {
  /// IP packets, as a packet tunnel or a capture has them.
  case packet = 0
  /// Bytes that an app reads and writes on a connection.
  case socket = 1

  public var description: String { self == .packet ? "packet" : "socket" }

  /// Names of the features, in the order of a feature vector.
  public var featureNames: [String] {
    (0..<rs_feature_count(c)).compactMap { index in rs_feature_name(c, index).map { String(cString: $0) } }
  }
  public var featureCount: Int { Int(rs_feature_count(c)) }

  /// SHA-256 of the view's feature table in hexadecimal: what a model must have been trained on.
  public var schemaHash: String {
    var digits = [CChar](repeating: 0, count: 65)
    guard rs_schema_hash(&digits, c) == RS_OK else { return "" }
    return String(decoding: digits.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  var c: rs_view { rs_view(rawValue) }
}
