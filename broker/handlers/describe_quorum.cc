// DescribeQuorum (55): the metadata quorum, as its leader sees it.
#include "proto/kafka/messages/describe_quorum.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "broker/handlers/admin.h"
#include "broker/handlers/handler_env.h"
#include "proto/kafka/error.h"
#include "proto/quorate/controller.pb.h"

namespace quorate {
namespace {

using kafka::DescribeQuorumRequest;
using kafka::DescribeQuorumResponse;
using kafka::KafkaError;
using Partition = DescribeQuorumResponse::PartitionData;
using Replica = DescribeQuorumResponse::ReplicaState;

constexpr std::string_view kMetadataTopic = "__cluster_metadata";
// Shorter than the patience of clients (our tools 15 s, Kafka's 30 s): where no controller is
// active they are to hear why. An election takes a second or two.
constexpr Micros kTimeout = std::chrono::seconds(10);

// As in Kafka, it is the only topic and partition that may be asked for, and alone.
bool AsksForTheQuorum(const DescribeQuorumRequest& request) {
  return request.topics.size() == 1 && request.topics[0].topic_name == kMetadataTopic &&
         request.topics[0].partitions.size() == 1 &&
         request.topics[0].partitions[0].partition_index == 0;
}

DescribeQuorumResponse Empty() {
  DescribeQuorumResponse response;
  response.error_message.reset();
  return response;
}

// Each partition that was asked for is unknown.
DescribeQuorumResponse Unknown(const DescribeQuorumRequest& request) {
  DescribeQuorumResponse response = Empty();
  for (const auto& topic : request.topics) {
    auto& out = response.topics.emplace_back();
    out.topic_name = topic.topic_name;
    for (const auto& partition : topic.partitions) {
      Partition& unknown = out.partitions.emplace_back();
      unknown.partition_index = partition.partition_index;
      unknown.error_code = Code(KafkaError::kUnknownTopicOrPartition);
      unknown.error_message = "partition 0 of __cluster_metadata can be described, and it alone";
      unknown.leader_id = -1;
    }
  }
  return response;
}

Replica ToReplica(const pb::QuorumReplica& replica, int64_t now_ms) {
  const auto time_of = [now_ms](int64_t age_ms) { return age_ms < 0 ? -1 : now_ms - age_ms; };
  Replica out;
  out.replica_id = replica.node_id();
  if (replica.directory_id().size() == 16) {
    out.replica_directory_id = Uuid::FromBytes(replica.directory_id());
  }
  out.log_end_offset = replica.log_end_index();
  out.last_fetch_timestamp = time_of(replica.last_fetch_age_ms());
  out.last_caught_up_timestamp = time_of(replica.last_caught_up_age_ms());
  return out;
}

DescribeQuorumResponse Describe(const HandlerEnv& env, const pb::DescribeQuorumResponse& answer) {
  const pb::QuorumStatusResponse& status = answer.status();
  DescribeQuorumResponse response = Empty();
  auto& topic = response.topics.emplace_back();
  topic.topic_name = std::string(kMetadataTopic);
  Partition& partition = topic.partitions.emplace_back();
  partition.error_message.reset();
  partition.leader_id = status.leader_id();
  partition.leader_epoch = status.term();
  partition.high_watermark = status.commit_index();
  const std::map<NodeId, Endpoint>& controllers = env.controller->controllers();
  for (const pb::QuorumReplica& replica : status.replicas()) {
    auto& list = replica.voter() ? partition.current_voters : partition.observers;
    list.push_back(ToReplica(replica, answer.wall_time_ms()));
    if (!replica.voter()) continue;
    Endpoint at{replica.address().host(), replica.address().port()};
    const auto known = controllers.find(NodeId(replica.node_id()));
    if (at.host.empty() && known != controllers.end()) at = known->second;
    if (at.host.empty()) continue;
    auto& node = response.nodes.emplace_back();
    node.node_id = replica.node_id();
    auto& listener = node.listeners.emplace_back();
    listener.name = env.config->controller_listener_name;
    listener.host = at.host;
    listener.port = static_cast<uint16_t>(at.port);
  }
  return response;
}

}  // namespace

void RegisterDescribeQuorum(HandlerRegistry& registry, const HandlerEnv& env) {
  registry.Register<DescribeQuorumRequest, DescribeQuorumResponse>(
      Listeners::kClient, [env](const RequestContext& context, const DescribeQuorumRequest& request,
                                Reply<DescribeQuorumResponse> reply) {
        if (!AsksForTheQuorum(request)) return reply.Send(Unknown(request));
        auto shared = std::make_shared<Reply<DescribeQuorumResponse>>(std::move(reply));
        Forward<pb::DescribeQuorumResponse>(
            env, context, "Controller.DescribeQuorum", pb::DescribeQuorumRequest(), kTimeout,
            [env, shared](const absl::StatusOr<pb::DescribeQuorumResponse>& answer) {
              if (answer.ok()) return shared->Send(Describe(env, *answer));
              DescribeQuorumResponse refused;
              refused.error_code = Code(kafka::ErrorFor(answer.status()));
              refused.error_message = std::string(answer.status().message());
              shared->Send(refused);
            });
      });
}

}  // namespace quorate
