// App: what all connections of the REST API share. Thread safety: constants, atomics and parts with their
// own.
#pragma once

#include <atomic>
#include <cstddef>
#include <string>

#include "server/http/background.h"
#include "server/http/docs_page.h"
#include "server/services.h"

namespace reelsense::server {

struct App {
  explicit App(Services& services_) : services(services_) {}

  Services& services;
  Background background;
  Docs docs;
  bool metrics_open = true;           // /metrics needs no key
  std::atomic<bool> draining{false};  // answers close their connections
  std::atomic<std::size_t> connections{0};
  // Promises to continue that are not kept yet: jobs at the engine, work in the background, feedback being
  // stored.
  std::atomic<std::size_t> owed{0};
  // Memory that bodies in arrival take, of all connections; over the limit they are refused with `busy`.
  static constexpr std::size_t kMostBodyBytes = std::size_t{256} << 20;
  std::atomic<std::size_t> body_bytes{0};
};

}  // namespace reelsense::server
