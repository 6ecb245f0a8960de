#include "server/config/loaded_config.h"
#include "server/config/toml_text.h"

namespace reelsense::server {

namespace {

void check_tls(const LoadedConfig& loaded, std::vector<std::string>& errors) {
  const Config::Tls& tls = loaded.config.tls;
  if (!tls.certificate.empty() && tls.key.empty())
    errors.push_back(loaded.naming("tls.certificate") + ": needs tls.key, the certificate's private key");
  if (!tls.key.empty() && tls.certificate.empty())
    errors.push_back(loaded.naming("tls.key") + ": needs tls.certificate, the key's certificate chain");
  if (!tls.client_ca.empty() && tls.certificate.empty())
    errors.push_back(loaded.naming("tls.client_ca") +
                     ": needs tls.certificate and tls.key: clients show certificates over TLS only");
  if (loaded.config.auth.trust_client_certificates && tls.client_ca.empty())
    errors.push_back(loaded.naming("auth.trust_client_certificates") +
                     ": needs tls.client_ca, which says whose certificates count");
}

void check_listen(const LoadedConfig& loaded, std::vector<std::string>& errors) {
  const Config& config = loaded.config;
  const bool open = config.auth.keys_file.empty() && config.tls.client_ca.empty();
  for (const auto& [name, listen] :
       {std::pair("http.listen", &config.http.listen), std::pair("grpc.listen", &config.grpc.listen)}) {
    if (!open || config.auth.insecure_public || listen->empty()) continue;
    const Result<Endpoint> endpoint = parse_endpoint(*listen);  // checked when it was read
    if (!endpoint || is_loopback(endpoint.value())) continue;
    errors.push_back(loaded.naming(name) + ": " + toml_string(*listen) +
                     " is beyond loopback and nobody is asked who they are: set auth.keys_file (API keys) or "
                     "tls.client_ca (client certificates), or say auth.insecure_public = true");
  }
  if (config.http.listen.empty() && config.grpc.listen.empty()) {
    errors.push_back(loaded.naming("grpc.listen") +
                     ": both http.listen and grpc.listen are empty (off); set one");
    return;
  }
  const Result<Endpoint> http = parse_endpoint(config.http.listen);
  if (config.http.listen == config.grpc.listen && http && http.value().port != 0) {
    errors.push_back(loaded.naming("grpc.listen") + ": " + toml_string(config.grpc.listen) +
                     " is http.listen as well; each needs a port of its own");
  }
}

}  // namespace

std::vector<std::string> check_together(const LoadedConfig& loaded) {
  std::vector<std::string> errors;
  check_tls(loaded, errors);
  check_listen(loaded, errors);
  return errors;
}

}  // namespace reelsense::server
