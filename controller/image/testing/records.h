// controller/image/testing/records.h
//
// Short ways to write metadata records in tests.
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include "base/uuid.h"
#include "controller/image/metadata_image.h"

namespace quorate::testing {

// An id that differs for each `n`.
Uuid TestUuid(int n);

// Each is a serialised pb::MetadataRecord.
std::string RegisterRecord(int broker, int64_t epoch, bool fenced = false, std::string rack = "");
std::string UnregisterRecord(int broker, int64_t epoch);
std::string FenceRecord(int broker, int64_t epoch, bool fenced);
std::string TopicRecord(const std::string& name, const Uuid& id);
std::string RemoveTopicRecord(const Uuid& id);
// All replicas in the ISR, the first leads.
std::string PartitionRecord(const Uuid& topic, int partition, std::initializer_list<int> replicas);
// Only the ISR and, unless -2, the leader.
std::string IsrRecord(const Uuid& topic, int partition, std::initializer_list<int> isr,
                      int leader = -2);
std::string TopicConfigRecord(const std::string& topic, const std::string& name,
                              const std::string& value);
// Of the cluster's default broker config.
std::string BrokerConfigRecord(const std::string& name, const std::string& value);
std::string RemoveTopicConfigRecord(const std::string& topic, const std::string& name);
std::string ProducerIdsRecord(int64_t next);
std::string FeatureRecord(const std::string& name, int level);

// The image these records make, from index 0 on. Aborts if one cannot be replayed.
MetadataImage ImageOf(const std::vector<std::string>& records);

ReplicaList Replicas(std::initializer_list<int> ids);

}  // namespace quorate::testing
