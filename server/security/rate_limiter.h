// RateLimiter: token buckets by principal: requests and windows a second, each with a burst of one second's
// worth (at least one request, and any single request that is within the windows of one burst or finds its
// bucket full; one larger than a burst is paid off before the next).
//
// At most `most_principals` buckets are kept; the one used longest ago goes first, and its principal starts
// anew with a full bucket. Thread safety: all members.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "server/security/principal.h"

namespace reelsense::server {

class RateLimiter {
 public:
  explicit RateLimiter(std::size_t most_principals = 65'536);
  ~RateLimiter();
  // Nothing: go on. Else seconds until it would be admitted if nobody else of the principal asked meanwhile.
  std::optional<double> admit(const Principal& principal, std::size_t windows, std::int64_t steady_ns);

  [[nodiscard]] std::size_t buckets() const;
  [[nodiscard]] std::uint64_t evicted() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace reelsense::server
