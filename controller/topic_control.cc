#include "controller/topic_control.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "controller/image/topic_config.h"
#include "controller/placement.h"
#include "proto/kafka/status_to_error.h"
#include "proto/quorate/controller.pb.h"

namespace quorate {
namespace {

using kafka::KafkaError;
using kafka::KafkaStatus;

constexpr int32_t kMaxReplicationFactor = 32767;

bool IsActive(const MetadataImage& image, NodeId id) {
  const BrokerImage* broker = image.FindBroker(id);
  return broker != nullptr && broker->IsActive();
}

// An assignment by hand: known brokers, none twice, one of them live.
absl::StatusOr<ReplicaList> ParseAssignment(const MetadataImage& image, const pb::IntList& list,
                                            int32_t partition) {
  const auto invalid = [&](const std::string& why) {
    return KafkaStatus(KafkaError::kInvalidReplicaAssignment,
                       absl::StrFormat("partition %d: %s", partition, why));
  };
  ReplicaList replicas;
  bool live = false;
  for (int32_t value : list.values()) {
    const NodeId id(value);
    if (Contains(replicas, id)) return invalid(absl::StrFormat("broker %d is named twice", value));
    if (image.FindBroker(id) == nullptr) {
      return invalid(absl::StrFormat("broker %d is not registered", value));
    }
    live |= IsActive(image, id);
    replicas.push_back(id);
  }
  if (replicas.empty()) return invalid("no replicas are assigned");
  if (!live) return invalid("none of its replicas is live");
  return replicas;
}

absl::Status CheckConfigs(const pb::CreateTopicsRequest_Topic& topic, ConfigMap* configs) {
  for (const auto& entry : topic.configs()) {
    if (!entry.has_value()) {
      return KafkaStatus(KafkaError::kInvalidConfig, entry.name() + " has no value");
    }
    (*configs)[entry.name()] = entry.value();
  }
  const absl::Status status = ValidateTopicConfigs(*configs);
  if (status.ok()) return status;
  return KafkaStatus(KafkaError::kInvalidConfig, std::string(status.message()));
}

template <typename Out>
void Report(const absl::Status& status, Out* out) {
  if (status.ok()) return;
  out->set_error(kafka::Code(kafka::ErrorFor(status)));
  out->set_error_message(std::string(status.message()));
}

template <typename Request>
std::map<std::string, int> CountNames(const Request& request) {
  std::map<std::string, int> counts;
  for (const auto& topic : request.topics()) ++counts[topic.name()];
  return counts;
}

absl::Status TooManyPartitions(int32_t limit) {
  return KafkaStatus(KafkaError::kPolicyViolation,
                     absl::StrFormat("one request may create at most %d partitions; ask for fewer "
                                     "at once",
                                     limit));
}

absl::Status TwiceInRequest() {
  return KafkaStatus(KafkaError::kInvalidRequest, "the request names this topic twice");
}

}  // namespace

absl::Status ValidateTopicName(std::string_view name) {
  const auto invalid = [&](const std::string& why) {
    return KafkaStatus(KafkaError::kInvalidTopicException,
                       absl::StrFormat("topic name '%s' %s", name, why));
  };
  if (name.empty()) return invalid("is empty");
  if (name == "." || name == "..") return invalid("is not allowed");
  if (name.size() > 249) {
    return KafkaStatus(
        KafkaError::kInvalidTopicException,
        absl::StrFormat("a topic name has %d characters, more than 249", name.size()));
  }
  for (char c : name) {
    const bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '.' || c == '_' || c == '-';
    if (!ok) return invalid("may only have letters, digits, '.', '_' and '-'");
  }
  return absl::OkStatus();
}

std::string CollidingTopic(const MetadataImage& image, std::string_view name) {
  std::vector<size_t> places;
  for (size_t i = 0; i < name.size(); ++i) {
    if (name[i] == '.' || name[i] == '_') places.push_back(i);
  }
  if (places.empty()) return "";
  const auto normal = [](std::string text) {
    std::replace(text.begin(), text.end(), '.', '_');
    return text;
  };
  const bool few = places.size() < 20 && (size_t{1} << places.size()) < image.topics().size();
  if (!few) {
    const std::string wanted = normal(std::string(name));
    for (const auto& [other, id] : image.topic_ids()) {
      if (other != name && normal(other) == wanted) return other;
    }
    return "";
  }
  for (size_t bits = 0; bits < (size_t{1} << places.size()); ++bits) {
    std::string other(name);
    for (size_t i = 0; i < places.size(); ++i) other[places[i]] = (bits >> i) & 1 ? '.' : '_';
    if (other != name && image.topic_ids().contains(other)) return other;
  }
  return "";
}

void TopicControl::Create(const pb::CreateTopicsRequest& request, ChangeSet* changes,
                          pb::CreateTopicsResponse* response) {
  const std::map<std::string, int> counts = CountNames(request);
  const int64_t before = changes->image().partition_count();
  for (const auto& topic : request.topics()) {
    auto* out = response->add_topics();
    out->set_name(topic.name());
    if (counts.at(topic.name()) > 1) {
      Report(TwiceInRequest(), out);
      continue;
    }
    const ChangeSet::Mark mark = changes->Here();
    absl::Status status = CreateOne(topic, changes, out);
    if (status.ok() &&
        changes->image().partition_count() - before > config_.max_partitions_per_request) {
      changes->RollBack(mark);
      status = TooManyPartitions(config_.max_partitions_per_request);
    }
    if (status.ok()) status = EndTopic(mark, changes);
    if (!status.ok()) out->clear_topic_id();
    Report(status, out);
  }
}

absl::Status TopicControl::CreateOne(const pb::CreateTopicsRequest_Topic& topic, ChangeSet* changes,
                                     pb::CreateTopicsResponse_Topic* out) {
  const MetadataImage& image = changes->image();
  Q_RETURN_IF_ERROR(ValidateTopicName(topic.name()));
  if (image.FindTopicByName(topic.name()) != nullptr) {
    return KafkaStatus(KafkaError::kTopicAlreadyExists,
                       "Topic '" + topic.name() + "' already exists.");
  }
  if (const std::string other = CollidingTopic(image, topic.name()); !other.empty()) {
    return KafkaStatus(KafkaError::kInvalidTopicException,
                       "Topic '" + topic.name() + "' collides with existing topic: " + other);
  }
  ConfigMap configs;
  Q_RETURN_IF_ERROR(CheckConfigs(topic, &configs));
  std::vector<ReplicaList> partitions;
  if (topic.assignments_size() > 0) {
    Q_ASSIGN_OR_RETURN(partitions, Assigned(image, topic));
  } else {
    const int32_t count =
        topic.partitions() == -1 ? config_.default_partitions : topic.partitions();
    const int32_t factor = topic.replication_factor() == -1 ? config_.default_replication_factor
                                                            : topic.replication_factor();
    Q_ASSIGN_OR_RETURN(partitions, Placed(image, count, factor));
  }
  Uuid id = Uuid::Generate(random_);
  while (image.FindTopic(id) != nullptr) id = Uuid::Generate(random_);
  pb::MetadataRecord record;
  record.mutable_topic()->set_name(topic.name());
  record.mutable_topic()->set_topic_id(id.ToBytes());
  changes->Add(record);
  for (const auto& [name, value] : configs) {
    pb::MetadataRecord config;
    config.mutable_config()->set_resource_type(pb::ConfigRecord::TOPIC);
    config.mutable_config()->set_resource_name(topic.name());
    config.mutable_config()->set_name(name);
    config.mutable_config()->set_value(value);
    changes->Add(config);
    auto* shown = out->add_configs();
    shown->set_name(name);
    shown->set_value(value);
  }
  Q_RETURN_IF_ERROR(AddPartitionRecords(id, 0, partitions, changes));
  out->set_topic_id(id.ToBytes());
  out->set_partitions(static_cast<int32_t>(partitions.size()));
  out->set_replication_factor(static_cast<int32_t>(partitions.front().size()));
  return absl::OkStatus();
}

absl::StatusOr<std::vector<ReplicaList>> TopicControl::Assigned(
    const MetadataImage& image, const pb::CreateTopicsRequest_Topic& topic) const {
  if (topic.replication_factor() != -1) {
    return KafkaStatus(KafkaError::kInvalidRequest,
                       "a replication factor and an assignment exclude each other");
  }
  if (topic.partitions() != -1 && topic.partitions() != topic.assignments_size()) {
    return KafkaStatus(KafkaError::kInvalidRequest,
                       absl::StrFormat("%d partitions are asked for, %d are assigned",
                                       topic.partitions(), topic.assignments_size()));
  }
  if (topic.assignments_size() > config_.max_partitions_per_topic) {
    return KafkaStatus(
        KafkaError::kInvalidPartitions,
        absl::StrFormat("a topic has at most %d partitions", config_.max_partitions_per_topic));
  }
  std::vector<ReplicaList> out;
  for (int i = 0; i < topic.assignments_size(); ++i) {
    Q_ASSIGN_OR_RETURN(ReplicaList replicas, ParseAssignment(image, topic.assignments(i), i));
    if (!out.empty() && replicas.size() != out[0].size()) {
      return KafkaStatus(KafkaError::kInvalidReplicaAssignment,
                         absl::StrFormat("partition %d has %d replicas, partition 0 has %d", i,
                                         replicas.size(), out[0].size()));
    }
    out.push_back(std::move(replicas));
  }
  return out;
}

absl::StatusOr<std::vector<ReplicaList>> TopicControl::Placed(const MetadataImage& image,
                                                              int32_t partitions,
                                                              int32_t replication_factor) {
  if (partitions < 1) {
    return KafkaStatus(KafkaError::kInvalidPartitions,
                       "Number of partitions must be larger than 0.");
  }
  if (partitions > config_.max_partitions_per_topic) {
    return KafkaStatus(KafkaError::kInvalidPartitions,
                       absl::StrFormat("%d partitions are more than the %d a topic may have",
                                       partitions, config_.max_partitions_per_topic));
  }
  if (replication_factor < 1 || replication_factor > kMaxReplicationFactor) {
    return KafkaStatus(KafkaError::kInvalidReplicationFactor,
                       "Replication factor must be larger than 0 and at most 32767.");
  }
  std::vector<PlacementBroker> brokers;
  for (const auto& [id, broker] : image.brokers()) {
    if (broker.IsActive()) brokers.push_back({id, broker.rack});
  }
  auto placed = PlaceReplicas(std::move(brokers), partitions, replication_factor, random_.Next());
  if (placed.ok()) return placed;
  return KafkaStatus(
      KafkaError::kInvalidReplicationFactor,
      absl::StrFormat("%s (%d registered)", placed.status().message(), image.brokers().size()));
}

absl::Status TopicControl::AddPartitionRecords(const Uuid& topic_id, int32_t first,
                                               const std::vector<ReplicaList>& partitions,
                                               ChangeSet* changes) {
  for (size_t i = 0; i < partitions.size(); ++i) {
    pb::MetadataRecord record;
    auto* out = record.mutable_partition();
    out->set_topic_id(topic_id.ToBytes());
    out->set_partition(first + static_cast<int32_t>(i));
    int32_t leader = kNoNode.value();
    for (NodeId id : partitions[i]) {
      out->add_replicas(id.value());
      if (!IsActive(changes->image(), id)) continue;
      out->add_isr(id.value());
      if (leader == kNoNode.value()) leader = id.value();
    }
    out->set_leader(leader);
    changes->Add(record);
  }
  return absl::OkStatus();
}

absl::Status TopicControl::EndTopic(const ChangeSet::Mark& before, ChangeSet* changes) const {
  if (changes->open_unit_bytes() > max_batch_bytes_) {
    const size_t bytes = changes->open_unit_bytes();
    changes->RollBack(before);
    return KafkaStatus(KafkaError::kPolicyViolation,
                       absl::StrFormat("its records take %d bytes, more than the %d of one batch; "
                                       "ask for fewer partitions at once",
                                       bytes, max_batch_bytes_));
  }
  changes->EndUnit();
  return absl::OkStatus();
}

void TopicControl::Delete(const pb::DeleteTopicsRequest& request, ChangeSet* changes,
                          pb::DeleteTopicsResponse* response) {
  for (const auto& topic : request.topics()) {
    auto* out = response->add_topics();
    out->set_name(topic.name());
    out->set_topic_id(topic.topic_id());
    const bool by_id = !topic.topic_id().empty();
    const TopicImage* found = nullptr;
    if (!by_id) {
      found = changes->image().FindTopicByName(topic.name());
    } else if (topic.topic_id().size() == 16) {
      found = changes->image().FindTopic(Uuid::FromBytes(topic.topic_id()));
    }
    if (!config_.delete_topic_enable) {
      Report(KafkaStatus(KafkaError::kTopicDeletionDisabled), out);
    } else if (found == nullptr) {
      Report(
          KafkaStatus(by_id ? KafkaError::kUnknownTopicId : KafkaError::kUnknownTopicOrPartition),
          out);
    } else {
      out->set_name(found->name);
      out->set_topic_id(found->id.ToBytes());
      pb::MetadataRecord record;
      record.mutable_remove_topic()->set_topic_id(found->id.ToBytes());
      changes->Add(record);
      changes->EndUnit();
    }
  }
}

void TopicControl::AddPartitions(const pb::CreatePartitionsRequest& request, ChangeSet* changes,
                                 pb::CreatePartitionsResponse* response) {
  const std::map<std::string, int> counts = CountNames(request);
  const int64_t before = changes->image().partition_count();
  for (const auto& topic : request.topics()) {
    auto* out = response->add_topics();
    out->set_name(topic.name());
    const ChangeSet::Mark mark = changes->Here();
    absl::Status status = counts.at(topic.name()) > 1 ? TwiceInRequest() : AddTo(topic, changes);
    if (status.ok() &&
        changes->image().partition_count() - before > config_.max_partitions_per_request) {
      changes->RollBack(mark);
      status = TooManyPartitions(config_.max_partitions_per_request);
    }
    if (status.ok()) status = EndTopic(mark, changes);
    Report(status, out);
  }
}

absl::Status TopicControl::AddTo(const pb::CreatePartitionsRequest_Topic& topic,
                                 ChangeSet* changes) {
  const MetadataImage& image = changes->image();
  const TopicImage* found = image.FindTopicByName(topic.name());
  if (found == nullptr) return KafkaStatus(KafkaError::kUnknownTopicOrPartition);
  const int32_t now = static_cast<int32_t>(found->partitions.size());
  if (topic.count() <= now) {
    return KafkaStatus(
        KafkaError::kInvalidPartitions,
        topic.count() == now
            ? absl::StrFormat("Topic already has %d partition(s).", now)
            : absl::StrFormat("The topic %s currently has %d partition(s); %d would not be an "
                              "increase.",
                              topic.name(), now, topic.count()));
  }
  if (topic.count() > config_.max_partitions_per_topic) {
    return KafkaStatus(
        KafkaError::kInvalidPartitions,
        absl::StrFormat("a topic has at most %d partitions", config_.max_partitions_per_topic));
  }
  const size_t factor = now == 0 ? 1 : found->FindPartition(PartitionIndex(0))->replicas.size();
  const int32_t added = topic.count() - now;
  std::vector<ReplicaList> partitions;
  if (topic.assignments_size() == 0) {
    Q_ASSIGN_OR_RETURN(partitions, Placed(image, added, static_cast<int32_t>(factor)));
  } else if (topic.assignments_size() != added) {
    return KafkaStatus(KafkaError::kInvalidReplicaAssignment,
                       absl::StrFormat("%d partitions are added, %d are assigned", added,
                                       topic.assignments_size()));
  }
  for (int i = 0; i < topic.assignments_size(); ++i) {
    Q_ASSIGN_OR_RETURN(ReplicaList replicas, ParseAssignment(image, topic.assignments(i), now + i));
    if (replicas.size() != factor) {
      return KafkaStatus(KafkaError::kInvalidReplicaAssignment,
                         absl::StrFormat("partition %d has %d replicas, the topic has %d", now + i,
                                         replicas.size(), factor));
    }
    partitions.push_back(std::move(replicas));
  }
  return AddPartitionRecords(found->id, now, partitions, changes);
}

}  // namespace quorate
