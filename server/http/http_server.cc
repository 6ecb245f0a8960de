#include "server/http/http_server.h"

#include <sys/resource.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <future>
#include <thread>
#include <vector>

#include "server/base/logger.h"
#include "server/http/app.h"
#include "server/http/streams.h"
#include "server/http/tls_context.h"
#include "server/http/worker.h"

namespace reelsense::server {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr std::size_t kRefusedAtOnce =
    64;  // connections over the limit that are told so; more are just closed
constexpr auto kAcceptPause = std::chrono::milliseconds(100);  // when the process is out of descriptors
constexpr rlim_t kOtherDescriptors = 256;                      // gRPC, SQLite, models, uploads

// A connection is a descriptor: asks for as many as the configuration allows.
void raise_descriptor_limit(std::int64_t connections) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const rlim_t wanted = static_cast<rlim_t>(connections) + kOtherDescriptors;
  if (limit.rlim_cur >= wanted) return;
  limit.rlim_cur = limit.rlim_max == RLIM_INFINITY ? wanted : std::min(wanted, limit.rlim_max);
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < static_cast<rlim_t>(connections)) {
    log_warning("fewer descriptors than connections",
                {{"http.max_connections", connections}, {"descriptors", limit.rlim_cur}});
  }
}

}  // namespace

struct HttpServer::Impl {
  explicit Impl(Services& services) : app(services) {}

  Status listen(const Endpoint& endpoint);
  void accept();
  void accepted(Worker& worker, TcpSocket socket);
  void close_acceptor();

  App app;
  std::unique_ptr<asio::ssl::context> tls;
  std::vector<std::unique_ptr<Worker>> workers;
  std::unique_ptr<tcp::acceptor> acceptor;  // on the first worker's thread
  std::unique_ptr<asio::steady_timer> pause;
  std::uint16_t port = 0;
  std::size_t next_worker = 0;
  std::mutex stop_mutex;
  bool stopped = false;
};

Status HttpServer::Impl::listen(const Endpoint& endpoint) {
  const std::string where = "http.listen: " + app.services.config.http.listen + ": ";
  boost::system::error_code error;
  asio::io_context& context = workers.front()->context();
  tcp::resolver resolver(context);
  const auto found = resolver.resolve(endpoint.host, std::to_string(endpoint.port),
                                      tcp::resolver::passive | tcp::resolver::numeric_service, error);
  if (error || found.empty()) return Error{ErrorCode::kInvalidArgument, where + error.message()};
  const tcp::endpoint address = found.begin()->endpoint();
  acceptor = std::make_unique<tcp::acceptor>(context);
  acceptor->open(address.protocol(), error);
  if (!error) acceptor->set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor->bind(address, error);
  if (!error) acceptor->listen(asio::socket_base::max_listen_connections, error);
  if (error) return Error{ErrorCode::kIo, where + error.message()};
  port = acceptor->local_endpoint(error).port();
  pause = std::make_unique<asio::steady_timer>(context);
  return ok_status();
}

void HttpServer::Impl::accept() {
  Worker& worker = *workers[next_worker];
  next_worker = (next_worker + 1) % workers.size();
  acceptor->async_accept(worker.context(),
                         [this, &worker](const boost::system::error_code& error, TcpSocket socket) {
                           if (!acceptor->is_open()) return;
                           if (error) {
                             // Out of descriptors, most likely: the connection waits in the queue while
                             // others close.
                             app.services.metrics.refused(Api::kRest, "accept");
                             pause->expires_after(kAcceptPause);
                             pause->async_wait([this](const boost::system::error_code& cancelled) {
                               if (!cancelled && acceptor->is_open()) accept();
                             });
                             return;
                           }
                           accepted(worker, std::move(socket));
                           accept();
                         });
}

void HttpServer::Impl::accepted(Worker& worker, TcpSocket socket) {
  const std::size_t others = app.connections.fetch_add(1);
  const auto most = static_cast<std::size_t>(app.services.config.http.max_connections);
  const bool refuse = others >= most;
  if (refuse) app.services.metrics.refused(Api::kRest, "connections");
  if (others >= most + kRefusedAtOnce) {
    app.connections.fetch_sub(1);
    return;  // closes the socket
  }
  boost::system::error_code error;
  socket.set_option(tcp::no_delay(true), error);
  std::shared_ptr<Connection> connection = tls ? make_tls_connection(worker, std::move(socket), *tls)
                                               : make_plain_connection(worker, std::move(socket));
  asio::post(worker.context(), [connection = std::move(connection), refuse] { connection->start(refuse); });
}

// Returns when it is closed: every connection there will ever be is then counted, and stop() waits for it.
void HttpServer::Impl::close_acceptor() {
  auto closed = std::make_shared<std::promise<void>>();
  workers.front()->post([this, closed] {
    boost::system::error_code error;
    acceptor->close(error);
    pause->cancel();
    closed->set_value();
  });
  closed->get_future().wait();
}

Result<std::unique_ptr<HttpServer>> HttpServer::start(Services& services) {
  const Config& config = services.config;
  Result<Endpoint> endpoint = parse_endpoint(config.http.listen);
  if (!endpoint.ok()) return endpoint.error().in("http.listen");
  auto impl = std::make_unique<Impl>(services);
  impl->app.metrics_open = is_loopback(endpoint.value()) || !services.auth.required();
  Result<Docs> docs = make_docs(services.version);
  if (!docs.ok()) return docs.error();
  impl->app.docs = std::move(docs).value();
  if (!config.tls.certificate.empty()) {
    auto tls = make_tls_context(config.tls);
    if (!tls.ok()) return tls.error();
    impl->tls = std::move(tls).value();
  }
  raise_descriptor_limit(config.http.max_connections);
  const std::int64_t threads = std::max<std::int64_t>(config.http.threads, 1);
  for (std::int64_t i = 0; i < threads; ++i) impl->workers.push_back(std::make_unique<Worker>(impl->app));
  const Status listening = impl->listen(endpoint.value());
  if (!listening.ok()) return listening.error();
  impl->accept();
  for (const auto& worker : impl->workers) worker->start();
  log_info("REST is served", {{"port", impl->port}, {"tls", impl->tls != nullptr}, {"threads", threads}});
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() {
  stop(std::chrono::nanoseconds(0));
}

std::uint16_t HttpServer::port() const noexcept {
  return impl_->port;
}

void HttpServer::stop_accepting() {
  const std::lock_guard lock(impl_->stop_mutex);
  if (impl_->stopped || impl_->app.draining.exchange(true)) return;
  impl_->close_acceptor();
  for (const auto& worker : impl_->workers) worker->drain();
}

void HttpServer::stop(std::chrono::nanoseconds limit) {
  stop_accepting();
  const std::lock_guard lock(impl_->stop_mutex);
  if (impl_->stopped) return;
  impl_->stopped = true;
  constexpr auto kLook = std::chrono::milliseconds(2);
  const auto deadline = std::chrono::steady_clock::now() + limit;
  const App& app = impl_->app;
  while (app.connections.load() != 0 && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(kLook);
  // Jobs are cancelled with their connections; engine, log and background threads give everything back.
  while (app.connections.load() != 0 || app.owed.load() != 0) {
    for (const auto& worker : impl_->workers) worker->close_all();
    std::this_thread::sleep_for(kLook);
  }
  for (const auto& worker : impl_->workers) worker->stop();
}

}  // namespace reelsense::server
