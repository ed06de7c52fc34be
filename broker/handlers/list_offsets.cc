// ListOffsets (2): offsets by time, with the special timestamps of protocol.md, trap 5.
#include "proto/kafka/messages/list_offsets.h"

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "broker/handlers/handler_env.h"
#include "proto/kafka/error.h"
#include "proto/kafka/status_to_error.h"

namespace quorate {
namespace {

using kafka::ErrorFor;
using kafka::KafkaError;
using kafka::ListOffsetsRequest;
using kafka::ListOffsetsResponse;

// The first request version that may ask for this timestamp; INT16_MAX if none.
int16_t FirstVersionOf(int64_t timestamp) {
  if (timestamp >= kEarliestTimestamp) return 1;
  switch (timestamp) {
    case kMaxTimestamp:
      return 7;
    case kEarliestLocalTimestamp:
      return 8;
    case kLatestTieredTimestamp:
      return 9;
    case kEarliestPendingUploadTimestamp:
      return 11;
    default:
      return INT16_MAX;
  }
}

struct Place {
  size_t topic;
  size_t partition;
};

void ListOffsets(const HandlerEnv& env, const RequestContext& context,
                 const ListOffsetsRequest& request, Reply<ListOffsetsResponse> reply) {
  auto response = std::make_shared<ListOffsetsResponse>();
  const ImagePtr image = env.images->image();
  const bool follower = request.replica_id >= 0;
  std::vector<ListOffsetsQuery> queries;
  std::vector<Place> places;
  std::set<TopicPartition> seen;
  response->topics.resize(request.topics.size());
  for (size_t t = 0; t < request.topics.size(); ++t) {
    const auto& asked = request.topics[t];
    auto& out = response->topics[t];
    out.name = asked.name;
    out.partitions.resize(asked.partitions.size());
    const TopicImage* topic = image->FindTopicByName(asked.name);
    for (size_t p = 0; p < asked.partitions.size(); ++p) {
      const auto& partition = asked.partitions[p];
      auto& answer = out.partitions[p];
      answer.partition_index = partition.partition_index;
      const PartitionIndex index(partition.partition_index);
      KafkaError error = KafkaError::kNone;
      if (follower && !context.internal()) {
        error = KafkaError::kClusterAuthorizationFailed;
      } else if (topic == nullptr || topic->FindPartition(index) == nullptr) {
        error = KafkaError::kUnknownTopicOrPartition;
      } else if (context.version() < FirstVersionOf(partition.timestamp)) {
        error = KafkaError::kUnsupportedVersion;
      } else if (!seen.insert({topic->id, index}).second) {
        error = KafkaError::kInvalidRequest;
      }
      if (error != KafkaError::kNone) {
        answer.error_code = Code(error);
        continue;
      }
      ListOffsetsQuery query;
      query.partition = {topic->id, index};
      query.current_leader_epoch = LeaderEpoch(partition.current_leader_epoch);
      query.timestamp = partition.timestamp;
      query.for_replica = follower;
      query.isolation =
          request.isolation_level == 1 ? Isolation::kReadCommitted : Isolation::kReadUncommitted;
      queries.push_back(query);
      places.push_back({t, p});
    }
  }
  auto shared_reply = std::make_shared<Reply<ListOffsetsResponse>>(std::move(reply));
  if (queries.empty()) {
    shared_reply->Send(*response);
    return;
  }
  env.replicas->ListOffsets(
      std::move(queries), [response, places = std::move(places),
                           shared_reply](const std::vector<ListOffsetsOutcome>& outcomes) {
        QCHECK_EQ(outcomes.size(), places.size());
        for (size_t i = 0; i < outcomes.size(); ++i) {
          auto& answer = response->topics[places[i].topic].partitions[places[i].partition];
          const ListOffsetsOutcome& outcome = outcomes[i];
          KafkaError error = ErrorFor(outcome.status);
          if (error == KafkaError::kUnknownTopicId) error = KafkaError::kUnknownTopicOrPartition;
          answer.error_code = Code(error);
          if (!outcome.status.ok()) continue;
          answer.offset = outcome.offset.value();
          answer.timestamp = outcome.timestamp;
          answer.leader_epoch = outcome.leader_epoch.value();
        }
        shared_reply->Send(*response);
      });
}

}  // namespace

void RegisterListOffsets(HandlerRegistry& registry, const HandlerEnv& env) {
  registry.Register<ListOffsetsRequest, ListOffsetsResponse>(
      Listeners::kBoth, [env](const RequestContext& context, const ListOffsetsRequest& request,
                              Reply<ListOffsetsResponse> reply) {
        ListOffsets(env, context, request, std::move(reply));
      });
}

}  // namespace quorate
