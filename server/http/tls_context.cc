#include "server/http/tls_context.h"

#include <openssl/ssl.h>

#include <string>

namespace reelsense::server {

namespace ssl = boost::asio::ssl;

namespace {

Error failed(const char* key, const std::string& file, const std::string& why) {
  return {ErrorCode::kInvalidArgument, std::string(key) + ": " + file + ": " + why};
}

int choose_protocol(SSL*, const unsigned char** out, unsigned char* length, const unsigned char* offered,
                    unsigned int offered_length, void*) {
  static constexpr unsigned char kOurs[] = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  const int result = SSL_select_next_proto(&chosen, length, kOurs, sizeof kOurs - 1, offered, offered_length);
  *out = chosen;
  return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

}  // namespace

Result<std::unique_ptr<ssl::context>> make_tls_context(const Config::Tls& config) {
  auto context = std::make_unique<ssl::context>(ssl::context::tls_server);
  boost::system::error_code error;
  SSL_CTX* native = context->native_handle();
  SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
  SSL_CTX_set_options(native,
                      SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(native, SSL_MODE_RELEASE_BUFFERS);  // an idle connection keeps 34 kB less
  SSL_CTX_set_alpn_select_cb(native, choose_protocol, nullptr);
  // Without an id, resuming a session that showed a client certificate fails.
  constexpr unsigned char kSessionId[] = "reelsense";
  SSL_CTX_set_session_id_context(native, kSessionId, sizeof kSessionId - 1);
  context->use_certificate_chain_file(config.certificate, error);
  if (error) return failed("tls.certificate", config.certificate, error.message());
  context->use_private_key_file(config.key, ssl::context::pem, error);
  if (error) return failed("tls.key", config.key, error.message());
  if (config.client_ca.empty()) return context;
  context->load_verify_file(config.client_ca, error);
  if (error) return failed("tls.client_ca", config.client_ca, error.message());
  context->set_verify_mode(ssl::verify_peer | ssl::verify_fail_if_no_peer_cert, error);
  if (error) return failed("tls.client_ca", config.client_ca, error.message());
  STACK_OF(X509_NAME)* names = SSL_load_client_CA_file(config.client_ca.c_str());
  if (names == nullptr) return failed("tls.client_ca", config.client_ca, "no certificate in it");
  SSL_CTX_set_client_CA_list(native, names);
  return context;
}

}  // namespace reelsense::server
