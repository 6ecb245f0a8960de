#include "control_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace reelsense::path {

Result<ControlSocket> ControlSocket::open(const std::string& file) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (file.size() >= sizeof address.sun_path) {
    return Error{ErrorCode::kInvalidArgument, file + ": expected a path of at most " +
                                                  std::to_string(sizeof address.sun_path - 1) + " bytes"};
  }
  std::memcpy(address.sun_path, file.data(), file.size());
  const auto* plain = reinterpret_cast<const sockaddr*>(&address);
  FileDescriptor listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const auto failed = [&] { return Error{ErrorCode::kIo, file + ": " + std::strerror(errno)}; };
  if (!listener.open()) return failed();
  if (::bind(listener.get(), plain, sizeof address) != 0) {
    const FileDescriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    struct stat info {};
    const bool left_over = errno == EADDRINUSE && ::stat(file.c_str(), &info) == 0 &&
                           S_ISSOCK(info.st_mode) && ::connect(probe.get(), plain, sizeof address) != 0;
    if (!left_over) {
      errno = EADDRINUSE;
      return failed();
    }
    ::unlink(file.c_str());
    if (::bind(listener.get(), plain, sizeof address) != 0) return failed();
  }
  if (::listen(listener.get(), kMostClients) != 0) return failed();
  return ControlSocket(std::move(listener), file);
}

ControlSocket::~ControlSocket() {
  if (listener_.open()) ::unlink(file_.c_str());
}

void ControlSocket::add_to(std::vector<pollfd>& polled) const {
  polled.push_back({listener_.get(), POLLIN, 0});
  for (const Client& client : clients_) polled.push_back({client.socket.get(), POLLIN, 0});
}

void ControlSocket::serve(const pollfd* polled, const Handler& handler) {
  const bool knocked = polled[0].revents != 0;
  std::vector<Client> kept;
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    if (polled[i + 1].revents == 0 || serve(clients_[i], handler)) kept.push_back(std::move(clients_[i]));
  }
  clients_ = std::move(kept);
  if (!knocked) return;
  FileDescriptor socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (socket.open() && clients_.size() < kMostClients) clients_.push_back({std::move(socket), {}});
}

bool ControlSocket::serve(Client& client, const Handler& handler) {
  std::array<char, 65536> bytes;
  const ssize_t got = ::recv(client.socket.get(), bytes.data(), bytes.size(), 0);
  if (got < 0) return errno == EAGAIN || errno == EINTR;
  if (got == 0) return false;
  const std::size_t searched = client.pending.size();
  client.pending.append(bytes.data(), static_cast<std::size_t>(got));
  std::size_t begin = 0;
  for (std::size_t end = client.pending.find('\n', searched); end != std::string::npos;
       end = client.pending.find('\n', begin)) {
    const std::string answer = handler(client.pending.substr(begin, end - begin)) + "\n";
    begin = end + 1;
    if (::send(client.socket.get(), answer.data(), answer.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(answer.size())) {
      return false;
    }
  }
  client.pending.erase(0, begin);
  return client.pending.size() <= kMostLineBytes;
}

}  // namespace reelsense::path
