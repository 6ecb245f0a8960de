import CReelsense

/// Settings of the QoS policy: how labels become prefetch depth, buffer target, bitrate and traffic class.
///
/// A value type: change it, then give it to ``Classifier/Options``. What each setting does is in
/// `docs/reference/qos-policy.md`; names, units and ranges are in ``settings``.
public struct QoSPolicy: Equatable, Sendable {
  public struct Setting: Equatable, Sendable {
    public let name: String
    public let unit: String
    public let help: String
    public let range: ClosedRange<Double>
    public let standard: Double
  }

  /// All settings, as the library has them.
  public static let settings: [Setting] = {
    var found: [Setting] = []
    var key = rs_policy_key()
    while rs_policy_key_at(&key, UInt32(found.count)) == RS_OK {
      found.append(
        Setting(
          name: String(cString: key.name), unit: String(cString: key.unit), help: String(cString: key.help),
          range: key.low...key.high, standard: key.standard))
    }
    return found
  }()

  /// Settings that differ from the default, by name.
  public private(set) var changes: [String: Double] = [:]
  // Settings may bound one another, so they are applied in the order in which they were made.
  private var order: [String] = []

  /// The default policy.
  public init() {}

  /// - Throws: `invalidArgument`, which names the setting and its range; the policy stays as it was.
  public init(_ changes: [String: Double]) throws {
    for (name, value) in changes.sorted(by: { $0.key < $1.key }) { try set(name, to: value) }
  }

  public mutating func set(_ name: String, to value: Double) throws {
    let policy = try handle()
    defer { rs_policy_free(policy) }
    try explained { rs_policy_set(policy, name, value, $0) }
    changes[name] = value
    order.removeAll { $0 == name }
    order.append(name)
  }

  public func value(of name: String) throws -> Double {
    let policy = try handle()
    defer { rs_policy_free(policy) }
    var value = 0.0
    try explained { rs_policy_get(&value, policy, name, $0) }
    return value
  }

  /// A policy of the C ABI with these settings; the caller frees it.
  func handle() throws -> OpaquePointer {
    var made: OpaquePointer?
    try explained { rs_policy_create(&made, $0) }
    guard let made else { throw ReelsenseError(.unknown, "rs_policy_create gave no policy and no error") }
    do {
      for name in order { try explained { rs_policy_set(made, name, changes[name] ?? .nan, $0) } }
    } catch {
      rs_policy_free(made)
      throw error
    }
    return made
  }
}
