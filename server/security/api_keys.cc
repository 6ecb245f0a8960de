#include "server/security/api_keys.h"

#include <openssl/rand.h>
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <mutex>
#include <span>
#include <sstream>

#include "reelsense/base/sha256.h"
#include "server/config/toml_text.h"

namespace reelsense::server {

namespace {

constexpr std::string_view kPrefix = "rs_";
constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kMostKeys = 10'000;
constexpr std::size_t kLargestFile = 8 << 20;
constexpr std::size_t kMostNames = 10'000;  // of client certificates
constexpr std::size_t kLongestToken = 256;

struct KeyEntry {
  std::string name;
  std::string sha256;
  std::uint8_t scopes = 0;
  std::optional<double> windows_per_s;
  std::optional<double> requests_per_s;
};

Error at(const std::string& file, const toml::node& node, const std::string& what) {
  return {ErrorCode::kInvalidArgument, file + ":" + std::to_string(node.source().begin.line) + ": " + what};
}

Result<std::uint8_t> read_scopes(const std::string& file, const toml::node& node) {
  const std::string expected = R"(scopes: an array of "infer", "feedback" and "admin" expected)";
  const toml::array* const names = node.as_array();
  if (names == nullptr || names->empty()) return at(file, node, expected);
  std::uint8_t scopes = 0;
  for (const toml::node& name : *names) {
    const auto text = name.value<std::string>().value_or("");
    if (text == "infer") {
      scopes |= static_cast<std::uint8_t>(Scope::kInfer);
    } else if (text == "feedback") {
      scopes |= static_cast<std::uint8_t>(Scope::kFeedback);
    } else if (text == "admin") {
      scopes |= static_cast<std::uint8_t>(Scope::kAdmin);
    } else {
      return at(file, name, expected);
    }
  }
  return scopes;
}

Result<std::optional<double>> read_rate(const std::string& file, const toml::node& node,
                                        const std::string& key) {
  const std::optional<double> rate = node.value<double>();
  if (!rate || !(*rate >= 0 && *rate <= 1e9))
    return at(file, node, key + ": a number from 0 to 1e9 expected");
  return rate;
}

Result<KeyEntry> read_key(const std::string& file, const toml::node& node) {
  const toml::table* const table = node.as_table();
  if (table == nullptr) return at(file, node, "key: a table [[key]] expected");
  KeyEntry entry;
  for (const auto& [key, value] : *table) {
    const std::string name(key.str());
    if (name == "name") {
      entry.name = value.value<std::string>().value_or("");
      if (entry.name.empty() || entry.name.size() > 128)
        return at(file, value, "name: a text of 1 to 128 characters expected");
    } else if (name == "sha256") {
      entry.sha256 = value.value<std::string>().value_or("");
      const bool hex = entry.sha256.find_first_not_of("0123456789abcdef") == std::string::npos;
      if (entry.sha256.size() != 64 || !hex)
        return at(file, value, "sha256: 64 lower-case hexadecimal digits expected");
    } else if (name == "scopes") {
      const auto scopes = read_scopes(file, value);
      if (!scopes) return scopes.error();
      entry.scopes = scopes.value();
    } else if (name == "windows_per_s" || name == "requests_per_s") {
      const auto rate = read_rate(file, value, name);
      if (!rate) return rate.error();
      (name == "windows_per_s" ? entry.windows_per_s : entry.requests_per_s) = rate.value();
    } else {
      return at(file, value,
                "unknown key \"" + name + "\"; expected name, sha256, scopes, windows_per_s, requests_per_s");
    }
  }
  if (entry.name.empty()) return at(file, node, "key without a name");
  if (entry.sha256.empty()) return at(file, node, "key \"" + entry.name + "\" without sha256");
  if (entry.scopes == 0) return at(file, node, "key \"" + entry.name + "\" without scopes");
  return entry;
}

Result<std::vector<KeyEntry>> read_keys(const std::string& file) {
  const Result<toml::table> read = read_toml(file, kLargestFile);
  if (!read) return read.error().in("auth.keys_file");
  const toml::table& root = read.value();
  std::vector<KeyEntry> entries;
  for (const auto& [key, value] : root) {
    const toml::array* const list = value.as_array();
    if (key.str() != "key" || list == nullptr) {
      return at(file, value, "\"" + std::string(key.str()) + "\": only tables [[key]] are expected here");
    }
    if (list->size() > kMostKeys) return at(file, value, "more than " + std::to_string(kMostKeys) + " keys");
    for (const toml::node& node : *list) {
      Result<KeyEntry> entry = read_key(file, node);
      if (!entry) return entry.error();
      entries.push_back(std::move(entry).value());
    }
  }
  if (entries.empty())
    return Error{ErrorCode::kInvalidArgument, "auth.keys_file: " + file + ": no [[key]] in it"};
  return entries;
}

std::string base64url(std::span<const std::uint8_t> bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string text;
  std::uint32_t bits = 0;
  int held = 0;
  for (const std::uint8_t byte : bytes) {
    bits = bits << 8 | byte;
    for (held += 8; held >= 6; held -= 6) text += kDigits[bits >> (held - 6) & 63];
  }
  if (held > 0) text += kDigits[bits << (6 - held) & 63];
  return text;
}

std::string scopes_text(std::uint8_t scopes) {
  std::string text;
  const std::pair<Scope, const char*> names[] = {
      {Scope::kInfer, "infer"}, {Scope::kFeedback, "feedback"}, {Scope::kAdmin, "admin"}};
  for (const auto& [scope, name] : names) {
    if ((scopes & static_cast<std::uint8_t>(scope)) != 0)
      text += (text.empty() ? "\"" : ", \"") + std::string(name) + "\"";
  }
  return text;
}

}  // namespace

struct Authenticator::Impl {
  using Keys = std::map<std::string, std::shared_ptr<const Principal>>;  // by SHA-256

  explicit Impl(const Config& its_config) : config(its_config) {}

  Status read();
  [[nodiscard]] std::uint32_t id_of(const std::string& name);
  std::shared_ptr<const Principal> by_certificate(std::string_view name);

  const Config config;
  std::mutex mutex;
  std::shared_ptr<const Keys> keys = std::make_shared<Keys>();
  std::map<std::string, std::uint32_t> ids;  // names keep their id across reloads
  std::map<std::string, std::shared_ptr<const Principal>, std::less<>> certificates;
  std::shared_ptr<const Principal> anonymous;
};

std::uint32_t Authenticator::Impl::id_of(const std::string& name) {
  return ids.emplace(name, static_cast<std::uint32_t>(ids.size() + 1)).first->second;
}

Status Authenticator::Impl::read() {
  if (config.auth.keys_file.empty()) return ok_status();
  const auto entries = read_keys(config.auth.keys_file);
  if (!entries) return entries.error();
  auto next = std::make_shared<Keys>();
  const std::lock_guard lock(mutex);
  for (const KeyEntry& entry : entries.value()) {
    Principal principal;
    principal.id = id_of(entry.name);
    principal.name = entry.name;
    principal.scopes = entry.scopes;
    principal.windows_per_s = entry.windows_per_s.value_or(config.limits.windows_per_s);
    principal.requests_per_s = entry.requests_per_s.value_or(config.limits.requests_per_s);
    if (!next->emplace(entry.sha256, std::make_shared<const Principal>(principal)).second) {
      return Error{
          ErrorCode::kInvalidArgument,
          config.auth.keys_file + ": the same sha256 twice, the second time for \"" + entry.name + "\""};
    }
  }
  keys = std::move(next);
  return ok_status();
}

std::shared_ptr<const Principal> Authenticator::Impl::by_certificate(std::string_view name) {
  const std::lock_guard lock(mutex);
  if (const auto known = certificates.find(name); known != certificates.end()) return known->second;
  if (certificates.size() >= kMostNames) return nullptr;
  Principal principal;
  principal.name = std::string(name);
  principal.id = id_of("certificate:" + principal.name);
  principal.scopes = static_cast<std::uint8_t>(Scope::kInfer) | static_cast<std::uint8_t>(Scope::kFeedback);
  principal.windows_per_s = config.limits.windows_per_s;
  principal.requests_per_s = config.limits.requests_per_s;
  return certificates.emplace(principal.name, std::make_shared<const Principal>(principal)).first->second;
}

Authenticator::Authenticator(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Authenticator::~Authenticator() = default;

Result<std::unique_ptr<Authenticator>> Authenticator::open(const Config& config) {
  auto impl = std::make_unique<Impl>(config);
  Principal anonymous;
  if (!config.tls.client_ca.empty()) {  // somebody with a certificate, but nobody says who: no administrator
    anonymous.scopes = static_cast<std::uint8_t>(Scope::kInfer) | static_cast<std::uint8_t>(Scope::kFeedback);
  }
  anonymous.windows_per_s = config.limits.windows_per_s;
  anonymous.requests_per_s = config.limits.requests_per_s;
  impl->anonymous = std::make_shared<const Principal>(anonymous);
  if (Status status = impl->read(); !status) return status.error();
  return std::unique_ptr<Authenticator>(new Authenticator(std::move(impl)));
}

bool Authenticator::required() const noexcept {
  return !impl_->config.auth.keys_file.empty() || impl_->config.auth.trust_client_certificates;
}

AuthResult Authenticator::authenticate(std::string_view token, std::string_view certificate_name) const {
  if (!required()) return {AuthCode::kOk, impl_->anonymous};
  if (!token.empty()) {
    if (token.size() > kLongestToken) return {AuthCode::kUnknown, nullptr};
    // The digest is what is looked up, so that how long it takes says nothing about a key.
    const std::string digest =
        sha256_hex({reinterpret_cast<const std::uint8_t*>(token.data()), token.size()});
    std::shared_ptr<const Impl::Keys> keys;
    {
      const std::lock_guard lock(impl_->mutex);
      keys = impl_->keys;
    }
    const auto found = keys->find(digest);
    if (found == keys->end()) return {AuthCode::kUnknown, nullptr};
    return {AuthCode::kOk, found->second};
  }
  if (impl_->config.auth.trust_client_certificates && !certificate_name.empty()) {
    if (auto principal = impl_->by_certificate(certificate_name))
      return {AuthCode::kOk, std::move(principal)};
    return {AuthCode::kUnknown, nullptr};
  }
  return {AuthCode::kMissing, nullptr};
}

Status Authenticator::reload() {
  return impl_->read();
}

NewKey make_key(const std::string& name, std::uint8_t scopes) {
  std::array<std::uint8_t, kKeyBytes> bytes;
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) std::abort();  // no randomness: no key
  NewKey made;
  made.key = std::string(kPrefix) + base64url(bytes);
  const std::string digest =
      sha256_hex({reinterpret_cast<const std::uint8_t*>(made.key.data()), made.key.size()});
  toml::table quoted{{"name", name}};
  std::ostringstream name_line;
  name_line << quoted;
  made.entry = "[[key]]\n" + name_line.str() + "\nsha256 = \"" + digest + "\"\nscopes = [" +
               scopes_text(scopes) + "]\n";
  return made;
}

}  // namespace reelsense::server
