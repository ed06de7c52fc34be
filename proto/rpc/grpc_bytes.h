// proto/rpc/grpc_bytes.h
//
// What the gRPC client and server share. Only the .cc files of proto/rpc include this.
#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <memory>
#include <string>

#include "base/network.h"

namespace quorate {

inline constexpr int kMaxRpcMessageBytes = 64 << 20;
inline constexpr int kRpcPingMs = 1000;         // between pings, idle or not
inline constexpr int kRpcPingTimeoutMs = 1000;  // then the connection is taken as broken
inline constexpr char kRpcPathPrefix[] = "/quorate/";
// Trailer of errors that a handler gave, as opposed to those that gRPC made up on the way.
inline constexpr char kHandlerErrorTrailer[] = "quorate-handler";

// Wraps `bytes`; large ones without a copy.
grpc::ByteBuffer ToByteBuffer(std::string bytes);
// The bytes in one piece.
std::string ToString(const grpc::ByteBuffer& buffer);

// What gRPC connects or listens to: "ipv4:1.2.3.4:5", "dns:///host:5".
std::string ConnectTarget(const Endpoint& to);
std::string ListenTarget(const Endpoint& at);

}  // namespace quorate
