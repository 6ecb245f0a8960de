#include "server/http/streams.h"

#include <openssl/x509.h>

#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>

namespace reelsense::server {

namespace {

namespace asio = boost::asio;

class PlainConnection final : public Connection {
 public:
  PlainConnection(Worker& worker, TcpSocket socket) : Connection(worker), socket_(std::move(socket)) {}

 private:
  void stream_start() override {
    ErrorCode error;
    socket_.non_blocking(true, error);  // for write_now
    asio::post(socket_.get_executor(), [self = self(), this, error] { on_started(error); });
  }
  void stream_read(char* to, std::size_t bytes) override {
    socket_.async_read_some(
        asio::buffer(to, bytes),
        [self = self(), this](const ErrorCode& error, std::size_t got) { on_read(error, got); });
  }
  std::size_t stream_write_now(const Buffers& buffers) override {
    ErrorCode error;
    // An error shows again in the write of what is left.
    return socket_.write_some(buffers, error);
  }
  void stream_write(const Buffers& buffers) override {
    asio::async_write(socket_, buffers,
                      [self = self(), this](const ErrorCode& error, std::size_t) { on_written(error); });
  }
  void stream_shutdown() override {
    ErrorCode error;
    socket_.shutdown(TcpSocket::shutdown_send, error);
  }
  void stream_close() override {
    ErrorCode error;
    socket_.close(error);
  }

  TcpSocket socket_;
};

// The common name of a verified certificate; empty if it has none or one that is not plain text.
std::string common_name(SSL* ssl) {
  X509* certificate = SSL_get1_peer_certificate(ssl);
  if (certificate == nullptr) return {};
  std::string name;
  const X509_NAME* subject = X509_get_subject_name(certificate);
  const int index = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (index >= 0 && SSL_get_verify_result(ssl) == X509_V_OK) {
    const ASN1_STRING* data = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, index));
    unsigned char* text = nullptr;
    const int length = ASN1_STRING_to_UTF8(&text, data);
    if (length > 0) name.assign(reinterpret_cast<const char*>(text), static_cast<std::size_t>(length));
    OPENSSL_free(text);
    if (name.find('\0') != std::string::npos) name.clear();
  }
  X509_free(certificate);
  return name;
}

class TlsConnection final : public Connection {
 public:
  TlsConnection(Worker& worker, TcpSocket socket, asio::ssl::context& tls)
      : Connection(worker), stream_(std::move(socket), tls) {}

 private:
  void stream_start() override {
    stream_.async_handshake(asio::ssl::stream_base::server, [self = self(), this](const ErrorCode& error) {
      if (!error) certificate_name_ = common_name(stream_.native_handle());
      on_started(error);
    });
  }
  void stream_read(char* to, std::size_t bytes) override {
    stream_.async_read_some(
        asio::buffer(to, bytes), [self = self(), this](const ErrorCode& error, std::size_t got) {
          // A peer that leaves without close_notify has left all the same; lengths tell whether anything is
          // missing.
          on_read(error == asio::ssl::error::stream_truncated ? ErrorCode(asio::error::eof) : error, got);
        });
  }
  std::size_t stream_write_now(const Buffers&) override { return 0; }
  void stream_write(const Buffers& buffers) override {
    // One record for a small answer, not one for its head and one for its body.
    constexpr std::size_t kRecord = 16 << 10;
    Buffers out = buffers;
    if (asio::buffer_size(buffers) <= kRecord) {
      record_.resize(asio::buffer_size(buffers));
      asio::buffer_copy(asio::buffer(record_), buffers);
      out = {asio::buffer(record_), asio::const_buffer()};
    }
    asio::async_write(stream_, out,
                      [self = self(), this](const ErrorCode& error, std::size_t) { on_written(error); });
  }
  void stream_shutdown() override {
    stream_.async_shutdown([self = self(), this](const ErrorCode&) { close_now(); });
  }
  void stream_close() override {
    ErrorCode error;
    stream_.lowest_layer().close(error);
  }

  asio::ssl::stream<TcpSocket> stream_;
  std::string record_;
};

}  // namespace

std::shared_ptr<Connection> make_plain_connection(Worker& worker, TcpSocket socket) {
  return std::make_shared<PlainConnection>(worker, std::move(socket));
}

std::shared_ptr<Connection> make_tls_connection(Worker& worker, TcpSocket socket,
                                                boost::asio::ssl::context& tls) {
  return std::make_shared<TlsConnection>(worker, std::move(socket), tls);
}

}  // namespace reelsense::server
