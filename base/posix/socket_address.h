// base/posix/socket_address.h
//
// Socket addresses and the endpoints people write. Pure, except ResolveBlocking.
#pragma once

#include <sys/socket.h>

#include <vector>

#include "absl/status/statusor.h"
#include "base/network.h"

namespace quorate {

// One address as the kernel takes it.
struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  int family() const { return storage.ss_family; }
  // Address literal and port; an IPv4 address mapped into IPv6 is shown as IPv4.
  Endpoint ToEndpoint() const;
};

// The addresses of a literal, or of "localhost" (IPv4 first), without asking anybody. Empty for
// other names.
std::vector<SocketAddress> AddressesWithoutLookup(const Endpoint& endpoint);

// The wildcard address of `family` (AF_INET or AF_INET6).
SocketAddress WildcardAddress(int family, int port);

// All addresses of any endpoint, in order of preference; at least one.
// BLOCKS: up to many seconds (DNS).
// ERRORS: kUnavailable (no such host, or the resolver failed).
absl::StatusOr<std::vector<SocketAddress>> ResolveBlocking(const Endpoint& endpoint);

}  // namespace quorate
