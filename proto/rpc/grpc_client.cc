#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_format.h"
#include "base/check.h"
#include "proto/rpc/grpc_bytes.h"
#include "proto/rpc/grpc_rpc.h"

namespace quorate {
namespace {

// A destination that cannot be reached is tried afresh by a call, but not more often than this.
constexpr Millis kReconnectSpacing{20};
// For TCP connect and the HTTP/2 greeting together.
constexpr int kConnectTimeoutMs = 1000;
// Longer timeouts mean none.
constexpr std::chrono::hours kLongestTimeout{24 * 30};

// A channel must not be destroyed on one of gRPC's own threads: the last one waits for those
// threads to end. So a destination is held by the client alone, until no callback is owed, and
// a callback drops its ClientContext, which holds the channel too, before it counts as come.
struct Destination {
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<grpc::GenericStub> stub;
  MonoTime made;
  int owed = 0;  // callbacks that gRPC owes for calls here; guarded by Calls
};

struct OpenCall {
  grpc::ClientContext context;
  grpc::ByteBuffer request;
  grpc::ByteBuffer response;
  EventLoop* loop;
};

// The calls under way. Outlives the client as long as a loop holds a result. Thread-safe.
class Calls {
 public:
  // A new call with its id; CallbackCame is owed for it.
  std::pair<RpcCallId, std::shared_ptr<OpenCall>> Add(Destination* destination, EventLoop* loop,
                                                      RpcClient::Done done) {
    auto call = std::make_shared<OpenCall>();
    call->loop = loop;
    std::lock_guard lock(mu_);
    const uint64_t id = next_id_++;
    entries_.emplace(id, Entry{call, std::move(done)});
    ++owed_;
    ++destination->owed;
    return {RpcCallId{id}, std::move(call)};
  }

  // Whoever takes a call owns its `done` and is the only one to run or drop it. False if it is
  // taken already. Not for gRPC's threads.
  bool Take(RpcCallId id, std::shared_ptr<OpenCall>* call, RpcClient::Done* done) {
    std::lock_guard lock(mu_);
    auto found = entries_.find(static_cast<uint64_t>(id));
    if (found == entries_.end()) return false;
    *call = std::move(found->second.call);
    *done = std::move(found->second.done);
    entries_.erase(found);
    return true;
  }

  // gRPC's callback of one call has come and holds nothing any more.
  void CallbackCame(Destination* destination) {
    std::lock_guard lock(mu_);
    --destination->owed;
    if (--owed_ == 0) none_owed_.notify_all();
  }

  bool NothingOwed(const Destination& destination) {
    std::lock_guard lock(mu_);
    return destination.owed == 0;
  }

  // Cancels all calls, drops their `done`, waits for gRPC's callbacks.
  void CancelAll() {
    absl::flat_hash_map<uint64_t, Entry> dropped;
    {
      std::lock_guard lock(mu_);
      dropped.swap(entries_);
    }
    for (auto& [id, entry] : dropped) entry.call->context.TryCancel();
    std::unique_lock lock(mu_);
    none_owed_.wait(lock, [this] { return owed_ == 0; });
  }

 private:
  struct Entry {
    std::shared_ptr<OpenCall> call;
    RpcClient::Done done;
  };
  std::mutex mu_;
  std::condition_variable none_owed_;
  uint64_t next_id_ = 1;                          // guarded by mu_
  absl::flat_hash_map<uint64_t, Entry> entries_;  // guarded by mu_
  int owed_ = 0;                                  // callbacks that gRPC owes; guarded by mu_
};

grpc::ChannelArguments ChannelArguments() {
  grpc::ChannelArguments arguments;
  // Connections of this client only, so that its channels can be given up one by one.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // gRPC takes the minimum also as its connect timeout.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 20);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kConnectTimeoutMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, 100);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kRpcPingMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kRpcPingTimeoutMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // Nothing between nodes but the wire: no proxy of the environment, no configuration by DNS, no
  // retries (a broken call may have been carried out, so its caller decides).
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetMaxReceiveMessageSize(kMaxRpcMessageBytes);
  arguments.SetMaxSendMessageSize(kMaxRpcMessageBytes);
  return arguments;
}

// The outcome of `call` as RpcClient names it. An error that no handler gave comes from the
// transport: whatever gRPC calls it, the call was broken.
absl::Status ToAbsl(const grpc::Status& status, const grpc::ClientContext& context) {
  absl::StatusCode code = static_cast<absl::StatusCode>(status.error_code());
  if (context.GetServerTrailingMetadata().count(kHandlerErrorTrailer) == 0) {
    switch (code) {
      case absl::StatusCode::kDeadlineExceeded:
      case absl::StatusCode::kUnimplemented:
      case absl::StatusCode::kResourceExhausted:  // a message above the limit
        break;
      default:
        code = absl::StatusCode::kUnavailable;
    }
  }
  return absl::Status(code, status.error_message());
}

class GrpcRpcClient final : public RpcClient {
 public:
  ~GrpcRpcClient() override { calls_->CancelAll(); }

  RpcCallId Call(const Endpoint& to, std::string_view method, std::string request, Micros timeout,
                 EventLoop* loop, Done done) override {
    const std::shared_ptr<Destination> destination = DestinationFor(to, loop->Now());
    auto [id, call] = calls_->Add(destination.get(), loop, std::move(done));
    call->request = ToByteBuffer(std::move(request));
    call->context.set_wait_for_ready(false);
    if (timeout < kLongestTimeout) {
      // A span, not a point: the wall clock plays no part.
      call->context.set_deadline(gpr_time_from_micros(timeout.count(), GPR_TIMESPAN));
    }
    OpenCall* const raw = call.get();
    destination->stub->UnaryCall(
        &raw->context, kRpcPathPrefix + std::string(method), grpc::StubOptions(), &raw->request,
        &raw->response,
        [calls = calls_, id = id, call = std::move(call),
         destination = destination.get()](const grpc::Status& status) mutable {
          absl::StatusOr<std::string> result =
              status.ok() ? absl::StatusOr<std::string>(ToString(call->response))
                          : absl::StatusOr<std::string>(ToAbsl(status, call->context));
          call->loop->Post([calls, id, result = std::move(result)]() mutable {
            std::shared_ptr<OpenCall> taken;
            Done done;
            if (calls->Take(id, &taken, &done)) done(std::move(result));
          });
          call = nullptr;
          calls->CallbackCame(destination);
        });
    return id;
  }

  void Cancel(RpcCallId id) override {
    std::shared_ptr<OpenCall> call;
    Done done;
    if (calls_->Take(id, &call, &done)) call->context.TryCancel();
  }

 private:
  // The channel to use. One that failed to connect would refuse calls until gRPC's back-off (at
  // least 100 ms) has passed; a fresh one connects at once.
  std::shared_ptr<Destination> DestinationFor(const Endpoint& to, MonoTime now) {
    std::vector<std::shared_ptr<Destination>> dropped;  // Destroyed outside the lock.
    std::lock_guard lock(mu_);
    std::shared_ptr<Destination>& entry = destinations_[to];
    if (entry != nullptr && (now - entry->made < kReconnectSpacing ||
                             entry->channel->GetState(false) != GRPC_CHANNEL_TRANSIENT_FAILURE)) {
      return entry;
    }
    if (entry != nullptr) retired_.push_back(std::move(entry));
    std::erase_if(retired_, [&](std::shared_ptr<Destination>& retired) {
      if (!calls_->NothingOwed(*retired)) return false;
      dropped.push_back(std::move(retired));
      return true;
    });
    entry = std::make_shared<Destination>();
    entry->channel = grpc::CreateCustomChannel(
        ConnectTarget(to), grpc::InsecureChannelCredentials(), ChannelArguments());
    entry->stub = std::make_unique<grpc::GenericStub>(entry->channel);
    entry->made = now;
    return entry;
  }

  const std::shared_ptr<Calls> calls_ = std::make_shared<Calls>();
  std::mutex mu_;
  // One per node of the cluster ever called; guarded by mu_.
  std::map<Endpoint, std::shared_ptr<Destination>> destinations_;
  // Replaced ones, until no callback is owed for them; guarded by mu_.
  std::vector<std::shared_ptr<Destination>> retired_;
};

}  // namespace

std::unique_ptr<RpcClient> NewGrpcRpcClient() { return std::make_unique<GrpcRpcClient>(); }

}  // namespace quorate
