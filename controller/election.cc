#include "controller/election.h"

#include <algorithm>

#include "proto/quorate/metadata.pb.h"

namespace quorate {
namespace {

// Makes ELR and last known ELR fit the ISR of `next`. `before` are the replicas that were in sync
// or eligible until now.
void SettleElr(const ReplicaList& before, const ReplicaList& lost, const ElectionRules& rules,
               PartitionState* next) {
  const size_t needed =
      std::min(static_cast<size_t>(std::max(rules.min_insync_replicas, 1)), next->replicas.size());
  ReplicaList elr;
  ReplicaList last_known;
  if (next->isr.size() < needed) {
    for (NodeId id : next->replicas) {
      if (Contains(next->isr, id)) continue;
      if (Contains(before, id) && !Contains(lost, id) && !rules.forget_eligible_replicas) {
        elr.push_back(id);
      } else if (Contains(before, id) || Contains(next->last_known_elr, id)) {
        last_known.push_back(id);
      }
    }
  }
  next->elr = std::move(elr);
  next->last_known_elr = std::move(last_known);
}

NodeId FirstThatCanLead(const ReplicaList& order, const ReplicaList& among,
                        const CanLead& can_lead) {
  for (NodeId id : order) {
    if (Contains(among, id) && can_lead(id)) return id;
  }
  return kNoNode;
}

// Picks the leader of `next`, whose ISR and ELR are settled; adjusts them to the pick.
void Elect(const ElectionRules& rules, const CanLead& can_lead, PartitionState* next) {
  next->leader = FirstThatCanLead(next->replicas, next->isr, can_lead);
  if (next->leader != kNoNode) return;
  const NodeId eligible = FirstThatCanLead(next->replicas, next->elr, can_lead);
  if (eligible != kNoNode) {
    ReplicaList before = next->isr;
    before.insert(before.end(), next->elr.begin(), next->elr.end());
    next->leader = eligible;
    next->isr = {eligible};
    SettleElr(before, {}, rules, next);
    return;
  }
  if (!rules.unclean) return;
  NodeId any = FirstThatCanLead(next->replicas, next->last_known_elr, can_lead);
  if (any == kNoNode) any = FirstThatCanLead(next->replicas, next->replicas, can_lead);
  if (any == kNoNode) return;
  next->leader = any;
  next->isr = {any};
  next->elr.clear();
  next->last_known_elr.clear();
  next->leader_recovering = true;
}

void Fill(const ReplicaList& from, pb::IntList* to) {
  for (NodeId id : from) to->add_values(id.value());
}

}  // namespace

ReplicaList Without(const ReplicaList& list, NodeId id) {
  ReplicaList out;
  for (NodeId member : list) {
    if (member != id) out.push_back(member);
  }
  return out;
}

ReplicaList InOrderOf(const ReplicaList& replicas, const ReplicaList& of) {
  ReplicaList out;
  for (NodeId id : replicas) {
    if (Contains(of, id)) out.push_back(id);
  }
  return out;
}

PartitionState Next(const PartitionState& old, const PartitionChange& change,
                    const ElectionRules& rules, const CanLead& can_lead) {
  PartitionState next = old;
  next.isr = InOrderOf(old.replicas, change.isr);
  for (NodeId id : change.lost) next.isr = Without(next.isr, id);
  if (change.recovered) next.leader_recovering = false;
  ReplicaList before = old.isr;
  before.insert(before.end(), old.elr.begin(), old.elr.end());
  SettleElr(before, change.lost, rules, &next);
  const NodeId first = next.replicas.front();
  if (change.prefer_first && first != next.leader && Contains(next.isr, first) && can_lead(first)) {
    next.leader = first;
  } else if (!Contains(next.isr, next.leader) || !can_lead(next.leader)) {
    Elect(rules, can_lead, &next);
  }
  if (next.leader != old.leader) ++next.leader_epoch;
  if (!(next == old)) ++next.partition_epoch;
  return next;
}

std::optional<pb::MetadataRecord> ChangeRecord(const TopicPartition& tp, const PartitionState& old,
                                               const PartitionState& next) {
  if (next == old) return std::nullopt;
  pb::MetadataRecord record;
  auto* out = record.mutable_partition_change();
  out->set_topic_id(tp.topic_id.ToBytes());
  out->set_partition(tp.partition.value());
  if (next.leader != old.leader) out->set_leader(next.leader.value());
  if (next.isr != old.isr) Fill(next.isr, out->mutable_isr());
  if (next.elr != old.elr) Fill(next.elr, out->mutable_elr());
  if (next.last_known_elr != old.last_known_elr) {
    Fill(next.last_known_elr, out->mutable_last_known_elr());
  }
  if (next.leader_recovering != old.leader_recovering) {
    out->set_leader_recovering(next.leader_recovering);
  }
  return record;
}

}  // namespace quorate
