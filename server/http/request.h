// Request: one HTTP request as handlers see it, and the small grammar of its target and header values.
// Thread safety: plain values; the views live as long as the request is being answered.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "server/security/principal.h"

namespace reelsense::server {

enum class Method : std::uint8_t { kGet, kHead, kPost, kPut, kDelete, kOther };
std::string_view name_of(Method method) noexcept;

// The header of a request: views into the buffer that it was read into.
struct Head {
  Method method = Method::kOther;
  std::string_view target;
  std::string_view authorization;
  std::string_view api_key;
  std::string_view content_type;
  std::string_view content_encoding;
  std::string_view accept;
  std::string_view request_id;
  std::string_view timeout_ms;
  std::string_view infer_header_bytes;  // Inference-Header-Content-Length
  bool keep_alive = true;
  bool http_1_0 = false;
  bool chunked = false;
  bool expect_continue = false;
  std::uint64_t content_length = 0;
};

struct Request {
  static constexpr std::size_t kMostParameters = 2;
  Head head;
  std::string_view path;   // as it was sent, still percent-encoded
  std::string_view query;  // without the '?'
  std::string_view body;   // kJsonPadding readable bytes behind it
  std::string_view id;     // X-Request-Id or one we made
  std::shared_ptr<const Principal> principal;
  std::array<std::string_view, kMostParameters> parameters;  // {…} of the route's pattern, percent-encoded

  // The decoded parameter; nothing if its percent-encoding is broken.
  [[nodiscard]] std::optional<std::string> parameter(std::size_t index) const;
  // The decoded value of a query parameter; nothing: not there.
  [[nodiscard]] std::optional<std::string> query_value(std::string_view name) const;
};

// "%2F" → "/"; with `plus`, '+' is a space. Nothing: a '%' without two hexadecimal digits.
std::optional<std::string> percent_decode(std::string_view text, bool plus);

// The token of "Bearer <token>"; empty: another scheme or none.
std::string_view bearer_token(std::string_view authorization) noexcept;

// The media type without its parameters and case: "Application/JSON; charset=utf-8" is("application/json").
bool media_type_is(std::string_view content_type, std::string_view type) noexcept;
// True if an Accept header names the type itself (wildcards do not count).
bool accepts(std::string_view accept, std::string_view type) noexcept;

// 1 … 128 of letters, digits and -._:/+=@ : what we echo and log.
bool is_sane_request_id(std::string_view id) noexcept;

// Decimal digits only, at most `most`.
std::optional<std::uint64_t> parse_count(std::string_view text, std::uint64_t most) noexcept;
// "true"/"1" or "false"/"0".
std::optional<bool> parse_flag(std::string_view text) noexcept;
// RFC 3339 ("2026-03-01T12:00:00.5Z", "…+01:00") or seconds since the epoch ("1700000000.25") → milliseconds.
std::optional<std::int64_t> parse_time_ms(std::string_view text) noexcept;
// RFC 3339, UTC, milliseconds.
std::string time_text(std::int64_t ms);

}  // namespace reelsense::server
