#include "broker/replica/leader_state.h"

#include <algorithm>

#include "base/check.h"
#include "proto/kafka/status_to_error.h"

namespace quorate {
namespace {

using kafka::KafkaError;

bool Holds(const std::vector<NodeId>& list, NodeId id) {
  return std::find(list.begin(), list.end(), id) != list.end();
}

// The controller certainly did not carry the proposal out, and did not carry out an earlier copy of
// it either.
bool IsRefusal(KafkaError error) {
  return error == KafkaError::kIneligibleReplica || error == KafkaError::kOperationNotAttempted;
}

}  // namespace

LeaderState::LeaderState(NodeId self, const TopicPartition& partition, const PartitionState& state,
                         Offset epoch_start, Offset high_watermark, Micros lag_max, MonoTime now,
                         const BugSwitches& bugs)
    : self_(self),
      partition_(partition),
      leader_epoch_(state.leader_epoch),
      epoch_start_(epoch_start),
      lag_max_(lag_max),
      bugs_(bugs),
      high_watermark_(high_watermark),
      partition_epoch_(state.partition_epoch),
      leader_recovering_(state.leader_recovering) {
  SetReplicas(state, now);
  isr_.assign(state.isr.begin(), state.isr.end());
}

void LeaderState::SetReplicas(const PartitionState& state, MonoTime now) {
  std::vector<Replica> next;
  next.reserve(state.replicas.size());
  for (const NodeId id : state.replicas) {
    if (id == self_) continue;
    if (const Replica* known = Find(id)) {
      next.push_back(*known);
      continue;
    }
    Replica& added = next.emplace_back();
    added.id = id;
    if (Contains(state.isr, id)) added.caught_up = now;
  }
  replicas_ = std::move(next);
}

void LeaderState::Update(const PartitionState& state, MonoTime now) {
  QCHECK_EQ(state.leader_epoch, leader_epoch_);
  if (state.partition_epoch < partition_epoch_) return;
  SetReplicas(state, now);
  if (state.partition_epoch == partition_epoch_) return;
  partition_epoch_ = state.partition_epoch;
  leader_recovering_ = state.leader_recovering;
  isr_.assign(state.isr.begin(), state.isr.end());
  pending_.reset();
}

LeaderState::Replica* LeaderState::Find(NodeId id) {
  for (Replica& replica : replicas_) {
    if (replica.id == id) return &replica;
  }
  return nullptr;
}

const LeaderState::Replica* LeaderState::Find(NodeId id) const {
  return const_cast<LeaderState*>(this)->Find(id);
}

FetchVerdict LeaderState::RecordFetch(NodeId id, BrokerEpoch epoch, Offset fetch_offset,
                                      Offset leader_end, MonoTime now, BrokerLookup brokers) {
  Replica* replica = Find(id);
  if (replica == nullptr) return FetchVerdict::kNotAReplica;
  if (epoch < replica->epoch || epoch < brokers(id).epoch) return FetchVerdict::kStaleBrokerEpoch;
  if (epoch > replica->epoch) {
    // Another incarnation: what the last one held says nothing of this one.
    const bool first = replica->epoch == kNoBrokerEpoch;
    replica->epoch = epoch;
    replica->end = kNoOffset;
    replica->leader_end_then = kNoOffset;
    if (!first) replica->caught_up = MonoTime();
  }
  // A fetch beyond our end is about to be told where it diverges; it holds no more than we do.
  if (fetch_offset > leader_end) return FetchVerdict::kAccepted;
  if (fetch_offset >= leader_end) {
    replica->caught_up = now;
  } else if (replica->leader_end_then != kNoOffset && fetch_offset >= replica->leader_end_then) {
    replica->caught_up = std::max(replica->caught_up, replica->last_fetch);
  }
  replica->end = fetch_offset;
  replica->last_fetch = now;
  replica->leader_end_then = leader_end;
  return FetchVerdict::kAccepted;
}

void LeaderState::OnAppend(Offset end, MonoTime now) {
  for (Replica& replica : replicas_) {
    if (replica.end == end) replica.caught_up = now;
  }
}

bool LeaderState::IsCaughtUp(const Replica& replica, Offset leader_end, MonoTime now) const {
  if (replica.end == leader_end) return true;
  return replica.caught_up != MonoTime() && now - replica.caught_up <= lag_max_;
}

bool LeaderState::MayJoin(const Replica& replica, BrokerLookup brokers) const {
  const BrokerView broker = brokers(replica.id);
  return (broker.active || bugs_.propose_fenced_members) &&
         (replica.epoch == broker.epoch || bugs_.ignore_broker_epochs);
}

bool LeaderState::AdvanceHighWatermark(Offset own_end, Offset leader_end, int32_t min_isr,
                                       MonoTime now, BrokerLookup brokers) {
  const int64_t needed = std::min<int64_t>(min_isr, static_cast<int64_t>(replica_count()));
  if (static_cast<int64_t>(isr_.size()) < needed && !bugs_.ignore_min_isr) return false;
  Offset next = own_end;
  for (const Replica& replica : replicas_) {
    if (replica.end >= next) continue;
    const bool counts = InMaximalIsr(replica.id) ||
                        (replica.end != kNoOffset && IsCaughtUp(replica, leader_end, now) &&
                         MayJoin(replica, brokers));
    if (counts) next = replica.end;
  }
  if (next <= high_watermark_) return false;
  high_watermark_ = next;
  return true;
}

std::optional<IsrProposal> LeaderState::MaybePropose(Offset leader_end, MonoTime now,
                                                     BrokerLookup brokers) {
  if (pending_.has_value()) return std::nullopt;
  IsrProposal proposal;
  bool changed = leader_recovering_;  // an unclean leader says that it has recovered
  for (const NodeId member : isr_) {
    if (member != self_) {
      const Replica* replica = Find(member);
      const bool lags = replica == nullptr ||
                        (brokers(member).fenced && !bugs_.propose_fenced_members) ||
                        !IsCaughtUp(*replica, leader_end, now);
      if (lags) {
        changed = true;
        continue;
      }
    }
    proposal.isr.push_back(IsrMember{member, kNoBrokerEpoch});
  }
  for (const Replica& replica : replicas_) {
    const bool reached = replica.end >= epoch_start_ || bugs_.join_before_epoch_start;
    if (InIsr(replica.id) || !reached || replica.end < high_watermark_) continue;
    // Whoever lags would be put out again at once.
    const bool caught_up = IsCaughtUp(replica, leader_end, now) || bugs_.join_before_epoch_start;
    if (!MayJoin(replica, brokers) || !caught_up) continue;
    proposal.isr.push_back(IsrMember{replica.id, replica.epoch});
    changed = true;
  }
  if (!changed) return std::nullopt;
  proposal.partition = partition_;
  proposal.leader_epoch = leader_epoch_;
  proposal.partition_epoch = partition_epoch_;
  pending_ = proposal;
  return proposal;
}

ProposalFate LeaderState::OnOutcome(const IsrProposal& proposal, const IsrOutcome& outcome,
                                    MonoTime now) {
  // Overtaken by the image, or of another epoch.
  if (!pending_.has_value() || pending_->partition_epoch != proposal.partition_epoch ||
      proposal.leader_epoch != leader_epoch_) {
    return ProposalFate::kRefused;
  }
  if (!outcome.status.ok()) {
    if (!IsRefusal(kafka::ErrorFor(outcome.status))) return ProposalFate::kUnknown;
    pending_.reset();
    return ProposalFate::kRefused;
  }
  if (outcome.leader_epoch != leader_epoch_ || outcome.partition_epoch < partition_epoch_) {
    return ProposalFate::kUnknown;  // the image will tell
  }
  partition_epoch_ = outcome.partition_epoch;
  leader_recovering_ = outcome.leader_recovering;
  for (const NodeId member : outcome.isr) {
    Replica* replica = Find(member);
    if (replica != nullptr && !InIsr(member)) replica->caught_up = now;
  }
  isr_ = outcome.isr;
  pending_.reset();
  return ProposalFate::kCommitted;
}

std::optional<MonoTime> LeaderState::NextLagCheck(Offset leader_end, MonoTime now) const {
  std::optional<MonoTime> first;
  for (const Replica& replica : replicas_) {
    if (replica.end == leader_end) continue;
    const MonoTime due = replica.caught_up + lag_max_ + Micros(1);
    if (!InIsr(replica.id) && due <= now) continue;
    if (!first.has_value() || due < *first) first = due;
  }
  return first;
}

std::optional<Offset> LeaderState::ReplicaEnd(NodeId id) const {
  const Replica* replica = Find(id);
  if (replica == nullptr) return std::nullopt;
  return replica->end;
}

bool LeaderState::InIsr(NodeId broker) const { return Holds(isr_, broker); }

bool LeaderState::InMaximalIsr(NodeId broker) const {
  if (InIsr(broker)) return true;
  if (!pending_.has_value()) return false;
  for (const IsrMember& member : pending_->isr) {
    if (member.broker == broker) return true;
  }
  return false;
}

}  // namespace quorate
