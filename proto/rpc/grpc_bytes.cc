#include "proto/rpc/grpc_bytes.h"

#include <arpa/inet.h>
#include <grpcpp/support/slice.h>

#include <utility>
#include <vector>

namespace quorate {
namespace {

constexpr size_t kCopyBelow = 4096;

bool IsLiteral(int family, const std::string& host) {
  in6_addr ignored;
  return inet_pton(family, host.c_str(), &ignored) == 1;
}

}  // namespace

grpc::ByteBuffer ToByteBuffer(std::string bytes) {
  if (bytes.size() < kCopyBelow) {
    const grpc::Slice slice(bytes);
    return grpc::ByteBuffer(&slice, 1);
  }
  auto* owner = new std::string(std::move(bytes));
  const grpc::Slice slice(
      owner->data(), owner->size(), [](void* string) { delete static_cast<std::string*>(string); },
      owner);
  return grpc::ByteBuffer(&slice, 1);
}

std::string ToString(const grpc::ByteBuffer& buffer) {
  std::string bytes;
  std::vector<grpc::Slice> slices;
  if (!buffer.Valid() || !buffer.Dump(&slices).ok()) return bytes;
  bytes.reserve(buffer.Length());
  for (const grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

std::string ConnectTarget(const Endpoint& to) {
  if (IsLiteral(AF_INET, to.host)) return "ipv4:" + to.ToString();
  if (IsLiteral(AF_INET6, to.host)) return "ipv6:" + to.ToString();
  return "dns:///" + to.ToString();
}

std::string ListenTarget(const Endpoint& at) {
  return at.host.empty() ? Endpoint{"::", at.port}.ToString() : at.ToString();
}

}  // namespace quorate
