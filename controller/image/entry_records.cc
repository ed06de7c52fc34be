#include "controller/image/entry_records.h"

#include "proto/quorate/metadata.pb.h"

namespace quorate {
namespace {

std::string BytesOf(const Uuid& id) {
  return {reinterpret_cast<const char*>(id.bytes().data()), id.bytes().size()};
}

void FillListener(const BrokerListener& from, pb::ListenerEndpoint* to) {
  to->set_name(from.name);
  to->set_host(from.host);
  to->set_port(from.port);
  to->set_security_protocol(from.security_protocol);
}

template <typename Field>
void FillReplicas(const ReplicaList& from, Field* to) {
  for (NodeId id : from) to->Add(id.value());
}

}  // namespace

std::vector<std::string> RecordsOf(const BrokerImage& broker) {
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
  std::vector<std::string> records = {record.SerializeAsString()};
  if (broker.in_controlled_shutdown) {  // a registration has no such field
    pb::MetadataRecord change;
    change.mutable_broker_change()->set_broker_id(broker.id.value());
    change.mutable_broker_change()->set_broker_epoch(broker.epoch.value());
    change.mutable_broker_change()->set_in_controlled_shutdown(true);
    records.push_back(change.SerializeAsString());
  }
  return records;
}

std::string RecordOf(const TopicImage& topic) {
  pb::MetadataRecord record;
  record.mutable_topic()->set_name(topic.name);
  record.mutable_topic()->set_topic_id(BytesOf(topic.id));
  return record.SerializeAsString();
}

std::string RecordOf(const Uuid& topic, PartitionIndex index, const PartitionState& state) {
  pb::MetadataRecord record;
  pb::PartitionRecord* to = record.mutable_partition();
  to->set_topic_id(BytesOf(topic));
  to->set_partition(index.value());
  FillReplicas(state.replicas, to->mutable_replicas());
  FillReplicas(state.isr, to->mutable_isr());
  FillReplicas(state.elr, to->mutable_elr());
  FillReplicas(state.last_known_elr, to->mutable_last_known_elr());
  to->set_leader(state.leader.value());
  to->set_leader_epoch(state.leader_epoch.value());
  to->set_partition_epoch(state.partition_epoch.value());
  to->set_leader_recovering(state.leader_recovering);
  return record.SerializeAsString();
}

std::string RecordOf(const ConfigResource& resource, std::string_view key, std::string_view value) {
  pb::MetadataRecord record;
  pb::ConfigRecord* to = record.mutable_config();
  to->set_resource_type(static_cast<pb::ConfigRecord::ResourceType>(resource.type));
  to->set_resource_name(resource.name);
  to->set_name(std::string(key));
  to->set_value(std::string(value));
  return record.SerializeAsString();
}

std::string RecordOfProducerIds(ProducerId next) {
  pb::MetadataRecord record;
  record.mutable_producer_ids()->set_broker_id(-1);
  record.mutable_producer_ids()->set_broker_epoch(-1);
  record.mutable_producer_ids()->set_next_producer_id(next.value());
  return record.SerializeAsString();
}

std::string RecordOfFeature(std::string_view name, int32_t level) {
  pb::MetadataRecord record;
  record.mutable_feature_level()->set_name(std::string(name));
  record.mutable_feature_level()->set_level(level);
  return record.SerializeAsString();
}

}  // namespace quorate
