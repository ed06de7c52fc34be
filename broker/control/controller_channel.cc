#include "broker/control/controller_channel.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_format.h"
#include "base/check.h"
#include "base/fault_point.h"
#include "proto/quorate/controller.pb.h"

namespace quorate {
namespace {

constexpr int kNotController = 41;
constexpr Micros kMinBackOff = std::chrono::milliseconds(10);
constexpr Micros kMaxBackOff = std::chrono::milliseconds(100);
constexpr Micros kLongestAttempt = std::chrono::hours(24);
// An attempt that lasted this long was no quick failure: its end is retried without much delay.
constexpr Micros kLongLived = std::chrono::seconds(1);

bool IsRetriable(const absl::Status& status) {
  return status.code() == absl::StatusCode::kUnavailable ||
         status.code() == absl::StatusCode::kDeadlineExceeded ||
         status.code() == absl::StatusCode::kAborted;
}

}  // namespace

ControllerChannel::ControllerChannel(EventLoop* loop, RpcClient* client, Random* random,
                                     std::map<NodeId, Endpoint> controllers, LeaderHint hint)
    : loop_(loop),
      client_(client),
      random_(random),
      controllers_(std::move(controllers)),
      hint_(std::move(hint)) {
  QCHECK(!controllers_.empty());
}

ControllerChannel::~ControllerChannel() {
  for (auto& [id, pending] : pending_) {
    if (pending.rpc != RpcCallId::kNone) client_->Cancel(pending.rpc);
    loop_->Cancel(pending.timer);
  }
}

ControllerCallId ControllerChannel::Call(std::string_view method, std::string request,
                                         const Options& options, Done done) {
  loop_->AssertOnLoop();
  const auto id = ControllerCallId{++last_id_};
  Pending& pending = pending_[id];
  pending.method = std::string(method);
  pending.request = std::move(request);
  pending.options = options;
  pending.done = std::move(done);
  if (options.deadline <= loop_->Now()) {
    // Also this failure comes later, as promised.
    pending.last_error = absl::DeadlineExceededError("no time left");
    pending.timer = loop_->RunAfter(Micros(0), [this, id] { Attempt(id); });
    return id;
  }
  Attempt(id);
  return id;
}

NodeId ControllerChannel::ChooseTarget(const Pending& pending) {
  NodeId hinted = hint_ ? hint_() : kNoNode;
  if (BUGGIFY("channel.distrust_hint", 0.05)) hinted = kNoNode;
  // A hint that just failed may be stale: whoever an answer named comes first then.
  if (pending.redirected && controllers_.contains(told_leader_)) return told_leader_;
  const bool failed_there = pending.failures > 0 && pending.target == hinted;
  if (controllers_.contains(hinted) && !(failed_there && pending.failures % 2 == 1)) return hinted;
  // Ask the others in turn: any of them names the leader it knows.
  auto next = controllers_.upper_bound(pending.target);
  if (next == controllers_.end()) next = controllers_.begin();
  return next->first;
}

void ControllerChannel::Attempt(ControllerCallId id) {
  auto found = pending_.find(id);
  QCHECK(found != pending_.end());
  Pending& pending = found->second;
  pending.timer = TimerId::kNone;
  const MonoTime now = loop_->Now();
  if (now >= pending.options.deadline) {
    Finish(id, absl::DeadlineExceededError(
                   absl::StrFormat("%s: no active controller answered: %s", pending.method,
                                   std::string(pending.last_error.message()))));
    return;
  }
  pending.target = ChooseTarget(pending);
  pending.redirected = false;
  pending.attempt_began = now;
  Micros timeout =
      std::min({pending.options.deadline - now, pending.options.attempt_timeout, kLongestAttempt});
  if (BUGGIFY("channel.time_out_early", 0.02)) timeout = std::min(timeout, Micros(Millis(3)));
  pending.rpc = client_->Call(
      controllers_.at(pending.target), pending.method, pending.request, timeout, loop_,
      [this, id](absl::StatusOr<std::string> answer) { OnAnswer(id, std::move(answer)); });
}

void ControllerChannel::OnAnswer(ControllerCallId id, absl::StatusOr<std::string> answer) {
  auto found = pending_.find(id);
  QCHECK(found != pending_.end());
  Pending& pending = found->second;
  pending.rpc = RpcCallId::kNone;
  if (answer.ok() && BUGGIFY("channel.lose_answer", 0.01)) {
    answer = absl::UnavailableError("the answer was lost");
  }
  if (!answer.ok()) {
    if (!IsRetriable(answer.status())) {
      Finish(id, std::move(answer));
      return;
    }
    pending.last_error = answer.status();
    RetryLater(id, pending);
    return;
  }
  // Every response has its ControllerHeader as field 1; so has this one, and nothing else.
  pb::SessionResponse header_only;
  if (!header_only.ParseFromString(*answer) || header_only.header().error() != kNotController) {
    Finish(id, std::move(answer));
    return;
  }
  const NodeId told{header_only.header().leader_id()};
  pending.last_error = absl::UnavailableError(
      absl::StrFormat("node %d is not the active controller", pending.target.value()));
  told_leader_ = told;
  pending.redirected = told != kNoNode && told != pending.target;
  RetryLater(id, pending);
}

void ControllerChannel::RetryLater(ControllerCallId id, Pending& pending) {
  const MonoTime now = loop_->Now();
  if (now - pending.attempt_began >= kLongLived) pending.failures = 0;
  const int failures = ++pending.failures;
  Micros wait = kMinBackOff * (int64_t{1} << std::min(failures - 1, 5));
  wait = std::min(wait, kMaxBackOff);
  wait = Micros(random_->Between(wait.count() / 2, wait.count()));
  if (pending.redirected && failures == 1) wait = Micros(0);
  wait = std::min(wait, std::max(Micros(0), pending.options.deadline - now));
  pending.timer = loop_->RunAfter(wait, [this, id] { Attempt(id); });
}

void ControllerChannel::Finish(ControllerCallId id, absl::StatusOr<std::string> result) {
  auto node = pending_.extract(id);
  node.mapped().done(std::move(result));
}

void ControllerChannel::Cancel(ControllerCallId id) {
  auto node = pending_.extract(id);
  if (node.empty()) return;
  if (node.mapped().rpc != RpcCallId::kNone) client_->Cancel(node.mapped().rpc);
  loop_->Cancel(node.mapped().timer);
}

void ControllerChannel::OnLeaderChange() {
  const NodeId leader = hint_ ? hint_() : kNoNode;
  if (!controllers_.contains(leader)) return;
  told_leader_ = leader;
  std::vector<ControllerCallId> again;
  for (auto& [id, pending] : pending_) {
    if (pending.rpc != RpcCallId::kNone) {
      if (pending.target == leader) continue;
      client_->Cancel(std::exchange(pending.rpc, RpcCallId::kNone));
      pending.last_error = absl::UnavailableError("the controller moved");
    } else {
      loop_->Cancel(pending.timer);
    }
    pending.failures = 0;
    pending.redirected = false;
    again.push_back(id);
  }
  for (ControllerCallId id : again) {
    if (pending_.contains(id)) Attempt(id);
  }
}

}  // namespace quorate
