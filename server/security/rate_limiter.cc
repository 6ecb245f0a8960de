#include "server/security/rate_limiter.h"

#include <algorithm>
#include <cmath>
#include <list>
#include <mutex>
#include <unordered_map>

namespace reelsense::server {

namespace {

constexpr double kSecondsPerNs = 1e-9;

struct Tokens {
  double left = 0;
  double burst = 0;  // 0: not filled yet

  // Rates may change with the keys file; what is left then is kept, within the new burst.
  void refill(double rate, double seconds) {
    const double now_burst = std::max(1.0, rate);
    left = burst == 0 ? now_burst : std::min(now_burst, left + seconds * rate);
    burst = now_burst;
  }
  // Seconds until `wanted` may be taken: all of them there, or the bucket full. To the next nanosecond, so
  // that waiting as long is enough.
  [[nodiscard]] double wait_s(double wanted, double rate) const {
    const double lacking = std::min(wanted, burst) - left;
    const double rounding = 1e-9 * burst;
    return lacking <= rounding ? 0 : std::ceil(lacking / rate / kSecondsPerNs) * kSecondsPerNs;
  }
};

struct Bucket {
  std::uint32_t principal = 0;
  std::int64_t filled_ns = 0;
  Tokens requests;
  Tokens windows;
};

}  // namespace

struct RateLimiter::Impl {
  Bucket& bucket_of(std::uint32_t principal, std::int64_t now_ns);

  std::size_t most = 0;
  mutable std::mutex mutex;
  std::list<Bucket> buckets;  // last used first
  std::unordered_map<std::uint32_t, std::list<Bucket>::iterator> by_principal;
  std::uint64_t evicted = 0;
};

Bucket& RateLimiter::Impl::bucket_of(std::uint32_t principal, std::int64_t now_ns) {
  if (const auto found = by_principal.find(principal); found != by_principal.end()) {
    buckets.splice(buckets.begin(), buckets, found->second);
    return buckets.front();
  }
  if (buckets.size() >= most) {
    by_principal.erase(buckets.back().principal);
    buckets.pop_back();
    ++evicted;
  }
  buckets.push_front(Bucket{principal, now_ns, {}, {}});
  by_principal.emplace(principal, buckets.begin());
  return buckets.front();
}

RateLimiter::RateLimiter(std::size_t most_principals) : impl_(std::make_unique<Impl>()) {
  impl_->most = std::max<std::size_t>(1, most_principals);
}

RateLimiter::~RateLimiter() = default;

std::optional<double> RateLimiter::admit(const Principal& principal, std::size_t windows,
                                         std::int64_t steady_ns) {
  const bool by_requests = principal.requests_per_s > 0;
  const bool by_windows = principal.windows_per_s > 0;
  if (!by_requests && !by_windows) return std::nullopt;  // most servers: no lock

  const std::lock_guard lock(impl_->mutex);
  Bucket& bucket = impl_->bucket_of(principal.id, steady_ns);
  // Callers read the clock before they come here: one may be a little behind another.
  const std::int64_t passed_ns = std::max<std::int64_t>(0, steady_ns - bucket.filled_ns);
  const double passed_s = static_cast<double>(passed_ns) * kSecondsPerNs;
  bucket.filled_ns += passed_ns;
  const auto wanted = static_cast<double>(windows);
  double wait_s = 0;
  if (by_requests) {
    bucket.requests.refill(principal.requests_per_s, passed_s);
    wait_s = bucket.requests.wait_s(1, principal.requests_per_s);
  }
  if (by_windows) {
    bucket.windows.refill(principal.windows_per_s, passed_s);
    wait_s = std::max(wait_s, bucket.windows.wait_s(wanted, principal.windows_per_s));
  }
  if (wait_s > 0) return wait_s;
  if (by_requests) bucket.requests.left -= 1;
  if (by_windows) bucket.windows.left -= wanted;
  return std::nullopt;
}

std::size_t RateLimiter::buckets() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->buckets.size();
}

std::uint64_t RateLimiter::evicted() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->evicted;
}

}  // namespace reelsense::server
