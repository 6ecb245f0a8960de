// The two streams a Connection talks over. Thread safety: as Connection.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <memory>

#include "server/http/connection.h"

namespace reelsense::server {

using TcpSocket =
    boost::asio::basic_stream_socket<boost::asio::ip::tcp, boost::asio::io_context::executor_type>;

// `socket` is of the worker's context.
std::shared_ptr<Connection> make_plain_connection(Worker& worker, TcpSocket socket);
std::shared_ptr<Connection> make_tls_connection(Worker& worker, TcpSocket socket,
                                                boost::asio::ssl::context& tls);

}  // namespace reelsense::server
