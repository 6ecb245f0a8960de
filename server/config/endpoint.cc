#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <string_view>

#include "server/config/config.h"
#include "server/config/toml_text.h"

namespace reelsense::server {

namespace {

constexpr std::size_t kMostHostBytes = 253;  // a DNS name

bool is_ipv4(const std::string& host, in_addr& address) noexcept {
  return ::inet_pton(AF_INET, host.c_str(), &address) == 1;
}

bool is_ipv6(const std::string& host, in6_addr& address) noexcept {
  return ::inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

bool is_host_name(const std::string& host) noexcept {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
  };
  // Digits and dots alone were meant as an address.
  return !host.empty() && host.size() <= kMostHostBytes && std::all_of(host.begin(), host.end(), fits) &&
         host.find_first_not_of("0123456789.") != std::string::npos && host.front() != '-' &&
         host.front() != '.' && host.find("..") == std::string::npos;
}

Error bad_endpoint(const std::string& text, const std::string& reason) {
  return {ErrorCode::kInvalidArgument,
          "found " + toml_string(text, 80) + ", expected \"host:port\" or \"[IPv6]:port\": " + reason};
}

}  // namespace

Result<Endpoint> parse_endpoint(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) return bad_endpoint(text, "there is no port");
  Endpoint endpoint;
  endpoint.host = text.substr(0, colon);
  const std::string_view port = std::string_view(text).substr(colon + 1);
  const auto read = std::from_chars(port.data(), port.data() + port.size(), endpoint.port);
  if (read.ec != std::errc() || read.ptr != port.data() + port.size())
    return bad_endpoint(text, "the port is a number from 0 to 65535");
  std::string& host = endpoint.host;
  if (host.empty()) return bad_endpoint(text, "there is no host (every IPv4 address of this one: 0.0.0.0)");
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    in6_addr address{};
    // c_str() would end at a NUL that the rest of the host hides behind.
    if (host.find('\0') != std::string::npos || !is_ipv6(host, address))
      return bad_endpoint(text, "between the brackets is no IPv6 address");
    return endpoint;
  }
  if (host.find(':') != std::string::npos) return bad_endpoint(text, "an IPv6 address needs brackets");
  in_addr address{};
  if (!is_host_name(host) && (host.find('\0') != std::string::npos || !is_ipv4(host, address)))
    return bad_endpoint(text, "the host is neither a name nor an IPv4 address");
  return endpoint;
}

bool is_loopback(const Endpoint& endpoint) noexcept {
  in_addr v4{};
  if (is_ipv4(endpoint.host, v4)) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  if (is_ipv6(endpoint.host, v6)) {
    return IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127);
  }
  constexpr std::string_view kLocalhost = "localhost";
  return std::equal(endpoint.host.begin(), endpoint.host.end(), kLocalhost.begin(), kLocalhost.end(),
                    [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b; });
}

}  // namespace reelsense::server
