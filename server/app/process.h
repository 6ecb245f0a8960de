// The server's life: everything is made in order, serves until a signal, drains, and is unmade in reverse.
// Thread safety: one a process, from the main thread.
#pragma once

#include <string>

#include "server/config/config.h"

namespace reelsense::server {

// Serves until SIGTERM or SIGINT. Returns the exit code: 0 after a drain, 2 if it could not start (told on
// the log).
int run_server(const Config& config, const std::string& version);

}  // namespace reelsense::server
