// HttpServer: the REST API. Open Inference Protocol v2, /v1, metrics, the OpenAPI document and its page, over
// HTTP/1.1 with or without TLS, on threads of its own.
//
// To stop well: Services::ready false, stop_accepting(), Engine::drain(), stop(). What it serves must outlive
// it. Thread safety: all members.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include "reelsense/base/result.h"
#include "server/services.h"

namespace reelsense::server {

class HttpServer {
 public:
  // Listens and serves. kInvalidArgument: TLS files or the address; kIo: the port is taken. Errors name the
  // key.
  static Result<std::unique_ptr<HttpServer>> start(Services& services);
  ~HttpServer();  // stop(0)

  [[nodiscard]] std::uint16_t port() const noexcept;
  // No new connections; open ones close after their present answer, idle ones at once.
  void stop_accepting();
  // Waits for the answers being made, at most `limit`, then closes every connection and ends its threads.
  void stop(std::chrono::nanoseconds limit);

 private:
  struct Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace reelsense::server
