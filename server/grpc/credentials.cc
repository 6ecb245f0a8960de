#include "server/grpc/credentials.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <filesystem>
#include <string>

#include "reelsense/bundle/bundle.h"

namespace reelsense::server {

namespace {

constexpr std::size_t kMostBytes = 1 << 20;

Result<std::string> read_pem(const char* key, const std::string& file) {
  const auto bytes = bundle::read_file(file, kMostBytes);
  if (!bytes) return bytes.error().in(key);
  return std::string(bytes.value().begin(), bytes.value().end());
}

using BioPtr = std::unique_ptr<BIO, decltype(&BIO_free)>;
using CertificatePtr = std::unique_ptr<X509, decltype(&X509_free)>;
using KeyPtr = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

BioPtr bio_of(const std::string& pem) {
  return {BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free};
}

Result<CertificatePtr> read_certificate(const char* key, const std::string& file, const std::string& pem) {
  CertificatePtr certificate(PEM_read_bio_X509(bio_of(pem).get(), nullptr, nullptr, nullptr), X509_free);
  ERR_clear_error();
  if (certificate != nullptr) return certificate;
  return Error{ErrorCode::kCorrupt, std::string(key) + ": " + file + " holds no PEM certificate"};
}

Status check_pair(const Config::Tls& tls, const std::string& chain, const std::string& key) {
  const Result<CertificatePtr> certificate = read_certificate("tls.certificate", tls.certificate, chain);
  if (!certificate) return certificate.error();
  // A key with a passphrase must fail here, not ask on the terminal.
  const auto no_passphrase = [](char*, int, int, void*) { return 0; };
  const KeyPtr pair(PEM_read_bio_PrivateKey(bio_of(key).get(), nullptr, no_passphrase, nullptr),
                    EVP_PKEY_free);
  const bool fits = pair != nullptr && X509_check_private_key(certificate.value().get(), pair.get()) == 1;
  ERR_clear_error();
  if (pair == nullptr) {
    return Error{ErrorCode::kCorrupt,
                 "tls.key: " + tls.key + " holds no PEM private key without a passphrase"};
  }
  if (fits) return ok_status();
  return Error{ErrorCode::kMismatch,
               "tls.key: " + tls.key + " is not the key of the certificate " + tls.certificate};
}

}  // namespace

Result<std::shared_ptr<grpc::ServerCredentials>> make_credentials(const Config::Tls& tls) {
  if (tls.certificate.empty() && tls.key.empty() && tls.client_ca.empty())
    return grpc::InsecureServerCredentials();
  if (tls.certificate.empty() || tls.key.empty()) {
    return Error{ErrorCode::kInvalidArgument, "tls.certificate and tls.key: both are needed for TLS"};
  }
  const Result<std::string> chain = read_pem("tls.certificate", tls.certificate);
  if (!chain) return chain.error();
  const Result<std::string> key = read_pem("tls.key", tls.key);
  if (!key) return key.error();
  if (Status status = check_pair(tls, chain.value(), key.value()); !status) return status.error();

  grpc::SslServerCredentialsOptions options(GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);
  if (!tls.client_ca.empty()) {
    const Result<std::string> ca = read_pem("tls.client_ca", tls.client_ca);
    if (!ca) return ca.error();
    if (const auto read = read_certificate("tls.client_ca", tls.client_ca, ca.value()); !read)
      return read.error();
    options.client_certificate_request = GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY;
    options.pem_root_certs = ca.value();
  }
  options.pem_key_cert_pairs.push_back({key.value(), chain.value()});
  return grpc::SslServerCredentials(options);
}

}  // namespace reelsense::server
