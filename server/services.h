// Services: what the APIs stand on. Made once by main, outlives every request. Thread safety: every part has
// its own.
#pragma once

#include <atomic>
#include <string>

#include "server/base/clock.h"
#include "server/config/config.h"
#include "server/engine/engine.h"
#include "server/engine/watch_hub.h"
#include "server/metrics/metrics.h"
#include "server/models/repository.h"
#include "server/security/api_keys.h"
#include "server/store/inference_log.h"

namespace reelsense::server {

class Analyses;

struct Services {
  const Config& config;
  const Clock& clock;
  ModelRepository& models;
  Engine& engine;
  InferenceLog* log;  // null: off
  Metrics& metrics;
  WatchHub& watch;
  Authenticator& auth;
  RateLimiter& limiter;
  Analyses& analyses;
  std::string version;             // of the program, "0.3.0"
  std::atomic<bool> ready{false};  // /v2/health/ready; false while draining
};

}  // namespace reelsense::server
