// broker/control/controller_channel.h
//
// ControllerChannel calls the active controller: it finds it, follows it when it moves, and
// retries until the caller's deadline.
//
// A retried call may have been carried out before (its answer was lost): callers' requests are
// idempotent or fenced by an epoch, or a second try is told so (TOPIC_ALREADY_EXISTS).
//
// Thread-compatible: owned by the broker's loop.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/event_loop.h"
#include "base/ids.h"
#include "base/network.h"
#include "base/random.h"
#include "base/rpc.h"

namespace quorate {

// Names a call of one channel; 0 is none.
enum class ControllerCallId : uint64_t { kNone = 0 };

class ControllerChannel {
 public:
  // Who leads the quorum, as this node knows it; kNoNode if unknown.
  using LeaderHint = std::function<NodeId()>;

  // `controllers`: the control endpoints of all voters. While it is empty, as long as the node
  // knows none, calls wait.
  ControllerChannel(EventLoop* loop, RpcClient* client, Random* random,
                    std::map<NodeId, Endpoint> controllers, LeaderHint hint);
  ~ControllerChannel();
  ControllerChannel(const ControllerChannel&) = delete;
  ControllerChannel& operator=(const ControllerChannel&) = delete;

  struct Options {
    MonoTime deadline = MonoTime::Max();
    // An attempt without an answer for this long is given up and made again.
    Micros attempt_timeout = std::chrono::seconds(5);
  };

  // Calls `method` ("Controller.CreateTopics") with the serialised `request` at the active
  // controller; `done` gets the serialised response, whose header is not NOT_CONTROLLER.
  // Another controller than the active one, and one that cannot be reached, is retried with a
  // jittered back-off of 10..100 ms.
  // ERRORS to `done`: kDeadlineExceeded (with the last obstacle); what the controller's Fail gave,
  // except kUnavailable, kDeadlineExceeded and kAborted, which are retried. Never runs within the
  // call.
  using Done = absl::AnyInvocable<void(absl::StatusOr<std::string>)>;
  ControllerCallId Call(std::string_view method, std::string request, const Options& options,
                        Done done);

  // The same for messages of proto/quorate/controller.proto.
  template <typename Response, typename Request, typename F>
  ControllerCallId CallFor(std::string_view method, const Request& request, const Options& options,
                           F done) {
    return Call(method, request.SerializeAsString(), options,
                [done = std::move(done)](absl::StatusOr<std::string> bytes) mutable {
                  if (!bytes.ok()) return done(absl::StatusOr<Response>(bytes.status()));
                  Response response;
                  if (!response.ParseFromString(*bytes)) {
                    return done(absl::StatusOr<Response>(
                        absl::DataLossError("the controller's answer cannot be read")));
                  }
                  done(absl::StatusOr<Response>(std::move(response)));
                });
  }

  // Gives up; `done` is dropped unrun.
  void Cancel(ControllerCallId id);

  // The control endpoints of all voters.
  const std::map<NodeId, Endpoint>& controllers() const { return controllers_; }
  // The voters changed, or are elsewhere. Attempts under way go on.
  void SetControllers(std::map<NodeId, Endpoint> controllers) {
    controllers_ = std::move(controllers);
  }

  // The hint changed: calls to another controller are made again at once.
  void OnLeaderChange();

 private:
  struct Pending {
    std::string method;
    std::string request;
    Options options;
    Done done;
    RpcCallId rpc = RpcCallId::kNone;  // the attempt under way
    NodeId target = kNoNode;           // of the attempt under way or the last one
    MonoTime attempt_began;
    TimerId timer = TimerId::kNone;  // until the next attempt
    int failures = 0;                // in a row
    bool redirected = false;         // the last attempt named another controller
    absl::Status last_error;
  };

  void Attempt(ControllerCallId id);
  void OnAnswer(ControllerCallId id, absl::StatusOr<std::string> answer);
  void RetryLater(ControllerCallId id, Pending& pending);
  void Finish(ControllerCallId id, absl::StatusOr<std::string> result);
  // kNoNode if no controller is known.
  NodeId ChooseTarget(const Pending& pending);

  EventLoop* const loop_;
  RpcClient* const client_;
  Random* const random_;
  std::map<NodeId, Endpoint> controllers_;
  const LeaderHint hint_;
  std::map<ControllerCallId, Pending> pending_;
  uint64_t last_id_ = 0;
  NodeId told_leader_ = kNoNode;  // by the last NOT_CONTROLLER answer
};

}  // namespace quorate
