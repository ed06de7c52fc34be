// controller/image/metadata_image.h
//
// MetadataImage is the state of the cluster at one index of the metadata log: brokers, topics with
// their partitions, configs, producer ids, features. It is the fold of all records before that
// index, made by Replay (replay.h) and by nothing else.
//
// An image is a value whose copies share structure (decision D7): copying one is O(1). What nodes
// hand around is a std::shared_ptr<const MetadataImage>, which any thread may read. Pointers that
// the Find functions return are valid while the image lives.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "base/ids.h"
#include "base/persistent_map.h"
#include "base/uuid.h"
#include "controller/image/state_hash.h"

namespace quorate {

// Broker ids, mostly three; no duplicates.
using ReplicaList = absl::InlinedVector<NodeId, 4>;

bool Contains(const ReplicaList& list, NodeId id);

// Where a broker can be reached, as registered.
struct BrokerListener {
  std::string name;  // "PLAINTEXT"
  std::string host;
  int32_t port = 0;
  std::string security_protocol;
  bool operator==(const BrokerListener&) const = default;
};

// A broker's current registration. A broker that has stopped stays registered, fenced.
struct BrokerImage {
  NodeId id = kNoNode;
  Uuid incarnation;  // random id of the process
  BrokerEpoch epoch = kNoBrokerEpoch;
  std::vector<BrokerListener> listeners;  // for clients
  BrokerListener replication_listener;    // for followers' fetches
  std::string rack;                       // empty = none
  bool fenced = true;                     // clients do not see it, it leads nothing
  bool in_controlled_shutdown = false;    // leads nothing, joins no ISR
  std::vector<Uuid> log_directories;

  // May lead and may join an ISR.
  bool IsActive() const { return !fenced && !in_controlled_shutdown; }
  const BrokerListener* FindListener(std::string_view name) const;
};

// Invariants: isr and elr are disjoint subsets of replicas; leader is in isr or kNoNode.
struct PartitionState {
  ReplicaList replicas;        // first = preferred leader
  ReplicaList isr;             // in-sync replicas, in the order of replicas
  ReplicaList elr;             // eligible leader replicas: safe to elect though out of the ISR
  ReplicaList last_known_elr;  // last resort, not safe
  NodeId leader = kNoNode;     // kNoNode = none
  LeaderEpoch leader_epoch{0};
  PartitionEpoch partition_epoch{0};
  bool leader_recovering = false;  // elected uncleanly, has not said yet that it recovered

  bool operator==(const PartitionState&) const = default;
};

struct TopicImage {
  Uuid id;
  std::string name;
  PersistentMap<PartitionIndex, PartitionState> partitions;  // 0 .. size - 1

  const PartitionState* FindPartition(PartitionIndex index) const { return partitions.Find(index); }
};

// Names a partition of the cluster.
struct TopicPartition {
  Uuid topic_id;
  PartitionIndex partition;
  auto operator<=>(const TopicPartition&) const = default;
  template <typename H>
  friend H AbslHashValue(H h, const TopicPartition& tp) {
    return H::combine(std::move(h), tp.topic_id, tp.partition);
  }
};

// Values as in pb::ConfigRecord::ResourceType and in Kafka's config requests.
enum class ConfigResourceType : int8_t { kUnknown = 0, kTopic = 2, kBroker = 4 };

struct ConfigResource {
  ConfigResourceType type = ConfigResourceType::kUnknown;
  std::string name;  // topic name or broker id; empty = the default of that type
  auto operator<=>(const ConfigResource&) const = default;
};

// Keys set on one resource, with their values; never empty.
using ConfigMap = std::map<std::string, std::string, std::less<>>;

class MetadataImage {
 public:
  // The empty image, at index 0.
  MetadataImage() = default;

  // The image holds the effect of every record before this index (exclusive).
  LogIndex index() const { return index_; }
  // Term of the last batch in it.
  Term term() const { return term_; }
  // Of everything below but not of index and term.
  const StateHash& hash() const { return hash_; }

  const PersistentMap<NodeId, BrokerImage>& brokers() const { return brokers_; }
  const BrokerImage* FindBroker(NodeId id) const { return brokers_.Find(id); }
  // Registered and not fenced.
  bool IsUnfenced(NodeId id) const;

  const PersistentMap<Uuid, TopicImage>& topics() const { return topics_; }
  const PersistentMap<std::string, Uuid>& topic_ids() const { return topic_ids_; }  // by name
  const TopicImage* FindTopic(const Uuid& id) const { return topics_.Find(id); }
  const TopicImage* FindTopicByName(std::string_view name) const;
  const PartitionState* FindPartition(const Uuid& topic_id, PartitionIndex partition) const;
  const PartitionState* FindPartition(const TopicPartition& tp) const {
    return FindPartition(tp.topic_id, tp.partition);
  }
  // Of all topics.
  int64_t partition_count() const { return partition_count_; }

  const PersistentMap<ConfigResource, ConfigMap>& configs() const { return configs_; }
  // What is set on exactly this resource; nullptr if nothing is.
  const ConfigMap* FindConfigs(ConfigResourceType type, std::string_view name) const;
  // The value set on exactly this resource; nullptr if it is not set.
  const std::string* FindConfig(ConfigResourceType type, std::string_view name,
                                std::string_view key) const;

  // First id that was not given away.
  ProducerId next_producer_id() const { return next_producer_id_; }
  const PersistentMap<std::string, int32_t>& features() const { return features_; }

 private:
  friend class Replayer;  // replay.cc

  LogIndex index_{0};
  Term term_{0};
  StateHash hash_;
  PersistentMap<NodeId, BrokerImage> brokers_;
  PersistentMap<Uuid, TopicImage> topics_;
  PersistentMap<std::string, Uuid> topic_ids_;
  int64_t partition_count_ = 0;
  PersistentMap<ConfigResource, ConfigMap> configs_;
  ProducerId next_producer_id_{0};
  PersistentMap<std::string, int32_t> features_;
};

using ImagePtr = std::shared_ptr<const MetadataImage>;

}  // namespace quorate
