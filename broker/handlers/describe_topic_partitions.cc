// DescribeTopicPartitions (75): topics page by page, with the eligible leader replicas (KIP-966).
#include "proto/kafka/messages/describe_topic_partitions.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "broker/handlers/handler_env.h"
#include "broker/handlers/topic_rules.h"
#include "proto/kafka/error.h"

namespace quorate {
namespace {

using kafka::DescribeTopicPartitionsRequest;
using kafka::DescribeTopicPartitionsResponse;
using kafka::KafkaError;
using Response = DescribeTopicPartitionsResponse;

constexpr int32_t kMaxPartitions = 2000;  // max.request.partition.size.limit

class Describer {
 public:
  Describer(const MetadataImage& image, std::string listener,
            const DescribeTopicPartitionsRequest& request)
      : image_(image),
        listener_(std::move(listener)),
        left_(std::clamp(request.response_partition_limit, 1, kMaxPartitions)) {
    if (request.cursor.has_value()) {
      from_topic_ = request.cursor->topic_name;
      from_partition_ = std::max(0, request.cursor->partition_index);
    }
  }

  Response Named(const DescribeTopicPartitionsRequest& request) {
    std::set<std::string> names;
    for (const auto& topic : request.topics) names.insert(topic.name);
    for (auto it = names.lower_bound(from_topic_); it != names.end() && !full_; ++it) {
      const TopicImage* topic = image_.FindTopicByName(*it);
      if (topic != nullptr) {
        AddTopic(*topic);
      } else if (left_ == 0) {
        SetCursor(*it, 0);
      } else {
        auto& out = response_.topics.emplace_back();
        out.name = *it;
        out.error_code = Code(IsValidTopicName(*it) ? KafkaError::kUnknownTopicOrPartition
                                                    : KafkaError::kInvalidTopicException);
      }
    }
    return std::move(response_);
  }

  Response All() {
    for (auto it = image_.topic_ids().LowerBound(from_topic_);
         it != image_.topic_ids().end() && !full_; ++it) {
      AddTopic(*image_.FindTopic(it->second));
    }
    return std::move(response_);
  }

 private:
  void SetCursor(const std::string& topic, int32_t partition) {
    full_ = true;
    auto& cursor = response_.next_cursor.emplace();
    cursor.topic_name = topic;
    cursor.partition_index = partition;
  }

  void AddTopic(const TopicImage& topic) {
    int32_t next = topic.name == from_topic_ ? from_partition_ : 0;
    if (left_ == 0) return SetCursor(topic.name, next);
    auto& out = response_.topics.emplace_back();
    out.name = topic.name;
    out.topic_id = topic.id;
    out.is_internal = IsInternalTopic(topic.name);
    out.topic_authorized_operations = kAllTopicOperations;
    for (auto it = topic.partitions.LowerBound(PartitionIndex(next)); it != topic.partitions.end();
         ++it) {
      if (left_ == 0) return SetCursor(topic.name, it->first.value());
      --left_;
      const PartitionState& state = it->second;
      auto& partition = out.partitions.emplace_back();
      const LeaderView leader = LeaderFor(image_, state, listener_);
      partition.error_code = Code(leader.error);
      partition.partition_index = it->first.value();
      partition.leader_id = leader.leader.value();
      partition.leader_epoch = state.leader_epoch.value();
      partition.replica_nodes = ToInts(state.replicas);
      partition.isr_nodes = ToInts(state.isr);
      partition.eligible_leader_replicas = ToInts(state.elr);
      partition.last_known_elr = ToInts(state.last_known_elr);
      partition.offline_replicas = OfflineReplicas(image_, state);
    }
  }

  const MetadataImage& image_;
  const std::string listener_;
  int32_t left_;  // partitions that still fit
  std::string from_topic_;
  int32_t from_partition_ = 0;
  bool full_ = false;
  Response response_;
};

}  // namespace

void RegisterDescribeTopicPartitions(HandlerRegistry& registry, const HandlerEnv& env) {
  registry.Register<DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse>(
      Listeners::kClient,
      [env](const RequestContext& context, const DescribeTopicPartitionsRequest& request,
            Reply<DescribeTopicPartitionsResponse> reply) {
        const ImagePtr image = env.images->image();
        Describer describer(*image, context.listener(), request);
        reply.Send(request.topics.empty() ? describer.All() : describer.Named(request));
      });
}

}  // namespace quorate
