// base/rpc.h
//
// Rpc: node-to-node control calls that carry serialised messages (decision D2). The real one is
// gRPC (proto/rpc), the simulated one sends the same bytes over simulated links.
//
// A call may stay open for long ("parked"): its broken connection is how either side learns that
// the other process is gone (decision D14).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/event_loop.h"
#include "base/network.h"

namespace quorate {

// One incoming call, owned by its handler. Destroying it unanswered fails the call with kAborted.
// Used on the loop its method was registered with.
class RpcCall {
 public:
  virtual ~RpcCall() = default;
  // The request message, serialised; valid while the call lives.
  virtual std::string_view request() const = 0;
  // Answers; at most one of the two, once.
  virtual void Reply(std::string response) = 0;
  virtual void Fail(const absl::Status& status) = 0;
  // `task` runs on the loop if the caller goes away (its process died, the connection broke, it
  // cancelled or its deadline passed) before the call was answered. Not after the call is
  // destroyed. Call at most once; if the caller is gone already the task is posted.
  virtual void OnBroken(Task task) = 0;
};

// Serves methods on this node's control listener.
class RpcServer {
 public:
  using Handler = absl::AnyInvocable<void(std::unique_ptr<RpcCall>)>;
  virtual ~RpcServer() = default;
  // Calls of `method` ("Raft.Fetch") run `handler` on `loop`. REQUIRES: before Start, no
  // duplicate. An unknown method fails with kUnimplemented.
  virtual void Register(std::string method, EventLoop* loop, Handler handler) = 0;
  // Begins to accept. ERRORS: as Network::Listen.
  virtual absl::Status Start(const Endpoint& at) = 0;
  // Stops accepting and breaks all open calls. Idempotent.
  virtual void Stop() = 0;
};

// Names an outgoing call; 0 is none.
enum class RpcCallId : uint64_t { kNone = 0 };

// Makes calls. Thread-safe. Connections are kept and re-made as needed; a reconnect is attempted
// at once when a call needs it, with a back-off of at most 100 ms between attempts.
class RpcClient {
 public:
  using Done = absl::AnyInvocable<void(absl::StatusOr<std::string>)>;
  virtual ~RpcClient() = default;
  // Calls `method` at `to`; `done` runs once on `loop` unless cancelled.
  // ERRORS to `done`: kUnavailable (not reached, or broken while open: it may have been carried
  // out), kDeadlineExceeded (the same), kUnimplemented, and whatever Fail was given.
  virtual RpcCallId Call(const Endpoint& to, std::string_view method, std::string request,
                         Micros timeout, EventLoop* loop, Done done) = 0;
  // Gives up: the other side sees it broken; `done` is dropped unrun. From the call's loop only.
  virtual void Cancel(RpcCallId id) = 0;
};

}  // namespace quorate
