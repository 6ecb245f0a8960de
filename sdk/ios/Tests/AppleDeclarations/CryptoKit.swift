// What the package uses of CryptoKit, declared after Apple's documentation, so that its callers can be type-checked where
// there is no Apple SDK. Nothing here runs.
import Foundation

public struct SHA256Digest: Sequence {
  public func makeIterator() -> Array<UInt8>.Iterator { fatalError() }
}

public enum SHA256 {
  public static func hash<D: DataProtocol>(data: D) -> SHA256Digest { fatalError() }
}

public enum P256 {
  public enum Signing {
    public struct PublicKey: Sendable {
      public init(pemRepresentation: String) throws { fatalError() }
      public func isValidSignature<D: DataProtocol>(_ signature: ECDSASignature, for data: D) -> Bool { fatalError() }
    }
    public struct ECDSASignature: Sendable {
      public init<D: DataProtocol>(derRepresentation: D) throws { fatalError() }
    }
  }
}
