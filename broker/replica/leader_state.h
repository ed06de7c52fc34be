// broker/replica/leader_state.h
//
// LeaderState is what the leader of one partition knows of its replicas in one leader epoch: how
// far each got, who is in the ISR, which change of the ISR is proposed. From it follow the high
// watermark and the proposals.
//
//   maximal ISR = committed ISR + replicas that a pending proposal adds
//
// A proposal stays pending until its outcome is certain: committed, refused, or overtaken by a
// newer partition epoch. While it may have been carried out, whom it adds holds the high watermark
// back and whom it removes still does (scenario B8).
//
// Pure. Source: KIP-497, KIP-841, KIP-903, KIP-966; Kafka cluster/Partition.scala.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/functional/function_ref.h"
#include "base/clock.h"
#include "base/ids.h"
#include "broker/replica/bug_switches.h"
#include "broker/replica/isr_updater.h"
#include "controller/image/metadata_image.h"

namespace quorate {

// What the metadata image says of a broker.
struct BrokerView {
  BrokerEpoch epoch = kNoBrokerEpoch;  // of its registration; kNoBrokerEpoch = unknown broker
  bool active = false;                 // may join an ISR
  bool fenced = true;
};
using BrokerLookup = absl::FunctionRef<BrokerView(NodeId)>;

// What a follower's fetch did.
enum class FetchVerdict {
  kAccepted,
  kNotAReplica,       // it is not assigned
  kStaleBrokerEpoch,  // an older incarnation than the one known
};

// What to do after an AlterPartition's outcome.
enum class ProposalFate {
  kCommitted,  // the ISR changed
  kRefused,    // nothing is pending any more; propose again later, if still needed
  kUnknown,    // still pending: send pending() again after a pause
};

class LeaderState {
 public:
  // `epoch_start`: log end at the election. The ISR of `state` counts as caught up `now`.
  LeaderState(NodeId self, const TopicPartition& partition, const PartitionState& state,
              Offset epoch_start, Offset high_watermark, Micros lag_max, MonoTime now,
              const BugSwitches& bugs = {});

  // The image's state of the same leader epoch. Ignored if its partition epoch is not newer than
  // the committed one, except for the replicas. A newer one ends what is pending.
  void Update(const PartitionState& state, MonoTime now);

  // A follower holds everything below `fetch_offset`. `leader_end`: our log end now.
  FetchVerdict RecordFetch(NodeId replica, BrokerEpoch epoch, Offset fetch_offset,
                           Offset leader_end, MonoTime now, BrokerLookup brokers);

  // The log is about to grow from `end`: who holds all below it was in sync until now.
  void OnAppend(Offset end, MonoTime now);

  // Raises the high watermark as far as the replicas allow; true if it moved. `own_end`: what this
  // broker counts as held (flushed end at flush-before-ack, else log end); `leader_end`: log end.
  bool AdvanceHighWatermark(Offset own_end, Offset leader_end, int32_t min_isr, MonoTime now,
                            BrokerLookup brokers);

  // The change of the ISR that is due, if any and none is pending: it becomes pending.
  std::optional<IsrProposal> MaybePropose(Offset leader_end, MonoTime now, BrokerLookup brokers);

  // Takes the outcome of pending(). REQUIRES: has_pending() unless the outcome is stale.
  ProposalFate OnOutcome(const IsrProposal& proposal, const IsrOutcome& outcome, MonoTime now);

  // When the first replica that lags will have lagged too long: a member of the ISR (maybe in the
  // past), or another that still holds the high watermark back; nullopt if there is none.
  std::optional<MonoTime> NextLagCheck(Offset leader_end, MonoTime now) const;

  // Enough in-sync replicas for acks=all.
  bool HasMinIsr(int32_t min_isr) const {
    return static_cast<int64_t>(isr_.size()) >= static_cast<int64_t>(min_isr);
  }

  Offset high_watermark() const { return high_watermark_; }
  Offset epoch_start() const { return epoch_start_; }
  LeaderEpoch leader_epoch() const { return leader_epoch_; }
  PartitionEpoch partition_epoch() const { return partition_epoch_; }
  const std::vector<NodeId>& isr() const { return isr_; }
  size_t replica_count() const { return replicas_.size() + 1; }
  // Exclusive of this broker; nullopt if not a replica. kNoOffset: nothing heard in this epoch.
  std::optional<Offset> ReplicaEnd(NodeId replica) const;
  bool InIsr(NodeId broker) const;
  bool InMaximalIsr(NodeId broker) const;
  const std::optional<IsrProposal>& pending() const { return pending_; }
  bool leader_recovering() const { return leader_recovering_; }

 private:
  // A remote replica.
  struct Replica {
    NodeId id = kNoNode;
    BrokerEpoch epoch = kNoBrokerEpoch;  // of its last fetch
    Offset end = kNoOffset;              // holds all below; kNoOffset: no fetch yet
    MonoTime caught_up;                  // last time known to hold all we had; zero: never
    MonoTime last_fetch;
    Offset leader_end_then = kNoOffset;  // our log end at its last fetch
  };

  Replica* Find(NodeId id);
  const Replica* Find(NodeId id) const;
  bool IsCaughtUp(const Replica& replica, Offset leader_end, MonoTime now) const;
  bool MayJoin(const Replica& replica, BrokerLookup brokers) const;
  void SetReplicas(const PartitionState& state, MonoTime now);

  const NodeId self_;
  const TopicPartition partition_;
  const LeaderEpoch leader_epoch_;
  const Offset epoch_start_;
  const Micros lag_max_;
  const BugSwitches bugs_;
  Offset high_watermark_;
  PartitionEpoch partition_epoch_;
  bool leader_recovering_;
  std::vector<NodeId> isr_;  // committed
  std::vector<Replica> replicas_;
  std::optional<IsrProposal> pending_;
};

}  // namespace quorate
