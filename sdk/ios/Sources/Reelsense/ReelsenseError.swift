import CReelsense
import Foundation

/// Everything that the package throws: a code to act on, and a message that names what, where and what was expected.
public struct ReelsenseError: Error, Equatable, Sendable, CustomStringConvertible, LocalizedError {
  public enum Code: String, Sendable, CaseIterable {
    /// A number or a combination that the documentation excludes.
    case invalidArgument
    /// Bytes that do not follow their format: a damaged model, manifest or feedback file.
    case corrupt
    /// Well-formed, but not something this version reads.
    case unsupported
    /// Two things that must agree do not: schema hash, view of model and classifier, ABI version, digest of a file.
    case mismatch
    /// Over a documented bound.
    case limit
    /// Called from inside one of its own callbacks, or a file that someone else has open.
    case busy
    /// The flow was closed or evicted, or its classifier is another one.
    case closed
    /// The system gave no memory.
    case outOfMemory
    /// A model update is not signed by the expected key.
    case signature
    /// The server was not reached, or its answer is not understood.
    case network
    /// A file could not be read, written or enlarged.
    case storage
    /// A status that this version does not know.
    case unknown
  }

  public let code: Code
  public let message: String

  public init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }

  public var description: String { "\(code.rawValue): \(message)" }
  public var errorDescription: String? { description }
}

extension ReelsenseError.Code {
  init(_ status: rs_status) {
    switch status {
    case RS_INVALID_ARGUMENT: self = .invalidArgument
    case RS_CORRUPT: self = .corrupt
    case RS_UNSUPPORTED: self = .unsupported
    case RS_MISMATCH: self = .mismatch
    case RS_LIMIT: self = .limit
    case RS_BUSY: self = .busy
    case RS_CLOSED: self = .closed
    case RS_MEMORY: self = .outOfMemory
    default: self = .unknown
    }
  }
}

/// Runs a call of the C ABI that explains its own failures.
func explained(_ call: (UnsafeMutablePointer<rs_error>) -> rs_status) throws {
  var error = rs_error()
  let status = call(&error)
  guard status != RS_OK else { return }
  let message = withUnsafeBytes(of: &error.message) { text in
    String(decoding: text.prefix { $0 != 0 }, as: UTF8.self)
  }
  throw ReelsenseError(ReelsenseError.Code(status), message.isEmpty ? name(of: status) : message)
}

/// Throws for a call of the C ABI that only says what kind of failure it was; `what` names the call and its object.
func check(_ status: rs_status, _ what: @autoclosure () -> String) throws {
  guard status != RS_OK else { return }
  let code = ReelsenseError.Code(status)
  throw ReelsenseError(code, "\(what()): \(meaning(of: code) ?? name(of: status))")
}

private func name(of status: rs_status) -> String { String(cString: rs_status_name(status)) }

private func meaning(of code: ReelsenseError.Code) -> String? {
  switch code {
  case .busy: return "called from inside a callback of the same classifier; do it after the callback returned"
  case .closed: return "the flow is not open: it was closed, evicted by newer flows, or belongs to another classifier"
  case .invalidArgument:
    return "an argument is out of range; times are nanoseconds since 1970, from 0 to the year 2200"
  case .mismatch: return "this is for the other view"
  case .unsupported: return "the link type is not known to this version"
  case .limit: return "full"
  default: return nil
  }
}

/// Throws for a time that is no event time.
func requireTime(_ nowNs: Int64) throws {
  guard nowNs >= 0, nowNs <= latestNs else {
    throw ReelsenseError(
      .invalidArgument, "\(nowNs) ns: nanoseconds since 1970 are expected, from 0 to the year 2200 (\(latestNs))")
  }
}

private let latestNs: Int64 = 7_258_118_400_000_000_000
