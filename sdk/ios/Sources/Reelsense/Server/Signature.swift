import Foundation

#if canImport(CryptoKit)
  import CryptoKit
#endif

/// Says whether bytes were signed by the publisher of models.
public protocol SignatureVerifier: Sendable {
  /// - Parameter signature: ECDSA over P-256 and SHA-256, DER, as `openssl dgst -sha256 -sign` writes it.
  func isValid(signature: Data, for data: Data) throws -> Bool
}

#if canImport(CryptoKit)
  /// The verifier on Apple's systems. Checked against declarations of the API, not run in this project's tests, which
  /// have no Apple system; there OpenSSL verifies the same signatures.
  public struct P256Verifier: SignatureVerifier {
    private let keys: [P256.Signing.PublicKey]

    /// - Parameter pems: public keys that are trusted, "-----BEGIN PUBLIC KEY-----…", compiled into the app: the present
    ///   one, and the next so that keys can change.
    public init(publicKeyPEMs pems: [String]) throws {
      do {
        keys = try pems.map { try P256.Signing.PublicKey(pemRepresentation: $0) }
      } catch {
        throw ReelsenseError(.invalidArgument, "publicKeyPEMs: P-256 public keys in PEM are expected: \(error)")
      }
    }

    public func isValid(signature: Data, for data: Data) throws -> Bool {
      guard let parsed = try? P256.Signing.ECDSASignature(derRepresentation: signature) else { return false }
      return keys.contains { $0.isValidSignature(parsed, for: data) }
    }
  }
#endif

/// SHA-256 in lower-case hexadecimal.
func sha256(_ data: Data) -> String {
  #if canImport(CryptoKit)
    let digest = Array(SHA256.hash(data: data))
  #else
    let digest = PlainSHA256.digest(data)
  #endif
  return digest.map { byte in
    let digits = String(byte, radix: 16)
    return byte < 16 ? "0" + digits : digits
  }.joined()
}

/// FIPS 180-4, for systems without CryptoKit.
enum PlainSHA256 {
  // First 32 bits of the fractional parts of the cube roots of the first 64 primes, and of the square roots of 8.
  private static let primes: [Int] = (2...311).filter { n in !(2..<n).contains { n % $0 == 0 } }
  private static let k = primes.map { fraction(root: 3, of: $0) }
  private static let start = primes.prefix(8).map { fraction(root: 2, of: $0) }

  // A double has 53 bits: the root below 32 leaves 48 for the fraction, of which 32 are taken.
  private static func fraction(root: Int, of n: Int) -> UInt32 {
    let value = pow(Double(n), 1 / Double(root))
    return UInt32(truncatingIfNeeded: Int64((value - value.rounded(.down)) * 4_294_967_296))
  }

  static func digest(_ data: Data) -> [UInt8] {
    var message = [UInt8](data)
    let bits = UInt64(message.count) * 8
    message.append(0x80)
    message.append(contentsOf: [UInt8](repeating: 0, count: (120 - message.count % 64) % 64))
    for shift in stride(from: 56, through: 0, by: -8) {
      message.append(UInt8(truncatingIfNeeded: bits >> UInt64(shift)))
    }
    var state = start
    var w = [UInt32](repeating: 0, count: 64)
    for block in stride(from: 0, to: message.count, by: 64) {
      for i in 0..<16 {
        let at = block + 4 * i
        w[i] = UInt32(message[at]) << 24 | UInt32(message[at + 1]) << 16
        w[i] |= UInt32(message[at + 2]) << 8 | UInt32(message[at + 3])
      }
      for i in 16..<64 {
        let (a, b) = (w[i - 15], w[i - 2])
        let s0 = turn(a, 7) ^ turn(a, 18) ^ (a >> 3)
        let s1 = turn(b, 17) ^ turn(b, 19) ^ (b >> 10)
        w[i] = w[i - 16] &+ s0 &+ w[i - 7] &+ s1
      }
      compress(&state, w)
    }
    return state.flatMap { word in
      stride(from: 24, through: 0, by: -8).map { UInt8(truncatingIfNeeded: word >> UInt32($0)) }
    }
  }

  private static func compress(_ state: inout [UInt32], _ w: [UInt32]) {
    var (a, b, c, d) = (state[0], state[1], state[2], state[3])
    var (e, f, g, h) = (state[4], state[5], state[6], state[7])
    for i in 0..<64 {
      let t1 = h &+ (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) &+ ((e & f) ^ (~e & g)) &+ k[i] &+ w[i]
      let t2 = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) &+ ((a & b) ^ (a & c) ^ (b & c))
      (h, g, f, e) = (g, f, e, d &+ t1)
      (d, c, b, a) = (c, b, a, t1 &+ t2)
    }
    for (i, word) in [a, b, c, d, e, f, g, h].enumerated() { state[i] = state[i] &+ word }
  }

  private static func turn(_ x: UInt32, _ n: UInt32) -> UInt32 { x >> n | x << (32 - n) }
}
