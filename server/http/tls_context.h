// The TLS side of [tls]: certificate, key, client CA. Thread safety: a function without state.
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <memory>

#include "reelsense/base/result.h"
#include "server/config/config.h"

namespace reelsense::server {

// TLS 1.2 and later, ALPN http/1.1; with a client CA, clients must show a certificate of it. Errors name key
// and file.
Result<std::unique_ptr<boost::asio::ssl::context>> make_tls_context(const Config::Tls& config);

}  // namespace reelsense::server
