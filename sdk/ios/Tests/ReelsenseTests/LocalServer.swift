import Foundation

/// A small HTTP/1.1 server on loopback, with keep-alive, for real requests of the package.
final class LocalServer: @unchecked Sendable {  // what changes is behind `lock`
  struct Request: Sendable {
    let method: String
    let path: String
    let headers: [String: String]  // names in lower case
    let body: Data
  }
  struct Response: Sendable {
    var status = 200
    var headers: [String: String] = [:]
    /// Sent piece by piece, `pause` seconds apart.
    var pieces: [Data] = []
    var pause: TimeInterval = 0
    static func json(_ text: String, status: Int = 200) -> Response {
      Response(status: status, pieces: [Data(text.utf8)])
    }
  }

  let port: UInt16
  private let listener: Int32
  private let answer: @Sendable (Request) -> Response?
  private let isOver = Box(false)
  private let lock = NSLock()
  private var seen: [Request] = []
  private var clients: Set<Int32> = []
  private var accepted = 0

  /// - Parameter answer: nil closes the connection without an answer.
  init(_ answer: @escaping @Sendable (Request) -> Response?) {
    self.answer = answer
    #if canImport(Glibc)
      listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    #else
      listener = socket(AF_INET, SOCK_STREAM, 0)
    #endif
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let descriptor = listener
    let ready = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, size) == 0 && listen(descriptor, 16) == 0 && getsockname(descriptor, $0, &size) == 0
      }
    }
    precondition(ready, "a port on loopback is expected: \(String(cString: strerror(errno)))")
    port = UInt16(bigEndian: address.sin_port)
    Thread.detachNewThread { [weak self, isOver] in
      // The thread that uses the listener closes it: its number may belong to another server right afterwards.
      defer { close(descriptor) }
      while !isOver.value {
        var ready = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&ready, 1, 50) > 0 else { continue }
        let client = accept(descriptor, nil, nil)
        guard client >= 0 else { continue }
        guard let server = self, !isOver.value else {
          close(client)
          break
        }
        server.serve(client)
      }
    }
  }

  private func serve(_ client: Int32) {
    #if !os(Linux)
      var on: Int32 = 1
      setsockopt(client, SOL_SOCKET, SO_NOSIGPIPE, &on, socklen_t(MemoryLayout<Int32>.size))
    #endif
    lock.lock()
    clients.insert(client)
    accepted += 1
    lock.unlock()
    Thread.detachNewThread { [weak self] in
      while let server = self, server.serveOne(client) {}
      guard let server = self else {
        close(client)
        return
      }
      server.forget(client)
    }
  }

  deinit { stop() }

  var url: URL { URL(string: "http://127.0.0.1:\(port)")! }
  var requests: [Request] { lock.lock(); defer { lock.unlock() }; return seen }
  var connections: Int { lock.lock(); defer { lock.unlock() }; return accepted }

  /// Nobody answers any more.
  func stop() {
    isOver.change { $0 = true }
    lock.lock()
    defer { lock.unlock() }
    for client in clients { shutdown(client, Int32(SHUT_RDWR)) }
  }

  private func forget(_ client: Int32) {
    lock.lock()
    clients.remove(client)
    lock.unlock()
    close(client)
  }

  /// False: the connection is over.
  private func serveOne(_ client: Int32) -> Bool {
    guard let request = readRequest(client) else { return false }
    lock.lock()
    seen.append(request)
    lock.unlock()
    guard let response = answer(request) else { return false }
    let length = response.pieces.reduce(0) { $0 + $1.count }
    var head = "HTTP/1.1 \(response.status) Status\r\nContent-Length: \(length)\r\n"
    for (name, value) in response.headers { head += "\(name): \(value)\r\n" }
    guard writeAll(client, Data((head + "\r\n").utf8)) else { return false }
    for piece in response.pieces {
      if response.pause > 0 { Thread.sleep(forTimeInterval: response.pause) }
      guard writeAll(client, piece) else { return false }
    }
    return true
  }

  private func readRequest(_ client: Int32) -> Request? {
    var bytes = Data()
    let blank = Data("\r\n\r\n".utf8)
    var split = bytes.range(of: blank)
    while split == nil {
      guard let more = readSome(client) else { return nil }
      bytes.append(more)
      split = bytes.range(of: blank)
    }
    guard let split else { return nil }
    let lines = String(decoding: bytes[..<split.lowerBound], as: UTF8.self).components(separatedBy: "\r\n")
    var headers: [String: String] = [:]
    for line in lines.dropFirst() {
      let parts = line.split(separator: ":", maxSplits: 1)
      if parts.count == 2 { headers[parts[0].lowercased()] = parts[1].trimmingCharacters(in: .whitespaces) }
    }
    if headers["expect"]?.lowercased() == "100-continue" {
      guard writeAll(client, Data("HTTP/1.1 100 Continue\r\n\r\n".utf8)) else { return nil }
    }
    var body = Data(bytes[split.upperBound...])
    let length = Int(headers["content-length"] ?? "0") ?? 0
    while body.count < length {
      guard let more = readSome(client) else { return nil }
      body.append(more)
    }
    let first = lines[0].split(separator: " ")
    return Request(method: String(first[0]), path: String(first[1]), headers: headers, body: body)
  }

  private func readSome(_ client: Int32) -> Data? {
    var buffer = [UInt8](repeating: 0, count: 65_536)
    let n = recv(client, &buffer, buffer.count, 0)
    return n > 0 ? Data(buffer[..<n]) : nil
  }

  #if os(Linux)
    private static let quietly = Int32(MSG_NOSIGNAL)
  #else
    private static let quietly: Int32 = 0  // SO_NOSIGPIPE is set instead
  #endif

  private func writeAll(_ client: Int32, _ data: Data) -> Bool {
    var left = data[...]
    while !left.isEmpty {
      let n = left.withUnsafeBytes { send(client, $0.baseAddress, $0.count, Self.quietly) }
      guard n > 0 else { return false }
      left = left.dropFirst(n)
    }
    return true
  }
}
