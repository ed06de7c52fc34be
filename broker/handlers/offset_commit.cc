// OffsetCommit (8): answered once the offsets are safe.
#include "proto/kafka/messages/offset_commit.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "broker/handlers/group_handlers.h"

namespace quorate {
namespace {

using kafka::KafkaError;
using kafka::OffsetCommitRequest;
using kafka::OffsetCommitResponse;

constexpr int16_t kTopicIdVersion = 10;
// Longer retentions than a hundred years are as good as this, and cannot overflow.
constexpr int64_t kRetentionMsMax = INT64_C(100) * 365 * 24 * 3600 * 1000;

// What is asked, with the errors known beforehand in `response`; `places` tells where the outcome
// of each entry goes: (topic, partition).
CommitRequest ToCommit(const MetadataImage& image, int16_t version,
                       const OffsetCommitRequest& request, OffsetCommitResponse* response,
                       std::vector<std::pair<size_t, size_t>>* places) {
  CommitRequest commit;
  commit.group_id = request.group_id;
  commit.generation = request.generation_id_or_member_epoch;
  commit.member_id = request.member_id;
  commit.instance_id = request.group_instance_id;
  if (request.retention_time_ms >= 0) {
    commit.retention = Millis(std::min(request.retention_time_ms, kRetentionMsMax));
  }
  const bool by_id = version >= kTopicIdVersion;
  for (const auto& asked : request.topics) {
    auto& out = response->topics.emplace_back();
    out.name = asked.name;
    out.topic_id = asked.topic_id;
    const TopicImage* topic =
        by_id ? image.FindTopic(asked.topic_id) : image.FindTopicByName(asked.name);
    for (const auto& partition : asked.partitions) {
      auto& result = out.partitions.emplace_back();
      result.partition_index = partition.partition_index;
      if (topic == nullptr) {
        result.error_code =
            Code(by_id ? KafkaError::kUnknownTopicId : KafkaError::kUnknownTopicOrPartition);
        continue;
      }
      if (partition.partition_index < 0) {
        result.error_code = Code(KafkaError::kUnknownTopicOrPartition);
        continue;
      }
      auto& entry = commit.entries.emplace_back();
      entry.key = {topic->name, partition.partition_index};
      entry.topic_id = topic->id;
      entry.offset = partition.committed_offset;
      entry.leader_epoch = partition.committed_leader_epoch;
      entry.metadata = partition.committed_metadata.value_or("");
      places->emplace_back(response->topics.size() - 1, out.partitions.size() - 1);
    }
  }
  return commit;
}

}  // namespace

void RegisterOffsetCommit(HandlerRegistry& registry, const GroupHandlerEnv& env) {
  registry.Register<OffsetCommitRequest, OffsetCommitResponse>(
      Listeners::kClient, [env](const RequestContext& context, const OffsetCommitRequest& request,
                                Reply<OffsetCommitResponse> reply) {
        OffsetCommitResponse response;
        std::vector<std::pair<size_t, size_t>> places;
        const CommitRequest commit =
            ToCommit(*env.base.images->image(), context.version(), request, &response, &places);
        if (commit.entries.empty()) return reply.Send(response);
        env.groups->Commit(
            commit, [response = std::move(response), places = std::move(places),
                     reply = std::move(reply)](std::vector<KafkaError> errors) mutable {
              for (size_t i = 0; i < places.size(); ++i) {
                const auto& [topic, partition] = places[i];
                response.topics[topic].partitions[partition].error_code = Code(errors.at(i));
              }
              reply.Send(response);
            });
      });
}

}  // namespace quorate
