// Connection: a gRPC channel to a server and who we are to it. Private to this folder. Thread safety:
// immutable.
#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>
#include <string>

#include "cli/remote/remote.h"
#include "cli/remote/server_url.h"
#include "reelsense/base/result.h"

namespace reelsense::cli {

class Connection {
 public:
  // Reads the key and certificate files; nothing is sent yet. Errors name the file or the URL.
  static Result<Connection> open(const ServerOptions& options);

  // A channel with a TCP connection of its own, made when first used.
  [[nodiscard]] std::shared_ptr<grpc::Channel> make_channel() const;
  // Adds the API key.
  void sign(grpc::ClientContext& context) const;
  [[nodiscard]] const ServerUrl& url() const noexcept { return url_; }
  [[nodiscard]] const std::string& api_key() const noexcept { return api_key_; }

 private:
  ServerUrl url_;
  std::string api_key_;
  std::shared_ptr<grpc::ChannelCredentials> credentials_;
};

// What went wrong, for people: one line, without the URL.
Error error_of(const grpc::Status& status);
// "RESOURCE_EXHAUSTED"; also for numbers that are no code.
std::string code_name(int code);
// Text from elsewhere on one line that a terminal shows as it is.
std::string one_line(std::string text);

// Asks for the model by a request without windows.
inline constexpr std::chrono::seconds kHelloTimeout{15};
Result<ServedModelInfo> ask_for_model(const Connection& connection,
                                      const std::shared_ptr<grpc::Channel>& channel, const std::string& model,
                                      bool need_decision);

}  // namespace reelsense::cli
