// controller/election.h
//
// What becomes of a partition's leader, ISR and ELR when one of them has to change (KIP-966,
// decision D11).
//
// ISR, ELR and last known ELR in one picture, for replicas {1,2,3} and min.insync.replicas 2:
//
//   isr 1,2,3            elr -       all fine
//   isr 1,2              elr -       3 fell out; commits go on without it, it is not safe to elect
//   isr 1                elr 2       2 fell out; nothing commits from here, so 2 misses nothing
//   isr -                elr 1,2     1 fell out too; either may lead once it is back
//   isr -                elr 1       2 came back without a clean shutdown: last known elr 2
//
// Invariant kept: a fenced broker is in no ISR; ISR and ELR are disjoint; the leader is in the ISR.
//
// Pure.
#pragma once

#include <functional>
#include <optional>

#include "controller/image/metadata_image.h"

namespace quorate {

namespace pb {
class MetadataRecord;
}

// The topic's configs that matter here.
struct ElectionRules {
  int32_t min_insync_replicas = 1;
  bool unclean = false;                   // unclean.leader.election.enable
  bool forget_eligible_replicas = false;  // a simulated mistake (ControllerBugSwitches)
};

// May this broker lead and be in an ISR: registered, not fenced, not shutting down.
using CanLead = std::function<bool(NodeId)>;

// What is asked to change; everything else follows.
struct PartitionChange {
  ReplicaList isr;            // the new ISR, a subset of replicas
  ReplicaList lost;           // replicas that may lack committed records: they leave ISR and ELR
  bool recovered = false;     // the leader says it recovered from an unclean election
  bool prefer_first = false;  // the first replica takes over if it is in the ISR and can lead
};

// The partition after `change`: the leader stays if it still can, else the first replica that can
// lead, of the ISR, then of the ELR, then, if rules.unclean, of the last known ELR and of all
// replicas, else there is none. Epochs are raised as replay does. Equal to `old` if nothing
// changes.
PartitionState Next(const PartitionState& old, const PartitionChange& change,
                    const ElectionRules& rules, const CanLead& can_lead);

// The change record that leads from `old` to `next`, or nothing if they are equal.
std::optional<pb::MetadataRecord> ChangeRecord(const TopicPartition& tp, const PartitionState& old,
                                               const PartitionState& next);

// `list` without `id`.
ReplicaList Without(const ReplicaList& list, NodeId id);
// Members of `of` in the order of `replicas`.
ReplicaList InOrderOf(const ReplicaList& replicas, const ReplicaList& of);

}  // namespace quorate
