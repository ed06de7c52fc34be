// controller/replication_control.h
//
// ReplicationControl decides leaders and in-sync replicas. Its methods add records to a ChangeSet;
// each partition is a unit of its own, so that a broker of many partitions never exceeds a batch.
//
// Thread-compatible: owned by the controller loop.
#pragma once

#include <vector>

#include "base/ids.h"
#include "controller/change_set.h"
#include "controller/controller_config.h"
#include "controller/election.h"
#include "controller/partition_lookup.h"

namespace quorate {

namespace pb {
class AlterPartitionRequest;
class AlterPartitionResponse;
class AlterPartitionRequest_Partition;
}  // namespace pb

class ReplicationControl {
 public:
  // `lookup` stands for the speculative image, from which every ChangeSet starts.
  ReplicationControl(const ControllerConfig* config, const PartitionLookup* lookup)
      : config_(*config), lookup_(*lookup) {}

  // How a broker comes to leave the ISRs.
  enum class Leaving {
    kFenced,      // dead, hung or shutting down; its data is still what it was
    kUnclean,     // came back without a clean shutdown: may lack an unflushed tail
    kDiskChanged  // came back with other log directories: lacks everything
  };
  // `broker`, which changes.image() shows as not able to lead, gives up its leaderships and its
  // places in ISRs. With kUnclean it also leaves the ELRs, except where no other replica is in
  // sync or eligible: there it is the best that is left. With kDiskChanged there is no exception.
  void RemoveBroker(NodeId broker, Leaving leaving, ChangeSet* changes) const;

  // Elects leaders for leaderless partitions where someone can lead. For a broker that came back,
  // a config that allows more, a new term.
  void ElectLeaders(ChangeSet* changes) const;

  // Gives leadership back to preferred replicas that are in the ISR and can lead; of at most
  // `limit` partitions.
  void ElectPreferred(int32_t limit, ChangeSet* changes) const;

  // The effective min.insync.replicas or unclean.leader.election.enable of these topics changed:
  // drops ELRs that stopped being true (a smaller minimum lets commits go on without them), and
  // elects. `topic` null: the cluster's default changed.
  void ConfigsChanged(const TopicImage* topic, ChangeSet* changes) const;

  // KIP-497. The caller's broker epoch is checked already. Fills one response entry per partition:
  // an error, or the state after the change.
  void AlterPartitions(const pb::AlterPartitionRequest& request, ChangeSet* changes,
                       pb::AlterPartitionResponse* response) const;

  ElectionRules RulesFor(const MetadataImage& image, const std::string& topic) const;

 private:
  // Brings `tp` to what `change` leads to; true if that added a record.
  bool Update(const TopicPartition& tp, const PartitionState& old, const PartitionChange& change,
              ChangeSet* changes) const;
  absl::Status CheckProposal(const MetadataImage& image, NodeId caller,
                             const pb::AlterPartitionRequest_Partition& proposal) const;

  const ControllerConfig& config_;
  const PartitionLookup& lookup_;
};

}  // namespace quorate
