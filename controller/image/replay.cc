#include "controller/image/replay.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "controller/image/state_entry.h"
#include "proto/quorate/metadata.pb.h"

namespace quorate {
namespace {

absl::StatusOr<Uuid> ParseUuid(const std::string& bytes, const char* what) {
  if (bytes.size() != 16) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%s has %d bytes, not 16", what, bytes.size()));
  }
  return Uuid::FromBytes(bytes);
}

template <typename Repeated>
absl::StatusOr<ReplicaList> ParseReplicas(const Repeated& ids, const char* what) {
  ReplicaList out;
  for (int32_t id : ids) {
    if (id < 0) return absl::InvalidArgumentError(absl::StrFormat("%s names broker %d", what, id));
    if (Contains(out, NodeId(id))) {
      return absl::InvalidArgumentError(absl::StrFormat("%s names broker %d twice", what, id));
    }
    out.push_back(NodeId(id));
  }
  return out;
}

BrokerListener ParseListener(const pb::ListenerEndpoint& in) {
  return {in.name(), in.host(), in.port(), in.security_protocol()};
}

// What every state of a partition fulfils, whoever wrote the record.
absl::Status ValidatePartition(const PartitionState& state) {
  if (state.replicas.empty()) return absl::InvalidArgumentError("no replicas");
  for (NodeId id : state.isr) {
    if (!Contains(state.replicas, id)) {
      return absl::InvalidArgumentError(absl::StrFormat("ISR member %d is no replica", id.value()));
    }
  }
  for (NodeId id : state.elr) {
    if (!Contains(state.replicas, id) || Contains(state.isr, id)) {
      return absl::InvalidArgumentError(
          absl::StrFormat("ELR member %d is no replica or in the ISR", id.value()));
    }
  }
  if (state.leader != kNoNode && !Contains(state.isr, state.leader)) {
    return absl::InvalidArgumentError(
        absl::StrFormat("leader %d is not in the ISR", state.leader.value()));
  }
  return absl::OkStatus();
}

}  // namespace

// Applies one record. Every Apply function validates first and changes the image last, so that a
// refused record changes nothing.
class Replayer {
 public:
  // `index`: where the record stands; with `in_state` it is one of a state that ends there.
  Replayer(LogIndex index, bool in_state, MetadataImage* image, MetadataDelta* delta)
      : index_(index), in_state_(in_state), image_(*image), delta_(delta) {}

  absl::Status Apply(const pb::MetadataRecord& record);
  static void Advance(LogIndex end, MetadataImage* image) { image->index_ = end; }
  static void SetTerm(Term term, MetadataImage* image) { image->term_ = term; }

 private:
  absl::Status RegisterBroker(const pb::RegisterBrokerRecord& record);
  absl::Status UnregisterBroker(const pb::UnregisterBrokerRecord& record);
  absl::Status ChangeBroker(const pb::BrokerChangeRecord& record);
  absl::Status AddTopic(const pb::TopicRecord& record);
  absl::Status RemoveTopic(const pb::RemoveTopicRecord& record);
  absl::Status SetPartition(const pb::PartitionRecord& record);
  absl::Status ChangePartition(const pb::PartitionChangeRecord& record);
  absl::Status SetConfig(const pb::ConfigRecord& record);
  absl::Status SetProducerIds(const pb::ProducerIdsRecord& record);
  absl::Status SetFeature(const pb::FeatureLevelRecord& record);

  absl::StatusOr<const BrokerImage*> FindBroker(int32_t id, int64_t epoch) const;
  absl::StatusOr<const TopicImage*> FindTopic(const std::string& id) const;
  void PutBroker(BrokerImage broker);
  void PutPartition(const TopicImage& topic, PartitionIndex index, PartitionState state);
  void PutConfigs(ConfigResource resource, ConfigMap configs);

  const LogIndex index_;
  const bool in_state_;
  MetadataImage& image_;
  MetadataDelta* const delta_;  // may be null
};

absl::Status Replayer::Apply(const pb::MetadataRecord& record) {
  switch (record.record_case()) {
    case pb::MetadataRecord::kRegisterBroker:
      return RegisterBroker(record.register_broker());
    case pb::MetadataRecord::kUnregisterBroker:
      return UnregisterBroker(record.unregister_broker());
    case pb::MetadataRecord::kBrokerChange:
      return ChangeBroker(record.broker_change());
    case pb::MetadataRecord::kTopic:
      return AddTopic(record.topic());
    case pb::MetadataRecord::kRemoveTopic:
      return RemoveTopic(record.remove_topic());
    case pb::MetadataRecord::kPartition:
      return SetPartition(record.partition());
    case pb::MetadataRecord::kPartitionChange:
      return ChangePartition(record.partition_change());
    case pb::MetadataRecord::kConfig:
      return SetConfig(record.config());
    case pb::MetadataRecord::kProducerIds:
      return SetProducerIds(record.producer_ids());
    case pb::MetadataRecord::kFeatureLevel:
      return SetFeature(record.feature_level());
    case pb::MetadataRecord::RECORD_NOT_SET:
      break;
  }
  const auto& unknown = record.GetReflection()->GetUnknownFields(record);
  return absl::DataLossError(unknown.empty()
                                 ? "the record is empty"
                                 : absl::StrFormat("record type %d is not known to this version",
                                                   unknown.field(0).number()));
}

absl::StatusOr<const BrokerImage*> Replayer::FindBroker(int32_t id, int64_t epoch) const {
  const BrokerImage* broker = image_.brokers_.Find(NodeId(id));
  if (broker == nullptr) {
    return absl::InvalidArgumentError(absl::StrFormat("broker %d is not registered", id));
  }
  if (broker->epoch != BrokerEpoch(epoch)) {
    return absl::InvalidArgumentError(
        absl::StrFormat("broker %d has epoch %d, not %d", id, broker->epoch.value(), epoch));
  }
  return broker;
}

absl::StatusOr<const TopicImage*> Replayer::FindTopic(const std::string& id) const {
  Q_ASSIGN_OR_RETURN(const Uuid uuid, ParseUuid(id, "topic id"));
  const TopicImage* topic = image_.topics_.Find(uuid);
  if (topic == nullptr) {
    return absl::InvalidArgumentError("there is no topic with id " + uuid.ToString());
  }
  return topic;
}

void Replayer::PutBroker(BrokerImage broker) {
  const NodeId id = broker.id;
  if (const BrokerImage* old = image_.brokers_.Find(id)) {
    image_.hash_.Remove(StateEntry(*old));
  }
  image_.hash_.Add(StateEntry(broker));
  image_.brokers_.Set(id, std::move(broker));
  if (delta_ != nullptr) delta_->brokers.insert(id);
}

absl::Status Replayer::RegisterBroker(const pb::RegisterBrokerRecord& record) {
  if (record.broker_id() < 0) {
    return absl::InvalidArgumentError(absl::StrFormat("broker id %d", record.broker_id()));
  }
  const int64_t epoch = record.broker_epoch();
  if (in_state_ && (epoch < 0 || epoch >= index_.value())) {
    return absl::InvalidArgumentError(
        absl::StrFormat("the registration of broker %d has broker epoch %d in a state that ends "
                        "at %d",
                        record.broker_id(), epoch, index_.value()));
  }
  if (!in_state_ && epoch != index_.value()) {
    return absl::InvalidArgumentError(
        absl::StrFormat("the registration of broker %d has broker epoch %d, not its own index",
                        record.broker_id(), record.broker_epoch()));
  }
  BrokerImage broker;
  broker.id = NodeId(record.broker_id());
  Q_ASSIGN_OR_RETURN(broker.incarnation, ParseUuid(record.incarnation_id(), "incarnation id"));
  broker.epoch = BrokerEpoch(record.broker_epoch());
  for (const auto& listener : record.listeners()) {
    broker.listeners.push_back(ParseListener(listener));
  }
  broker.replication_listener = ParseListener(record.replication_listener());
  broker.rack = record.rack();
  broker.fenced = record.fenced();
  for (const std::string& id : record.log_directory_ids()) {
    Q_ASSIGN_OR_RETURN(const Uuid directory, ParseUuid(id, "log directory id"));
    broker.log_directories.push_back(directory);
  }
  PutBroker(std::move(broker));
  return absl::OkStatus();
}

absl::Status Replayer::UnregisterBroker(const pb::UnregisterBrokerRecord& record) {
  Q_ASSIGN_OR_RETURN(const BrokerImage* broker,
                     FindBroker(record.broker_id(), record.broker_epoch()));
  image_.hash_.Remove(StateEntry(*broker));
  const NodeId id = broker->id;
  image_.brokers_.Erase(id);
  if (delta_ != nullptr) delta_->brokers.insert(id);
  return absl::OkStatus();
}

absl::Status Replayer::ChangeBroker(const pb::BrokerChangeRecord& record) {
  Q_ASSIGN_OR_RETURN(const BrokerImage* old, FindBroker(record.broker_id(), record.broker_epoch()));
  BrokerImage broker = *old;
  if (record.has_fenced()) broker.fenced = record.fenced();
  if (record.has_in_controlled_shutdown()) {
    broker.in_controlled_shutdown = record.in_controlled_shutdown();
  }
  PutBroker(std::move(broker));
  return absl::OkStatus();
}

absl::Status Replayer::AddTopic(const pb::TopicRecord& record) {
  Q_ASSIGN_OR_RETURN(const Uuid id, ParseUuid(record.topic_id(), "topic id"));
  if (record.name().empty()) return absl::InvalidArgumentError("a topic without a name");
  if (image_.topics_.contains(id)) {
    return absl::InvalidArgumentError("topic id " + id.ToString() + " is taken");
  }
  if (image_.topic_ids_.contains(record.name())) {
    return absl::InvalidArgumentError("topic name '" + record.name() + "' is taken");
  }
  TopicImage topic{.id = id, .name = record.name(), .partitions = {}};
  image_.hash_.Add(StateEntry(topic));
  image_.topics_.Set(id, std::move(topic));
  image_.topic_ids_.Set(record.name(), id);
  if (delta_ != nullptr) delta_->topics_created.insert(id);
  return absl::OkStatus();
}

absl::Status Replayer::RemoveTopic(const pb::RemoveTopicRecord& record) {
  Q_ASSIGN_OR_RETURN(const TopicImage* found, FindTopic(record.topic_id()));
  const TopicImage topic = *found;
  for (const auto& [index, state] : topic.partitions) {
    image_.hash_.Remove(StateEntry(topic.id, index, state));
  }
  image_.partition_count_ -= static_cast<int64_t>(topic.partitions.size());
  image_.hash_.Remove(StateEntry(topic));
  image_.topics_.Erase(topic.id);
  image_.topic_ids_.Erase(topic.name);
  PutConfigs({ConfigResourceType::kTopic, topic.name}, {});
  if (delta_ != nullptr) delta_->NoteTopicDeleted(topic.id);
  return absl::OkStatus();
}

void Replayer::PutPartition(const TopicImage& old_topic, PartitionIndex index,
                            PartitionState state) {
  TopicImage topic = old_topic;
  if (const PartitionState* old = topic.partitions.Find(index)) {
    image_.hash_.Remove(StateEntry(topic.id, index, *old));
  } else {
    ++image_.partition_count_;
  }
  image_.hash_.Add(StateEntry(topic.id, index, state));
  topic.partitions.Set(index, std::move(state));
  const Uuid id = topic.id;
  image_.topics_.Set(id, std::move(topic));
  if (delta_ != nullptr) delta_->partitions.insert({id, index});
}

absl::Status Replayer::SetPartition(const pb::PartitionRecord& record) {
  Q_ASSIGN_OR_RETURN(const TopicImage* topic, FindTopic(record.topic_id()));
  const PartitionIndex index(record.partition());
  // Partitions are numbered without gaps: a new one comes right after the last.
  if (index.value() < 0 || static_cast<size_t>(index.value()) > topic->partitions.size()) {
    return absl::InvalidArgumentError(absl::StrFormat("partition %d of topic '%s', which has %d",
                                                      index.value(), topic->name,
                                                      topic->partitions.size()));
  }
  PartitionState state;
  Q_ASSIGN_OR_RETURN(state.replicas, ParseReplicas(record.replicas(), "replicas"));
  Q_ASSIGN_OR_RETURN(state.isr, ParseReplicas(record.isr(), "ISR"));
  Q_ASSIGN_OR_RETURN(state.elr, ParseReplicas(record.elr(), "ELR"));
  Q_ASSIGN_OR_RETURN(state.last_known_elr,
                     ParseReplicas(record.last_known_elr(), "last known ELR"));
  state.leader = NodeId(record.leader());
  state.leader_epoch = LeaderEpoch(record.leader_epoch());
  state.partition_epoch = PartitionEpoch(record.partition_epoch());
  state.leader_recovering = record.leader_recovering();
  Q_RETURN_IF_ERROR(ValidatePartition(state));
  PutPartition(*topic, index, std::move(state));
  return absl::OkStatus();
}

absl::Status Replayer::ChangePartition(const pb::PartitionChangeRecord& record) {
  Q_ASSIGN_OR_RETURN(const TopicImage* topic, FindTopic(record.topic_id()));
  const PartitionIndex index(record.partition());
  const PartitionState* old = topic->FindPartition(index);
  if (old == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrFormat("topic '%s' has no partition %d", topic->name, index.value()));
  }
  PartitionState state = *old;
  if (record.has_replicas()) {
    Q_ASSIGN_OR_RETURN(state.replicas, ParseReplicas(record.replicas().values(), "replicas"));
  }
  if (record.has_isr()) {
    Q_ASSIGN_OR_RETURN(state.isr, ParseReplicas(record.isr().values(), "ISR"));
  }
  if (record.has_elr()) {
    Q_ASSIGN_OR_RETURN(state.elr, ParseReplicas(record.elr().values(), "ELR"));
  }
  if (record.has_last_known_elr()) {
    Q_ASSIGN_OR_RETURN(state.last_known_elr,
                       ParseReplicas(record.last_known_elr().values(), "last known ELR"));
  }
  if (record.has_leader()) {
    state.leader = NodeId(record.leader());
    ++state.leader_epoch;
  }
  if (record.has_leader_recovering()) state.leader_recovering = record.leader_recovering();
  ++state.partition_epoch;
  Q_RETURN_IF_ERROR(ValidatePartition(state));
  PutPartition(*topic, index, std::move(state));
  return absl::OkStatus();
}

void Replayer::PutConfigs(ConfigResource resource, ConfigMap configs) {
  if (const ConfigMap* old = image_.configs_.Find(resource)) {
    for (const auto& [key, value] : *old) image_.hash_.Remove(StateEntry(resource, key, value));
  } else if (configs.empty()) {
    return;
  }
  for (const auto& [key, value] : configs) image_.hash_.Add(StateEntry(resource, key, value));
  if (delta_ != nullptr) delta_->configs.insert(resource);
  if (configs.empty()) {
    image_.configs_.Erase(resource);
  } else {
    image_.configs_.Set(std::move(resource), std::move(configs));
  }
}

absl::Status Replayer::SetConfig(const pb::ConfigRecord& record) {
  if (record.resource_type() != pb::ConfigRecord::TOPIC &&
      record.resource_type() != pb::ConfigRecord::BROKER) {
    return absl::InvalidArgumentError(
        absl::StrFormat("config resource type %d is not known", record.resource_type()));
  }
  if (record.name().empty()) return absl::InvalidArgumentError("a config without a name");
  ConfigResource resource{static_cast<ConfigResourceType>(record.resource_type()),
                          record.resource_name()};
  const ConfigMap* old = image_.configs_.Find(resource);
  ConfigMap configs = old == nullptr ? ConfigMap() : *old;
  if (record.has_value()) {
    configs[record.name()] = record.value();
  } else {
    configs.erase(record.name());
  }
  PutConfigs(std::move(resource), std::move(configs));
  return absl::OkStatus();
}

absl::Status Replayer::SetProducerIds(const pb::ProducerIdsRecord& record) {
  const ProducerId next(record.next_producer_id());
  if (next < image_.next_producer_id_) {
    return absl::InvalidArgumentError(
        absl::StrFormat("the next producer id goes back from %d to %d",
                        image_.next_producer_id_.value(), next.value()));
  }
  if (image_.next_producer_id_ > ProducerId(0)) {
    image_.hash_.Remove(ProducerIdsEntry(image_.next_producer_id_));
  }
  if (next > ProducerId(0)) image_.hash_.Add(ProducerIdsEntry(next));
  image_.next_producer_id_ = next;
  if (delta_ != nullptr) delta_->producer_ids = true;
  return absl::OkStatus();
}

absl::Status Replayer::SetFeature(const pb::FeatureLevelRecord& record) {
  if (record.name().empty()) return absl::InvalidArgumentError("a feature without a name");
  if (const int32_t* old = image_.features_.Find(record.name())) {
    image_.hash_.Remove(FeatureEntry(record.name(), *old));
  }
  if (record.level() == 0) {
    image_.features_.Erase(record.name());
  } else {
    image_.hash_.Add(FeatureEntry(record.name(), record.level()));
    image_.features_.Set(record.name(), record.level());
  }
  if (delta_ != nullptr) delta_->features = true;
  return absl::OkStatus();
}

namespace {

absl::Status ParseAndApply(std::string_view record, Replayer replayer) {
  pb::MetadataRecord parsed;
  if (!parsed.ParseFromArray(record.data(), static_cast<int>(record.size()))) {
    return absl::DataLossError(absl::StrFormat("%d bytes do not parse", record.size()));
  }
  return replayer.Apply(parsed);
}

}  // namespace

absl::Status ReplayStateRecord(LogIndex end, int64_t number, std::string_view record,
                               MetadataImage* image) {
  const absl::Status status = ParseAndApply(record, Replayer(end, true, image, nullptr));
  if (status.ok()) return status;
  return absl::Status(status.code(), absl::StrFormat("record %d of the state at index %d: %s",
                                                     number, end.value(), status.message()));
}

absl::Status Replay(LogIndex index, std::string_view record, MetadataImage* image,
                    MetadataDelta* delta) {
  QCHECK_GE(index, image->index());
  const absl::Status status = ParseAndApply(record, Replayer(index, false, image, delta));
  if (!status.ok()) {
    return absl::Status(status.code(), absl::StrFormat("metadata record at index %d: %s",
                                                       index.value(), status.message()));
  }
  Replayer::Advance(index + 1, image);
  return absl::OkStatus();
}

void AdvanceTo(LogIndex end, Term term, MetadataImage* image) {
  QCHECK_GE(end, image->index());
  Replayer::Advance(end, image);
  Replayer::SetTerm(term, image);
}

}  // namespace quorate
