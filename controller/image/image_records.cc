#include "controller/image/image_records.h"

#include <utility>

#include "base/status_macros.h"
#include "controller/image/replay.h"
#include "controller/image/state_entry.h"
#include "proto/quorate/metadata.pb.h"

namespace quorate {
namespace {

std::string BytesOf(const Uuid& id) {
  return {reinterpret_cast<const char*>(id.bytes().data()), id.bytes().size()};
}

// Gathers records into batches for the sink.
class Writer {
 public:
  Writer(size_t max_batch_bytes, ImageRecordSink sink)
      : max_batch_bytes_(max_batch_bytes), sink_(sink) {}

  absl::Status Add(const pb::MetadataRecord& record) {
    std::string bytes = record.SerializeAsString();
    if (!batch_.empty() && batch_bytes_ + bytes.size() > max_batch_bytes_) {
      Q_RETURN_IF_ERROR(Flush());
    }
    batch_bytes_ += bytes.size();
    batch_.push_back(std::move(bytes));
    return absl::OkStatus();
  }
  absl::Status Flush() {
    if (batch_.empty()) return absl::OkStatus();
    batch_bytes_ = 0;
    return sink_(std::exchange(batch_, {}));
  }

 private:
  const size_t max_batch_bytes_;
  const ImageRecordSink sink_;
  std::vector<std::string> batch_;
  size_t batch_bytes_ = 0;
};

void FillListener(const BrokerListener& from, pb::ListenerEndpoint* to) {
  to->set_name(from.name);
  to->set_host(from.host);
  to->set_port(from.port);
  to->set_security_protocol(from.security_protocol);
}

absl::Status WriteBroker(const BrokerImage& broker, Writer* out) {
  pb::MetadataRecord record;
  pb::RegisterBrokerRecord* to = record.mutable_register_broker();
  to->set_broker_id(broker.id.value());
  to->set_incarnation_id(BytesOf(broker.incarnation));
  to->set_broker_epoch(broker.epoch.value());
  for (const BrokerListener& listener : broker.listeners) {
    FillListener(listener, to->add_listeners());
  }
  FillListener(broker.replication_listener, to->mutable_replication_listener());
  to->set_rack(broker.rack);
  to->set_fenced(broker.fenced);
  for (const Uuid& id : broker.log_directories) to->add_log_directory_ids(BytesOf(id));
  Q_RETURN_IF_ERROR(out->Add(record));
  if (!broker.in_controlled_shutdown) return absl::OkStatus();
  pb::MetadataRecord change;  // a registration has no such field
  change.mutable_broker_change()->set_broker_id(broker.id.value());
  change.mutable_broker_change()->set_broker_epoch(broker.epoch.value());
  change.mutable_broker_change()->set_in_controlled_shutdown(true);
  return out->Add(change);
}

template <typename Field>
void FillReplicas(const ReplicaList& from, Field* to) {
  for (NodeId id : from) to->Add(id.value());
}

absl::Status WriteTopic(const TopicImage& topic, Writer* out) {
  pb::MetadataRecord record;
  record.mutable_topic()->set_name(topic.name);
  record.mutable_topic()->set_topic_id(BytesOf(topic.id));
  Q_RETURN_IF_ERROR(out->Add(record));
  for (const auto& [index, state] : topic.partitions) {
    pb::PartitionRecord* to = record.mutable_partition();
    to->Clear();
    to->set_topic_id(BytesOf(topic.id));
    to->set_partition(index.value());
    FillReplicas(state.replicas, to->mutable_replicas());
    FillReplicas(state.isr, to->mutable_isr());
    FillReplicas(state.elr, to->mutable_elr());
    FillReplicas(state.last_known_elr, to->mutable_last_known_elr());
    to->set_leader(state.leader.value());
    to->set_leader_epoch(state.leader_epoch.value());
    to->set_partition_epoch(state.partition_epoch.value());
    to->set_leader_recovering(state.leader_recovering);
    Q_RETURN_IF_ERROR(out->Add(record));
  }
  return absl::OkStatus();
}

absl::Status WriteConfigs(const ConfigResource& resource, const ConfigMap& configs, Writer* out) {
  for (const auto& [name, value] : configs) {
    pb::MetadataRecord record;
    pb::ConfigRecord* to = record.mutable_config();
    to->set_resource_type(static_cast<pb::ConfigRecord::ResourceType>(resource.type));
    to->set_resource_name(resource.name);
    to->set_name(name);
    to->set_value(value);
    Q_RETURN_IF_ERROR(out->Add(record));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status WriteImageRecords(const MetadataImage& image, size_t max_batch_bytes,
                               ImageRecordSink sink) {
  Writer out(max_batch_bytes, sink);
  // Features first: they may one day decide how the rest is read.
  for (const auto& [name, level] : image.features()) {
    pb::MetadataRecord record;
    record.mutable_feature_level()->set_name(name);
    record.mutable_feature_level()->set_level(level);
    Q_RETURN_IF_ERROR(out.Add(record));
  }
  for (const auto& [id, broker] : image.brokers()) Q_RETURN_IF_ERROR(WriteBroker(broker, &out));
  for (const auto& [id, topic] : image.topics()) Q_RETURN_IF_ERROR(WriteTopic(topic, &out));
  for (const auto& [resource, configs] : image.configs()) {
    Q_RETURN_IF_ERROR(WriteConfigs(resource, configs, &out));
  }
  if (image.next_producer_id() > ProducerId(0)) {
    pb::MetadataRecord record;
    record.mutable_producer_ids()->set_broker_id(-1);
    record.mutable_producer_ids()->set_broker_epoch(-1);
    record.mutable_producer_ids()->set_next_producer_id(image.next_producer_id().value());
    Q_RETURN_IF_ERROR(out.Add(record));
  }
  return out.Flush();
}

absl::Status ImageBuilder::Add(std::string_view record) {
  Q_RETURN_IF_ERROR(ReplayStateRecord(end_, count_, record, &image_));
  ++count_;
  return absl::OkStatus();
}

MetadataImage ImageBuilder::Take() && {
  AdvanceTo(end_, term_, &image_);
  return std::move(image_);
}

MetadataDelta DeltaBetween(const ImagePtr& previous, const MetadataImage& next) {
  MetadataDelta delta;
  delta.previous = previous;
  const MetadataImage& old = *previous;
  for (const auto& [id, broker] : old.brokers()) {
    if (next.FindBroker(id) == nullptr) delta.brokers.insert(id);
  }
  for (const auto& [id, broker] : next.brokers()) {
    const BrokerImage* before = old.FindBroker(id);
    if (before == nullptr || StateEntry(*before) != StateEntry(broker)) delta.brokers.insert(id);
  }
  for (const auto& [id, topic] : old.topics()) {
    if (next.FindTopic(id) == nullptr) delta.topics_deleted.insert(id);
  }
  for (const auto& [id, topic] : next.topics()) {
    const TopicImage* before = old.FindTopic(id);
    if (before == nullptr) delta.topics_created.insert(id);
    for (const auto& [index, state] : topic.partitions) {
      const PartitionState* was = before == nullptr ? nullptr : before->FindPartition(index);
      if (was == nullptr || *was != state) delta.partitions.insert({id, index});
    }
  }
  for (const auto& [resource, configs] : old.configs()) {
    if (!next.configs().contains(resource)) delta.configs.insert(resource);
  }
  for (const auto& [resource, configs] : next.configs()) {
    const ConfigMap* before = old.configs().Find(resource);
    if (before == nullptr || *before != configs) delta.configs.insert(resource);
  }
  delta.producer_ids = old.next_producer_id() != next.next_producer_id();
  for (const auto& [name, level] : old.features()) {
    if (!next.features().contains(name)) delta.features = true;
  }
  for (const auto& [name, level] : next.features()) {
    const int32_t* before = old.features().Find(name);
    if (before == nullptr || *before != level) delta.features = true;
  }
  return delta;
}

}  // namespace quorate
