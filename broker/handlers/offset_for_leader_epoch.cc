// OffsetForLeaderEpoch (23): where an epoch ends in our log (KIP-101, KIP-320).
#include "proto/kafka/messages/offset_for_leader_epoch.h"

#include <utility>
#include <vector>

#include "base/check.h"
#include "broker/handlers/handler_env.h"
#include "proto/kafka/error.h"
#include "proto/kafka/status_to_error.h"

namespace quorate {
namespace {

using kafka::ErrorFor;
using kafka::KafkaError;
using kafka::OffsetForLeaderEpochRequest;
using kafka::OffsetForLeaderEpochResponse;

void Answer(const HandlerEnv& env, const RequestContext& context,
            const OffsetForLeaderEpochRequest& request, Reply<OffsetForLeaderEpochResponse> reply) {
  OffsetForLeaderEpochResponse response;
  const ImagePtr image = env.images->image();
  // A replica id means nothing outside the replication listener.
  const bool forged = request.replica_id >= 0 && !context.internal();
  for (const auto& asked : request.topics) {
    auto& out = response.topics.emplace_back();
    out.topic = asked.topic;
    const TopicImage* topic = image->FindTopicByName(asked.topic);
    std::vector<EpochEndQuery> queries;
    std::vector<size_t> places;
    for (const auto& partition : asked.partitions) {
      auto& answer = out.partitions.emplace_back();
      answer.partition = partition.partition;
      const PartitionIndex index(partition.partition);
      if (forged) {
        answer.error_code = Code(KafkaError::kClusterAuthorizationFailed);
      } else if (topic == nullptr || topic->FindPartition(index) == nullptr) {
        answer.error_code = Code(KafkaError::kUnknownTopicOrPartition);
      } else {
        places.push_back(out.partitions.size() - 1);
        queries.push_back({{topic->id, index},
                           LeaderEpoch(partition.current_leader_epoch),
                           LeaderEpoch(partition.leader_epoch)});
      }
    }
    if (queries.empty()) continue;
    const std::vector<EpochEndOutcome> outcomes = env.replicas->EndOffsetsFor(queries);
    QCHECK_EQ(outcomes.size(), queries.size());
    for (size_t i = 0; i < outcomes.size(); ++i) {
      auto& answer = out.partitions[places[i]];
      KafkaError error = ErrorFor(outcomes[i].status);
      if (error == KafkaError::kUnknownTopicId) error = KafkaError::kUnknownTopicOrPartition;
      answer.error_code = Code(error);
      answer.leader_epoch = outcomes[i].end.epoch.value();
      answer.end_offset = outcomes[i].end.end_offset.value();
    }
  }
  reply.Send(response);
}

}  // namespace

void RegisterOffsetForLeaderEpoch(HandlerRegistry& registry, const HandlerEnv& env) {
  registry.Register<OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse>(
      Listeners::kBoth,
      [env](const RequestContext& context, const OffsetForLeaderEpochRequest& request,
            Reply<OffsetForLeaderEpochResponse> reply) {
        Answer(env, context, request, std::move(reply));
      });
}

}  // namespace quorate
