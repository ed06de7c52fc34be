#include "cli/client/admin_client.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <variant>

#include "absl/strings/str_format.h"
#include "cli/config/config_keys.h"
#include "cli/config/server_config.h"

namespace quorate {
namespace {

constexpr uint32_t kMaxResponse = 256u << 20;

absl::Status FromErrno(const Endpoint& server, int error) {
  const std::string text = absl::StrFormat("%s: %s", server.ToString(), strerror(error));
  if (error == EAGAIN || error == EWOULDBLOCK || error == ETIMEDOUT) {
    return absl::DeadlineExceededError(absl::StrFormat("%s: no answer in time", server.ToString()));
  }
  return absl::UnavailableError(text);
}

void SetTimeout(int descriptor, int timeout_ms) {
  timeval limit{timeout_ms / 1000, (timeout_ms % 1000) * 1000};
  setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

absl::StatusOr<int> ConnectTo(const Endpoint& server, int timeout_ms) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int result =
      getaddrinfo(server.host.c_str(), std::to_string(server.port).c_str(), &hints, &found);
  if (result != 0) {
    return absl::UnavailableError(
        absl::StrFormat("%s: %s", server.ToString(), gai_strerror(result)));
  }
  absl::Status status = absl::UnavailableError(server.ToString() + ": no address");
  for (addrinfo* at = found; at != nullptr; at = at->ai_next) {
    const int descriptor = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) continue;
    SetTimeout(descriptor, timeout_ms);  // Linux bounds connect by SO_SNDTIMEO too.
    if (connect(descriptor, at->ai_addr, at->ai_addrlen) == 0) {
      const int on = 1;
      setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
      freeaddrinfo(found);
      return descriptor;
    }
    status = FromErrno(server, errno == EINPROGRESS ? ETIMEDOUT : errno);
    close(descriptor);
  }
  freeaddrinfo(found);
  return status;
}

}  // namespace

absl::StatusOr<std::unique_ptr<AdminClient>> AdminClient::Connect(std::string_view bootstrap,
                                                                  int timeout_ms) {
  std::string problems;
  for (const std::string& item : SplitList(bootstrap)) {
    const std::optional<Endpoint> server = ParseEndpoint(item);
    if (!server || server->host.empty()) {
      return absl::InvalidArgumentError(
          absl::StrFormat("bootstrap server '%s': host:port expected", item));
    }
    absl::StatusOr<int> descriptor = ConnectTo(*server, timeout_ms);
    if (descriptor.ok()) {
      return std::unique_ptr<AdminClient>(new AdminClient(*descriptor, *server));
    }
    problems += (problems.empty() ? "" : "; ") + std::string(descriptor.status().message());
  }
  if (problems.empty()) return absl::InvalidArgumentError("no bootstrap server given");
  return absl::UnavailableError(absl::StrFormat("no server reached: %s", problems));
}

AdminClient::~AdminClient() { close(descriptor_); }

absl::Status AdminClient::SendAll(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return FromErrno(server_, errno);
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return absl::OkStatus();
}

absl::Status AdminClient::ReceiveAll(char* out, size_t length) {
  while (length > 0) {
    const ssize_t got = recv(descriptor_, out, length, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FromErrno(server_, errno);
    if (got == 0) {
      return absl::UnavailableError(
          absl::StrFormat("%s closed the connection", server_.ToString()));
    }
    out += got;
    length -= static_cast<size_t>(got);
  }
  return absl::OkStatus();
}

absl::StatusOr<SharedBytes> AdminClient::Exchange(const std::vector<OutPiece>& request,
                                                  int timeout_ms) {
  SetTimeout(descriptor_, timeout_ms);
  for (const OutPiece& piece : request) {
    Q_RETURN_IF_ERROR(SendAll(std::get<SharedBytes>(piece).view()));
  }
  unsigned char prefix[4];
  Q_RETURN_IF_ERROR(ReceiveAll(reinterpret_cast<char*>(prefix), sizeof(prefix)));
  const uint32_t size = static_cast<uint32_t>(prefix[0]) << 24 |
                        static_cast<uint32_t>(prefix[1]) << 16 |
                        static_cast<uint32_t>(prefix[2]) << 8 | prefix[3];
  if (size > kMaxResponse) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "%s: an answer of %d bytes; is this a Kafka listener?", server_.ToString(), size));
  }
  std::string frame(size, '\0');
  Q_RETURN_IF_ERROR(ReceiveAll(frame.data(), frame.size()));
  return SharedBytes::FromString(std::move(frame));
}

}  // namespace quorate
