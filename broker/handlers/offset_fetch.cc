// OffsetFetch (9): the committed offsets of one group (up to version 7) or of many.
#include "proto/kafka/messages/offset_fetch.h"

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "broker/handlers/group_handlers.h"

namespace quorate {
namespace {

using kafka::KafkaError;
using kafka::OffsetFetchRequest;
using kafka::OffsetFetchResponse;

constexpr int16_t kTopLevelErrorVersion = 2;
constexpr int16_t kManyGroupsVersion = 8;
constexpr int16_t kTopicIdVersion = 10;

// A topic as asked for. `name` is empty for an id that is not known.
struct AskedTopic {
  std::string name;
  Uuid id;
  std::vector<int32_t> partitions;
};

template <typename Partition>
void Fill(const MetadataImage& image, const OffsetKey& key,
          const std::optional<CommittedOffset>& offset, Partition* out) {
  out->partition_index = key.partition;
  out->committed_offset = -1;
  out->committed_leader_epoch = -1;
  out->metadata = "";
  if (!offset.has_value()) return;
  // The topic was deleted and created anew since: its offsets mean nothing in the new one.
  const TopicImage* topic = image.FindTopicByName(key.topic);
  if (topic != nullptr && !offset->topic_id.is_zero() && offset->topic_id != topic->id) return;
  out->committed_offset = offset->offset;
  out->committed_leader_epoch = offset->leader_epoch;
  out->metadata = offset->metadata;
}

// Fills `topics` (elements with name, topic_id or not, partitions) for one group. With an error
// every partition asked for has it. Returns the error of the group as a whole.
template <typename Topics, typename SetId>
KafkaError FetchGroup(const GroupHandlerEnv& env, const std::string& group_id,
                      const std::optional<std::vector<AskedTopic>>& asked, SetId set_id,
                      Topics* topics) {
  const ImagePtr image = env.base.images->image();
  if (!asked.has_value()) {
    const auto fetched = env.groups->FetchOffsets(group_id, std::nullopt);
    for (const auto& [key, offset] : fetched.offsets) {
      if (topics->empty() || topics->back().name != key.topic) {
        const TopicImage* topic = image->FindTopicByName(key.topic);
        auto& out = topics->emplace_back();
        out.name = key.topic;
        set_id(&out, topic == nullptr ? Uuid() : topic->id);
      }
      Fill(*image, key, offset, &topics->back().partitions.emplace_back());
    }
    return fetched.error;
  }
  std::vector<OffsetKey> keys;
  for (const AskedTopic& topic : *asked) {
    for (const int32_t partition : topic.partitions) keys.push_back({topic.name, partition});
  }
  const auto fetched = env.groups->FetchOffsets(group_id, keys);
  size_t next = 0;
  for (const AskedTopic& topic : *asked) {
    auto& out = topics->emplace_back();
    out.name = topic.name;
    set_id(&out, topic.id);
    for (size_t i = 0; i < topic.partitions.size(); ++i, ++next) {
      auto& partition = out.partitions.emplace_back();
      const bool known = !topic.name.empty();
      Fill(
          *image, keys[next],
          known && fetched.error == KafkaError::kNone ? fetched.offsets[next].second : std::nullopt,
          &partition);
      const KafkaError missing = known ? KafkaError::kNone : KafkaError::kUnknownTopicId;
      partition.error_code = Code(fetched.error != KafkaError::kNone ? fetched.error : missing);
    }
  }
  return fetched.error;
}

OffsetFetchResponse FetchOne(const GroupHandlerEnv& env, int16_t version,
                             const OffsetFetchRequest& request) {
  std::optional<std::vector<AskedTopic>> asked;
  if (request.topics.has_value()) {
    asked.emplace();
    for (const auto& topic : *request.topics) {
      asked->push_back({topic.name, Uuid(), topic.partition_indexes});
    }
  }
  OffsetFetchResponse response;
  const KafkaError error = FetchGroup(
      env, request.group_id, asked, [](auto*, const Uuid&) {}, &response.topics);
  response.error_code = Code(error);
  if (error != KafkaError::kNone && version >= kTopLevelErrorVersion) response.topics.clear();
  return response;
}

OffsetFetchResponse FetchMany(const GroupHandlerEnv& env, int16_t version,
                              const OffsetFetchRequest& request) {
  const ImagePtr image = env.base.images->image();
  const bool by_id = version >= kTopicIdVersion;
  OffsetFetchResponse response;
  for (const auto& group : request.groups) {
    std::optional<std::vector<AskedTopic>> asked;
    if (group.topics.has_value()) {
      asked.emplace();
      for (const auto& topic : *group.topics) {
        AskedTopic& out = asked->emplace_back();
        out.name = topic.name;
        out.id = topic.topic_id;
        out.partitions = topic.partition_indexes;
        if (!by_id) continue;
        const TopicImage* known = image->FindTopic(topic.topic_id);
        out.name = known == nullptr ? "" : known->name;
      }
    }
    auto& out = response.groups.emplace_back();
    out.group_id = group.group_id;
    const KafkaError error = FetchGroup(
        env, group.group_id, asked, [](auto* topic, const Uuid& id) { topic->topic_id = id; },
        &out.topics);
    out.error_code = Code(error);
    if (error != KafkaError::kNone) out.topics.clear();
    // All were asked for: a topic that is gone has no id to be named by.
    if (by_id && !asked.has_value()) {
      std::erase_if(out.topics, [](const auto& topic) { return topic.topic_id.is_zero(); });
    }
  }
  return response;
}

}  // namespace

void RegisterOffsetFetch(HandlerRegistry& registry, const GroupHandlerEnv& env) {
  registry.Register<OffsetFetchRequest, OffsetFetchResponse>(
      Listeners::kClient, [env](const RequestContext& context, const OffsetFetchRequest& request,
                                Reply<OffsetFetchResponse> reply) {
        // require_stable: there are no transactional offsets that could be pending.
        const int16_t version = context.version();
        reply.Send(version >= kManyGroupsVersion ? FetchMany(env, version, request)
                                                 : FetchOne(env, version, request));
      });
}

}  // namespace quorate
