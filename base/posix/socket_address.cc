#include "base/posix/socket_address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

#include <cstring>
#include <string>

#include "absl/strings/str_format.h"
#include "base/check.h"

namespace quorate {
namespace {

// getaddrinfo for stream sockets; returns its error code and appends to `out`.
int Lookup(const Endpoint& endpoint, int flags, std::vector<SocketAddress>* out) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const std::string port = std::to_string(endpoint.port);
  const int error = getaddrinfo(endpoint.host.c_str(), port.c_str(), &hints, &list);
  if (error != 0) return error;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    SocketAddress address;
    QCHECK_LE(entry->ai_addrlen, sizeof(address.storage));
    std::memcpy(&address.storage, entry->ai_addr, entry->ai_addrlen);
    address.length = entry->ai_addrlen;
    out->push_back(address);
  }
  freeaddrinfo(list);
  return 0;
}

SocketAddress V4(in_addr_t host_order, int port) {
  SocketAddress address;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
  v4->sin_family = AF_INET;
  v4->sin_port = htons(static_cast<uint16_t>(port));
  v4->sin_addr.s_addr = htonl(host_order);
  address.length = sizeof(*v4);
  return address;
}

SocketAddress V6(const in6_addr& bytes, int port) {
  SocketAddress address;
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(static_cast<uint16_t>(port));
  v6->sin6_addr = bytes;
  address.length = sizeof(*v6);
  return address;
}

}  // namespace

Endpoint SocketAddress::ToEndpoint() const {
  char text[INET6_ADDRSTRLEN] = "";
  int port = 0;
  if (family() == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&storage);
    inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text));
    port = ntohs(v4->sin_port);
  } else if (family() == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&storage);
    if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
      inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], text, sizeof(text));
    } else {
      inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text));
    }
    port = ntohs(v6->sin6_port);
  }
  return Endpoint{text, port};
}

std::vector<SocketAddress> AddressesWithoutLookup(const Endpoint& endpoint) {
  if (endpoint.host == "localhost") {
    return {V4(INADDR_LOOPBACK, endpoint.port), V6(in6addr_loopback, endpoint.port)};
  }
  std::vector<SocketAddress> addresses;
  if (!endpoint.host.empty()) Lookup(endpoint, AI_NUMERICHOST, &addresses);
  return addresses;
}

SocketAddress WildcardAddress(int family, int port) {
  return family == AF_INET6 ? V6(in6addr_any, port) : V4(INADDR_ANY, port);
}

absl::StatusOr<std::vector<SocketAddress>> ResolveBlocking(const Endpoint& endpoint) {
  std::vector<SocketAddress> addresses;
  const int error = Lookup(endpoint, 0, &addresses);
  if (error != 0 || addresses.empty()) {
    return absl::UnavailableError(
        absl::StrFormat("cannot resolve host '%s': %s", endpoint.host, gai_strerror(error)));
  }
  return addresses;
}

}  // namespace quorate
