// API keys: who a request is from. Keys are 256 random bits, "rs_" and 43 base64url characters; the file
// keeps only their SHA-256. Thread safety: all members.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "reelsense/base/result.h"
#include "server/config/config.h"
#include "server/security/principal.h"
#include "server/security/rate_limiter.h"

namespace reelsense::server {

enum class AuthCode : std::uint8_t { kOk, kMissing, kUnknown };

struct AuthResult {
  AuthCode code = AuthCode::kOk;
  std::shared_ptr<const Principal> principal;  // with kOk
};

class Authenticator {
 public:
  // Reads the keys file, if there is one: TOML, an array of tables [[key]] with name, sha256 (64 hex digits),
  // scopes (["infer", "feedback", "admin"]) and, optional, windows_per_s and requests_per_s. Two keys may
  // share a name (to rotate): they are one principal. Errors name file, line and key.
  static Result<std::unique_ptr<Authenticator>> open(const Config& config);
  ~Authenticator();

  // True if every request must say who it is (a keys file or client certificates).
  [[nodiscard]] bool required() const noexcept;
  // `token`: what followed "Bearer " in Authorization, or X-API-Key; empty: none. `certificate_name`: common
  // name of the verified client certificate; empty: none. Without required() everybody is the anonymous
  // principal 0, with the default limits of [limits].
  [[nodiscard]] AuthResult authenticate(std::string_view token, std::string_view certificate_name = {}) const;
  // Reads the file again (SIGHUP); on an error the present keys stay.
  Status reload();

 private:
  struct Impl;
  explicit Authenticator(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// A new key and the [[key]] table for the file, for `reelsense-server key new`.
struct NewKey {
  std::string key;
  std::string entry;
};
NewKey make_key(const std::string& name, std::uint8_t scopes);

}  // namespace reelsense::server
