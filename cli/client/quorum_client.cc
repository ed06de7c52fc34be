#include "cli/client/quorum_client.h"

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/posix/loop_thread.h"
#include "base/posix/posix_clock.h"
#include "base/uuid.h"
#include "proto/quorate/raft.pb.h"
#include "proto/rpc/grpc_rpc.h"

namespace quorate {
namespace {

// The answers of all controllers, gathered by a loop thread and awaited by the caller.
struct Answers {
  std::mutex mu;
  std::condition_variable changed;
  size_t outstanding = 0;
  std::vector<QuorumView> views;
  std::string problems;
};

QuorumView ToView(const pb::QuorumStatusResponse& response) {
  QuorumView view;
  view.cluster_id = response.cluster_id();
  view.node_id = response.node_id();
  view.role = response.role();
  view.term = response.term();
  view.leader_id = response.leader_id();
  view.commit_index = response.commit_index();
  view.log_start = response.log_start_index();
  view.log_end = response.log_end_index();
  for (const pb::QuorumReplica& replica : response.replicas()) {
    QuorumReplicaView& out = view.replicas.emplace_back();
    out.node_id = replica.node_id();
    out.directory_id = replica.directory_id().size() == 16
                           ? Uuid::FromBytes(replica.directory_id()).ToString()
                           : "-";
    out.voter = replica.voter();
    out.log_end = replica.log_end_index();
    out.lag = replica.lag();
    out.last_fetch_age_ms = replica.last_fetch_age_ms();
    out.last_caught_up_age_ms = replica.last_caught_up_age_ms();
  }
  return view;
}

void OnAnswer(Answers& answers, const Endpoint& from, absl::StatusOr<std::string> response) {
  pb::QuorumStatusResponse message;
  const std::lock_guard<std::mutex> lock(answers.mu);
  --answers.outstanding;
  if (response.ok() && message.ParseFromString(*response)) {
    answers.views.push_back(ToView(message));
  } else {
    answers.problems += absl::StrFormat(
        "%s%s: %s", answers.problems.empty() ? "" : "; ", from.ToString(),
        response.ok() ? "a malformed answer" : std::string(response.status().message()));
  }
  answers.changed.notify_all();
}

bool Leads(const QuorumView& view) { return view.leader_id == view.node_id; }

}  // namespace

absl::StatusOr<QuorumView> QueryQuorum(const std::vector<Endpoint>& controllers, int timeout_ms) {
  const auto answers = std::make_shared<Answers>();
  answers->outstanding = controllers.size();
  PosixClock clock;
  LoopThread thread("quorum-client", &clock);
  thread.Start();
  std::unique_ptr<RpcClient> rpc = NewGrpcRpcClient();
  for (const Endpoint& controller : controllers) {
    rpc->Call(controller, "Raft.Status", pb::QuorumStatusRequest().SerializeAsString(),
              Millis(timeout_ms), thread.loop(),
              [answers, controller](absl::StatusOr<std::string> response) {
                OnAnswer(*answers, controller, std::move(response));
              });
  }
  std::optional<QuorumView> best;
  {
    std::unique_lock<std::mutex> lock(answers->mu);
    answers->changed.wait(lock, [&answers] {
      for (const QuorumView& view : answers->views) {
        if (Leads(view)) return true;
      }
      return answers->outstanding == 0;
    });
    for (const QuorumView& view : answers->views) {
      const bool better =
          !best || std::pair(Leads(view), view.term) > std::pair(Leads(*best), best->term);
      if (better) best = view;
    }
  }
  thread.StopAndJoin();
  rpc.reset();
  if (!best) {
    return absl::UnavailableError(absl::StrFormat("no controller answered: %s", answers->problems));
  }
  return *std::move(best);
}

}  // namespace quorate
