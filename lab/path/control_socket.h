// ControlSocket: a Unix stream socket; each line in is a request, each line out its answer, in order.
//
// Bounds: 8 clients, 16 MiB a line (a profile with a long trace); a client that sends more, or does not read
// its answers, is closed. Thread safety: none; made for the emulator's ppoll loop.
#pragma once

#include <poll.h>

#include <functional>
#include <string>
#include <vector>

#include "file_descriptor.h"
#include "reelsense/base/result.h"

namespace reelsense::path {

class ControlSocket {
 public:
  static constexpr std::size_t kMostClients = 8;
  static constexpr std::size_t kMostLineBytes = 16U << 20;
  using Handler = std::function<std::string(const std::string& line)>;  // returns the answer without newline

  // Replaces a socket that an earlier run left at `file`; not one that still answers, and no other file.
  static Result<ControlSocket> open(const std::string& file);
  ControlSocket(ControlSocket&&) noexcept = default;
  ControlSocket& operator=(ControlSocket&&) = delete;
  ~ControlSocket();

  void add_to(std::vector<pollfd>& polled) const;
  // `polled`: what add_to added, after the poll.
  void serve(const pollfd* polled, const Handler& handler);

 private:
  struct Client {
    FileDescriptor socket;
    std::string pending;
  };
  ControlSocket(FileDescriptor listener, std::string file)
      : listener_(std::move(listener)), file_(std::move(file)) {}
  // False: the client is gone or must go.
  static bool serve(Client& client, const Handler& handler);

  FileDescriptor listener_;
  std::string file_;
  std::vector<Client> clients_;
};

}  // namespace reelsense::path
