// Statuses of calls, and who calls: what must be true before a call is answered. Thread safety: all
// functions.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>

#include <memory>
#include <string_view>

#include "server/grpc/call.h"

namespace reelsense::server {

using PrincipalPtr = std::shared_ptr<const Principal>;

// "OK", "INVALID_ARGUMENT", …
std::string_view name_of(grpc::StatusCode code) noexcept;
grpc::Status to_status(const Error& error);
grpc::Status invalid_argument(std::string message);
grpc::Status draining_status();

// The key that the metadata carry ("authorization: Bearer …" or "x-api-key"), empty if none.
std::string_view api_key_of(const grpc::CallbackServerContext& context);

// UNAVAILABLE while draining, UNAUTHENTICATED, PERMISSION_DENIED; OK: `principal` is who calls.
grpc::Status identify(GrpcCore& core, const grpc::CallbackServerContext& context, Scope scope,
                      PrincipalPtr& principal);

// RESOURCE_EXHAUSTED with retry-after-ms in the trailing metadata if the rate limit is reached.
grpc::Status admit(GrpcCore& core, grpc::CallbackServerContext& context, const Principal& principal,
                   std::size_t windows);

// Of a job that was not accepted, likewise.
grpc::Status not_accepted(GrpcCore& core, grpc::CallbackServerContext& context, SubmitCode code);

// The call's deadline by the server's clock; 0: none.
std::int64_t deadline_steady_ns(const grpc::CallbackServerContext& context, const Clock& clock);

}  // namespace reelsense::server
