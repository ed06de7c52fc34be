#include "cli/client/quorum_client.h"

#include <algorithm>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/posix/loop_thread.h"
#include "base/posix/posix_clock.h"
#include "base/uuid.h"
#include "cli/client/admin_client.h"
#include "proto/kafka/messages/describe_cluster.h"
#include "proto/kafka/messages/describe_quorum.h"
#include "proto/kafka/status_to_error.h"
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

absl::Status Refusal(int16_t code, const std::optional<std::string>& message) {
  const kafka::KafkaError error = kafka::ErrorFromCode(code);
  const std::string text(message.value_or("").empty() ? kafka::Message(error) : *message);
  return kafka::KafkaStatus(error, absl::StrFormat("%s (%s, %d)", text, kafka::Name(error), code));
}

QuorumView ToView(const kafka::DescribeQuorumResponse::PartitionData& quorum) {
  using Replica = kafka::DescribeQuorumResponse::ReplicaState;
  QuorumView view;
  view.node_id = quorum.leader_id;
  view.role = "leader";
  view.term = quorum.leader_epoch;
  view.leader_id = quorum.leader_id;
  view.commit_index = quorum.high_watermark;
  int64_t now = -1;  // on the leader's clock
  for (const Replica& replica : quorum.current_voters) {
    if (replica.replica_id != quorum.leader_id) continue;
    view.log_end = replica.log_end_offset;
    now = replica.last_caught_up_timestamp;
  }
  const auto age = [now](int64_t then) { return now < 0 || then < 0 ? -1 : now - then; };
  for (const auto* replicas : {&quorum.current_voters, &quorum.observers}) {
    for (const Replica& replica : *replicas) {
      QuorumReplicaView& out = view.replicas.emplace_back();
      out.node_id = replica.replica_id;
      out.directory_id =
          replica.replica_directory_id.is_zero() ? "-" : replica.replica_directory_id.ToString();
      out.voter = replicas == &quorum.current_voters;
      out.log_end = replica.log_end_offset;
      out.lag = view.log_end - std::max<int64_t>(replica.log_end_offset, 0);
      out.last_fetch_age_ms = age(replica.last_fetch_timestamp);
      out.last_caught_up_age_ms = age(replica.last_caught_up_timestamp);
    }
  }
  return view;
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

absl::StatusOr<QuorumView> QueryQuorumOfBroker(std::string_view bootstrap, int timeout_ms) {
  Q_ASSIGN_OR_RETURN(auto client, AdminClient::Connect(bootstrap, timeout_ms));
  kafka::DescribeQuorumRequest request;
  request.topics.push_back({"__cluster_metadata", {{0}}});
  Q_ASSIGN_OR_RETURN(auto quorum, client->Call<kafka::DescribeQuorumResponse>(request, timeout_ms));
  if (quorum.error_code != 0) return Refusal(quorum.error_code, quorum.error_message);
  if (quorum.topics.size() != 1 || quorum.topics[0].partitions.size() != 1) {
    return absl::InvalidArgumentError("the broker's answer does not describe the quorum");
  }
  const auto& partition = quorum.topics[0].partitions[0];
  if (partition.error_code != 0) return Refusal(partition.error_code, partition.error_message);
  QuorumView view = ToView(partition);
  Q_ASSIGN_OR_RETURN(auto cluster, client->Call<kafka::DescribeClusterResponse>(
                                       kafka::DescribeClusterRequest(), timeout_ms));
  if (cluster.error_code != 0) return Refusal(cluster.error_code, cluster.error_message);
  view.cluster_id = cluster.cluster_id;
  return view;
}

}  // namespace quorate
