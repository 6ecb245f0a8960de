// GrpcServer: the gRPC port. inference.GRPCInferenceService, reelsense.v1.FlowClassifier, health and
// reflection.
//
// Bounds: message size and streams a connection by configuration, memory by a quota that slows reading down,
// connections that do not answer a ping or have not asked anything for long are closed. Health and reflection
// ask for no key.
//
// Thread safety: all members. `services` must outlive it, and so must the engine's workers be able to answer
// until stop() returned.
#pragma once

#include <chrono>
#include <memory>

#include "reelsense/base/result.h"
#include "server/services.h"

namespace reelsense::server {

class GrpcServer {
 public:
  // Listens on config.grpc.listen. Errors name the key of the configuration.
  static Result<std::unique_ptr<GrpcServer>> start(Services& services);
  ~GrpcServer();  // stops at once if nobody did

  [[nodiscard]] int port() const noexcept;
  // Health says NOT_SERVING and new calls are refused with UNAVAILABLE; open ones go on.
  void stop_accepting();
  // Streams answer what they have read and end with UNAVAILABLE; what is open after `grace` is cancelled.
  // Returns when nothing is left, no job at the engine either.
  void stop(std::chrono::milliseconds grace);

 private:
  struct Impl;
  explicit GrpcServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace reelsense::server
