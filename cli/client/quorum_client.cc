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
#include "base/status_macros.h"
#include "base/uuid.h"
#include "cli/client/admin_client.h"
#include "cli/config/server_config.h"
#include "proto/kafka/messages/add_raft_voter.h"
#include "proto/kafka/messages/describe_cluster.h"
#include "proto/kafka/messages/describe_quorum.h"
#include "proto/kafka/messages/remove_raft_voter.h"
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
  view.dynamic_voters = response.dynamic_voters();
  for (const pb::QuorumReplica& replica : response.replicas()) {
    QuorumReplicaView& out = view.replicas.emplace_back();
    out.node_id = replica.node_id();
    out.directory_id = replica.directory_id().size() == 16
                           ? Uuid::FromBytes(replica.directory_id()).ToString()
                           : "-";
    out.voter = replica.voter();
    if (!replica.address().host().empty()) {
      out.address = Endpoint{replica.address().host(), replica.address().port()}.ToString();
    }
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
  for (const auto& node : quorum.nodes) {
    for (QuorumReplicaView& replica : view.replicas) {
      if (!replica.voter || replica.node_id != node.node_id || node.listeners.empty()) continue;
      const auto& listener = node.listeners.front();
      replica.address = Endpoint{listener.host, listener.port}.ToString();
    }
  }
  return view;
}

absl::Status ChangeVoters(const std::vector<Endpoint>& controllers, const VoterChange& change,
                          int timeout_ms) {
  Q_ASSIGN_OR_RETURN(const QuorumView view, QueryQuorum(controllers, timeout_ms));
  std::optional<Endpoint> leader;
  for (const QuorumReplicaView& replica : view.replicas) {
    if (replica.node_id == view.leader_id) leader = ParseEndpoint(replica.address);
  }
  if (!leader) {
    return absl::UnavailableError(absl::StrFormat(
        "no leader answered (node %d, %s, knows %s): a change of voters needs a majority of them",
        view.node_id, view.role,
        view.leader_id < 0 ? "none" : absl::StrFormat("node %d", view.leader_id)));
  }
  pb::ChangeVotersRequest request;
  request.set_cluster_id(view.cluster_id);
  ToProto(change, &request);
  request.set_passed_on(true);
  struct Outcome {
    std::mutex mu;
    std::condition_variable changed;
    std::optional<absl::Status> status;
  };
  const auto outcome = std::make_shared<Outcome>();
  PosixClock clock;
  LoopThread thread("quorum-client", &clock);
  thread.Start();
  std::unique_ptr<RpcClient> rpc = NewGrpcRpcClient();
  rpc->Call(*leader, "Raft.ChangeVoters", request.SerializeAsString(), Millis(timeout_ms),
            thread.loop(), [outcome](const absl::StatusOr<std::string>& response) {
              const std::lock_guard<std::mutex> lock(outcome->mu);
              outcome->status = response.status();
              outcome->changed.notify_all();
            });
  {
    std::unique_lock<std::mutex> lock(outcome->mu);
    outcome->changed.wait(lock, [&outcome] { return outcome->status.has_value(); });
  }
  thread.StopAndJoin();
  rpc.reset();
  return *outcome->status;
}

absl::Status ChangeVotersByBroker(std::string_view bootstrap, const VoterChange& change,
                                  int timeout_ms) {
  const auto outcome = [](const auto& response) {
    if (!response.ok()) return response.status();
    if (response->error_code == 0) return absl::OkStatus();
    return Refusal(response->error_code, response->error_message);
  };
  Q_ASSIGN_OR_RETURN(auto client, AdminClient::Connect(bootstrap, timeout_ms));
  if (change.kind == VoterChange::Kind::kAdd) {
    kafka::AddRaftVoterRequest request;
    request.cluster_id.reset();
    request.timeout_ms = timeout_ms;
    request.voter_id = change.voter.node.value();
    request.voter_directory_id = change.voter.directory;
    auto& listener = request.listeners.emplace_back();
    listener.name = "CONTROLLER";
    listener.host = change.endpoint.host;
    listener.port = static_cast<uint16_t>(change.endpoint.port);
    return outcome(client->Call<kafka::AddRaftVoterResponse>(request, timeout_ms));
  }
  if (change.kind == VoterChange::Kind::kRemove) {
    kafka::RemoveRaftVoterRequest request;
    request.cluster_id.reset();
    request.voter_id = change.voter.node.value();
    request.voter_directory_id = change.voter.directory;
    return outcome(client->Call<kafka::RemoveRaftVoterResponse>(request, timeout_ms));
  }
  return absl::InvalidArgumentError("a broker passes on additions and removals only");
}

}  // namespace quorate
