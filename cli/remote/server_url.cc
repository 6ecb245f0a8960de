#include "cli/remote/server_url.h"

#include <algorithm>
#include <charconv>

namespace reelsense::cli {
namespace {

struct Scheme {
  std::string_view prefix;
  UrlScheme scheme;
};
constexpr Scheme kSchemes[] = {
    {"grpc://", UrlScheme::kGrpc}, {"grpcs://", UrlScheme::kGrpcTls}, {"http://", UrlScheme::kHttp}};

bool is_port(std::string_view text) {
  unsigned value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  return code == std::errc{} && end == text.data() + text.size() && value >= 1 && value <= 65535;
}

// Letters, digits and what addresses and names are made of; nothing that a URL or a resolver reads another
// way.
bool is_host(std::string_view text, bool ipv6) {
  const auto fits = [ipv6](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
           c == '-' || c == '_' || (ipv6 && (c == ':' || c == '%'));
  };
  return !text.empty() && std::all_of(text.begin(), text.end(), fits);
}

}  // namespace

std::string ServerUrl::authority() const {
  return (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + port;
}

bool ServerUrl::is_loopback() const {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

Result<ServerUrl> parse_server_url(std::string_view text, UrlScheme bare) {
  ServerUrl url;
  url.text = std::string(text);
  url.scheme = bare;
  std::string_view rest = text;
  for (const Scheme& known : kSchemes) {
    if (!rest.starts_with(known.prefix)) continue;
    url.scheme = known.scheme;
    rest.remove_prefix(known.prefix.size());
    break;
  }
  if (rest.ends_with('/')) rest.remove_suffix(1);
  const std::size_t colon = rest.rfind(':');
  if (colon != std::string_view::npos) {
    std::string_view host = rest.substr(0, colon);
    const bool ipv6 = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (ipv6) host = host.substr(1, host.size() - 2);
    if (is_host(host, ipv6) && is_port(rest.substr(colon + 1))) {
      url.host = std::string(host);
      url.port = std::string(rest.substr(colon + 1));
      return url;
    }
  }
  return Error{
      ErrorCode::kInvalidArgument,
      "'" + std::string(text) +
          "' is not a server's URL: expected host:port, grpc://host:port, grpcs://host:port (TLS) or, for "
          "--mode rest, http://host:port"};
}

}  // namespace reelsense::cli
