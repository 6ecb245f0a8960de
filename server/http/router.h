// Router: method and path → route. The one table of routes (routes.cc) is what the server answers, what
// /metrics counts and what openapi.json is held against. Thread safety: constants.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "server/http/request.h"

namespace reelsense::server {

class Exchange;
class Upload;

enum class Access : std::uint8_t {
  kOpen,     // whoever reaches the server
  kMetrics,  // open on loopback or without authentication, else scope infer or admin
  kInfer,
  kFeedback,
  kAdmin,
};

enum class BodyKind : std::uint8_t {
  kNone,    // none is read; a small one is ignored
  kJson,    // application/json, held in memory up to http.max_body_bytes
  kTensor,  // as kJson, or application/octet-stream
  kUpload,  // a capture, streamed to disk up to analyses.max_capture_mib
};

struct Route {
  Method method;
  std::string_view pattern;  // "/v1/flows/{flow}"; a parameter is a whole segment
  Access access;
  BodyKind body;
  void (*handle)(Exchange&);
  // kUpload: opens what the body goes to before it is read; null: it has answered already.
  std::unique_ptr<Upload> (*open_upload)(Exchange&) = nullptr;
  // handle() admits the request at the rate limiter itself, when it knows how many windows there are.
  bool admits = false;
};

std::span<const Route> routes() noexcept;

struct RouteMatch {
  const Route* route = nullptr;
  std::array<std::string_view, Request::kMostParameters> parameters{};
  // Without a route: the methods the path has, "GET, POST"; empty: there is no such path.
  std::string allowed;
};
// HEAD is answered as GET without its body.
RouteMatch find_route(std::span<const Route> table, Method method, std::string_view path);

}  // namespace reelsense::server
