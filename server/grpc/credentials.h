// What the gRPC port asks of its clients' connections: nothing, TLS, or TLS with client certificates. Thread
// safety: functions without state.
#pragma once

#include <grpcpp/security/server_credentials.h>

#include <memory>

#include "reelsense/base/result.h"
#include "server/config/config.h"

namespace reelsense::server {

// Reads and checks the files of [tls]: certificate and key must belong together. Errors name key and file.
Result<std::shared_ptr<grpc::ServerCredentials>> make_credentials(const Config::Tls& tls);

}  // namespace reelsense::server
