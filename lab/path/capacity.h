// Capacity: when the link has carried a packet. Rate (constant, trace, delivery opportunities) and timeline
// together; times are since the start of the profile.
//
// finish_ns is exact: what is late to ask loses nothing, because the caller passes the moment when the link
// became free, not the current time. Thread safety: none (it remembers the opportunity in use).
#pragma once

#include <cstdint>

#include "profile.h"
#include "timeline.h"

namespace reelsense::path {

class Capacity {
 public:
  // Both must outlive this.
  Capacity(const RateProfile& rate, const Timeline& timeline);

  // When a packet of `bytes` that the link takes up at `start_ns` is through. `start_ns` never goes back.
  // kNever when an hour is not enough.
  [[nodiscard]] std::int64_t finish_ns(std::int64_t start_ns, std::uint32_t bytes) noexcept;
  // The timeline at a time, remembered while it holds.
  [[nodiscard]] const Moment& moment_at(std::int64_t time_ns) noexcept;

 private:
  struct Segment {
    double bits_per_ns;  // infinite: unlimited
    std::int64_t until_ns;
  };
  [[nodiscard]] Segment segment_at(std::int64_t time_ns) noexcept;
  [[nodiscard]] std::int64_t finish_fluid(std::int64_t start_ns, std::uint32_t bytes) noexcept;
  [[nodiscard]] std::int64_t finish_opportunities(std::int64_t start_ns, std::uint32_t bytes) noexcept;
  void find_opportunity(std::int64_t time_ns) noexcept;
  [[nodiscard]] std::int64_t opportunity_ns() const noexcept;

  const RateProfile& rate_;
  const Timeline& timeline_;
  Moment moment_;
  std::int64_t moment_since_ns_ = kNever;  // nothing known yet
  std::int64_t round_ = 0;                 // of the trace
  std::size_t next_ = 0;                   // the opportunity that is used next
  std::int64_t used_ns_ = -1;              // time of the one in use
  double left_bytes_ = 0;                  // what it has left, for packets that were waiting then
};

}  // namespace reelsense::path
