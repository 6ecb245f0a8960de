// End to end over TLS: certificates made on the spot, a client on OpenSSL.
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <cstdio>

#include "server/http/server_fixture.h"

namespace reelsense::server {
namespace {

using ::testing::HasSubstr;

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* held) const {
    Free(held);
  }
};
using KeyHandle = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using CertificateHandle = std::unique_ptr<X509, Freed<X509_free>>;

struct Identity {
  KeyHandle key;
  CertificateHandle certificate;
};

// A certificate of `name`, signed by `issuer` or, without one, by itself.
Identity make_identity(const char* name, const Identity* issuer) {
  Identity made{KeyHandle(EVP_EC_gen("P-256")), CertificateHandle(X509_new())};
  X509* certificate = made.certificate.get();
  X509_set_version(certificate, X509_VERSION_3);
  static long serial = 1;
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, made.key.get());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
  const X509* parent = issuer == nullptr ? certificate : issuer->certificate.get();
  X509_set_issuer_name(certificate, X509_get_subject_name(parent));
  if (issuer == nullptr) {
    X509_EXTENSION* extension =
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_basic_constraints, "critical,CA:TRUE");
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
  }
  X509_sign(certificate, issuer == nullptr ? made.key.get() : issuer->key.get(), EVP_sha256());
  return made;
}

void write_pem(const std::filesystem::path& file, const Identity& identity, bool key) {
  FILE* out = std::fopen(file.c_str(), "w");
  ASSERT_NE(out, nullptr);
  if (key) {
    PEM_write_PrivateKey(out, identity.key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  } else {
    PEM_write_X509(out, identity.certificate.get());
  }
  std::fclose(out);
}

// One request over TLS; the answer as it came, empty if the handshake or the request failed.
std::string ask_tls(std::uint16_t port, const std::string& request, const Identity* identity,
                    int version = 0) {
  Client tcp(port);
  const std::unique_ptr<SSL_CTX, Freed<SSL_CTX_free>> context(SSL_CTX_new(TLS_client_method()));
  if (version != 0) SSL_CTX_set_max_proto_version(context.get(), version);
  if (version != 0) SSL_CTX_set_security_level(context.get(), 0);
  if (identity != nullptr) {
    SSL_CTX_use_certificate(context.get(), identity->certificate.get());
    SSL_CTX_use_PrivateKey(context.get(), identity->key.get());
  }
  const std::unique_ptr<SSL, Freed<SSL_free>> ssl(SSL_new(context.get()));
  SSL_set_fd(ssl.get(), tcp.native());
  if (SSL_connect(ssl.get()) != 1) return {};
  if (SSL_write(ssl.get(), request.data(), static_cast<int>(request.size())) <= 0) return {};
  std::string reply;
  char bytes[4096];
  for (int got = 0; (got = SSL_read(ssl.get(), bytes, sizeof bytes)) > 0;)
    reply.append(bytes, static_cast<std::size_t>(got));
  return reply;
}

const std::string kGet = "GET /v1/models HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n";

class TlsTest : public ServerTest {
 protected:
  TlsTest()
      : authority_(make_identity("authority", nullptr)),
        server_identity_(make_identity("localhost", &authority_)) {
    write_pem(folder_ / "server.pem", server_identity_, false);
    write_pem(folder_ / "server.key", server_identity_, true);
    write_pem(folder_ / "ca.pem", authority_, false);
    config_.tls.certificate = (folder_ / "server.pem").string();
    config_.tls.key = (folder_ / "server.key").string();
  }

  Identity authority_;
  Identity server_identity_;
};

TEST_F(TlsTest, Tls_SmallAndLargeAnswers_ComeWhole) {
  start();
  EXPECT_THAT(ask_tls(server_->port(), kGet, nullptr), HasSubstr("HTTP/1.1 200 OK"));
  const std::string page =
      ask_tls(server_->port(), "GET /docs HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n", nullptr);
  EXPECT_THAT(page, HasSubstr("</html>"));
  std::string body = R"({"windows":[)";
  for (int i = 0; i < 200; ++i) body += (i == 0 ? "" : ",") + ue_window(std::to_string(i), 1, i);
  body += "]}";
  const std::string labels =
      ask_tls(server_->port(),
              "POST /v1/classify HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Length: " +
                  std::to_string(body.size()) + "\r\n\r\n" + body,
              nullptr);
  EXPECT_THAT(labels, HasSubstr(R"("flow":"199")"));
}

TEST_F(TlsTest, Tls_OldVersionsAndPlainText_AreRefused) {
  start();
  EXPECT_EQ(ask_tls(server_->port(), kGet, nullptr, TLS1_1_VERSION), "");
  EXPECT_EQ(Client(server_->port()).ask("GET", "/v1/models").status, 0);
  EXPECT_THAT(ask_tls(server_->port(), kGet, nullptr), HasSubstr("200 OK"));
}

TEST_F(TlsTest, ClientCertificate_OfTheAuthority_IsItsPrincipal) {
  config_.tls.client_ca = (folder_ / "ca.pem").string();
  config_.auth.trust_client_certificates = true;
  start();
  const Identity device = make_identity("device-7", &authority_);
  const Identity other_authority = make_identity("other", nullptr);
  const Identity stranger = make_identity("device-7", &other_authority);
  EXPECT_THAT(ask_tls(server_->port(), kGet, &device), HasSubstr("200 OK"));
  EXPECT_EQ(ask_tls(server_->port(), kGet, nullptr), "");
  EXPECT_EQ(ask_tls(server_->port(), kGet, &stranger), "");
  // Certificates give the scopes infer and feedback.
  EXPECT_THAT(ask_tls(server_->port(),
                      "POST /v1/models/rescan HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n", &device),
              HasSubstr("403 Forbidden"));
}

TEST_F(TlsTest, Files_ThatAreNotThere_AreNamed) {
  start();
  config_.tls.certificate = "/nowhere/server.pem";
  auto certificate = HttpServer::start(*services_);
  ASSERT_FALSE(certificate.ok());
  EXPECT_THAT(certificate.error().message, HasSubstr("tls.certificate: /nowhere/server.pem"));
  config_.tls.certificate = (folder_ / "server.pem").string();
  config_.tls.key = (folder_ / "ca.pem").string();
  auto key = HttpServer::start(*services_);
  ASSERT_FALSE(key.ok());
  EXPECT_THAT(key.error().message, HasSubstr("tls.key"));
}

}  // namespace
}  // namespace reelsense::server
