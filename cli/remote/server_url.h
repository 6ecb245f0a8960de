// A server's URL: "host:port" or "[IPv6]:port", alone or after grpc://, grpcs:// or http://. Thread safety:
// plain values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "reelsense/base/result.h"

namespace reelsense::cli {

enum class UrlScheme : std::uint8_t { kGrpc, kGrpcTls, kHttp };

struct ServerUrl {
  UrlScheme scheme = UrlScheme::kGrpc;
  std::string host;  // an IPv6 address without its brackets
  std::string port;
  std::string text;  // as given

  // "host:port", "[::1]:port"
  [[nodiscard]] std::string authority() const;
  [[nodiscard]] bool is_loopback() const;
};

// `bare`: the scheme of a URL that names none. The error names the URL and what was expected.
Result<ServerUrl> parse_server_url(std::string_view text, UrlScheme bare = UrlScheme::kGrpc);

}  // namespace reelsense::cli
