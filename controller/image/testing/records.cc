#include "controller/image/testing/records.h"

#include <array>

#include "base/check.h"
#include "controller/image/replay.h"
#include "proto/quorate/metadata.pb.h"

namespace quorate::testing {

Uuid TestUuid(int n) {
  std::array<uint8_t, 16> bytes{};
  bytes[0] = 1;
  bytes[14] = static_cast<uint8_t>(n >> 8);
  bytes[15] = static_cast<uint8_t>(n);
  return Uuid(bytes);
}

std::string RegisterRecord(int broker, int64_t epoch, bool fenced, std::string rack) {
  pb::MetadataRecord out;
  auto* record = out.mutable_register_broker();
  record->set_broker_id(broker);
  record->set_incarnation_id(TestUuid(static_cast<int>(epoch)).ToBytes());
  record->set_broker_epoch(epoch);
  auto* listener = record->add_listeners();
  listener->set_name("PLAINTEXT");
  listener->set_host("host" + std::to_string(broker));
  listener->set_port(9092);
  listener->set_security_protocol("PLAINTEXT");
  *record->mutable_replication_listener() = *listener;
  record->mutable_replication_listener()->set_port(9094);
  record->set_rack(std::move(rack));
  record->set_fenced(fenced);
  record->add_log_directory_ids(TestUuid(1000 + broker).ToBytes());
  return out.SerializeAsString();
}

std::string UnregisterRecord(int broker, int64_t epoch) {
  pb::MetadataRecord out;
  out.mutable_unregister_broker()->set_broker_id(broker);
  out.mutable_unregister_broker()->set_broker_epoch(epoch);
  return out.SerializeAsString();
}

std::string FenceRecord(int broker, int64_t epoch, bool fenced) {
  pb::MetadataRecord out;
  auto* record = out.mutable_broker_change();
  record->set_broker_id(broker);
  record->set_broker_epoch(epoch);
  record->set_fenced(fenced);
  return out.SerializeAsString();
}

std::string TopicRecord(const std::string& name, const Uuid& id) {
  pb::MetadataRecord out;
  out.mutable_topic()->set_name(name);
  out.mutable_topic()->set_topic_id(id.ToBytes());
  return out.SerializeAsString();
}

std::string RemoveTopicRecord(const Uuid& id) {
  pb::MetadataRecord out;
  out.mutable_remove_topic()->set_topic_id(id.ToBytes());
  return out.SerializeAsString();
}

std::string PartitionRecord(const Uuid& topic, int partition, std::initializer_list<int> replicas) {
  pb::MetadataRecord out;
  auto* record = out.mutable_partition();
  record->set_topic_id(topic.ToBytes());
  record->set_partition(partition);
  for (int id : replicas) {
    record->add_replicas(id);
    record->add_isr(id);
  }
  record->set_leader(*replicas.begin());
  return out.SerializeAsString();
}

std::string IsrRecord(const Uuid& topic, int partition, std::initializer_list<int> isr,
                      int leader) {
  pb::MetadataRecord out;
  auto* record = out.mutable_partition_change();
  record->set_topic_id(topic.ToBytes());
  record->set_partition(partition);
  record->mutable_isr();
  for (int id : isr) record->mutable_isr()->add_values(id);
  if (leader != -2) record->set_leader(leader);
  return out.SerializeAsString();
}

namespace {
std::string Config(pb::ConfigRecord::ResourceType type, const std::string& resource,
                   const std::string& name, const std::string* value) {
  pb::MetadataRecord out;
  auto* record = out.mutable_config();
  record->set_resource_type(type);
  record->set_resource_name(resource);
  record->set_name(name);
  if (value != nullptr) record->set_value(*value);
  return out.SerializeAsString();
}
}  // namespace

std::string TopicConfigRecord(const std::string& topic, const std::string& name,
                              const std::string& value) {
  return Config(pb::ConfigRecord::TOPIC, topic, name, &value);
}

std::string BrokerConfigRecord(const std::string& name, const std::string& value) {
  return Config(pb::ConfigRecord::BROKER, "", name, &value);
}

std::string RemoveTopicConfigRecord(const std::string& topic, const std::string& name) {
  return Config(pb::ConfigRecord::TOPIC, topic, name, nullptr);
}

std::string ProducerIdsRecord(int64_t next) {
  pb::MetadataRecord out;
  out.mutable_producer_ids()->set_next_producer_id(next);
  return out.SerializeAsString();
}

std::string FeatureRecord(const std::string& name, int level) {
  pb::MetadataRecord out;
  out.mutable_feature_level()->set_name(name);
  out.mutable_feature_level()->set_level(level);
  return out.SerializeAsString();
}

MetadataImage ImageOf(const std::vector<std::string>& records) {
  MetadataImage image;
  for (const std::string& record : records) {
    const absl::Status status = Replay(image.index(), record, &image, nullptr);
    if (!status.ok()) internal::CheckFailed(__FILE__, __LINE__, "replay", status.ToString());
  }
  return image;
}

ReplicaList Replicas(std::initializer_list<int> ids) {
  ReplicaList out;
  for (int id : ids) out.push_back(NodeId(id));
  return out;
}

}  // namespace quorate::testing
