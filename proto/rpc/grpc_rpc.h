// proto/rpc/grpc_rpc.h
//
// base/rpc.h over gRPC: method "Raft.Fetch" is the unary gRPC method /quorate/Raft.Fetch, its
// messages are the bytes given. gRPC's threads only move messages into loops. gRPC's headers stay
// inside this folder.
//
// A process that dies breaks its calls at once (its sockets close); a peer that hangs or a link
// that swallows packets is noticed by pings within about two seconds. Messages: up to 64 MiB.
// Credentials: none (insecure) so far.
#pragma once

#include <memory>

#include "base/rpc.h"

namespace quorate {

// A server that is not started. Stop and the destructor may be called on any thread, loops
// included, and wait until gRPC has let go of the open calls (milliseconds). Calls may outlive it;
// their answers then go nowhere. No handler runs after Stop if Stop is called on the handler's
// loop or after that loop has stopped.
// Messages of statuses are cut after 2,000 bytes.
std::unique_ptr<RpcServer> NewGrpcRpcServer();

// A client with connections of its own. Destroying it cancels the open calls, drops their `done`
// and waits until gRPC has let go of them (milliseconds). No `done` runs afterwards if that
// happens on the calls' loop or after that loop has stopped.
std::unique_ptr<RpcClient> NewGrpcRpcClient();

}  // namespace quorate
