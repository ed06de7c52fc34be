// broker/replica/isr_updater.h
//
// IsrUpdater carries a leader's proposals for new in-sync replicas to the controller
// (AlterPartition, KIP-497, KIP-903). Implemented by the broker's controller channel, which
// batches.
//
// Owned by the data loop: Submit is called there and `done` runs there.
#pragma once

#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "base/ids.h"
#include "controller/image/metadata_image.h"

namespace quorate {

struct IsrMember {
  NodeId broker = kNoNode;
  // Of the fetches that proved it in sync; kNoBrokerEpoch for a member that is not new.
  BrokerEpoch epoch = kNoBrokerEpoch;
  bool operator==(const IsrMember&) const = default;
};

struct IsrProposal {
  TopicPartition partition;
  LeaderEpoch leader_epoch = kNoLeaderEpoch;
  PartitionEpoch partition_epoch = kNoPartitionEpoch;  // the state the proposal rests on
  std::vector<IsrMember> isr;
  bool leader_recovering = false;
};

struct IsrOutcome {
  // OK: the fields below are the partition's committed state.
  // With a Kafka error (proto/kafka/status_to_error.h): the controller refused. Fenced leader
  // epoch, invalid update version, unknown topic, ineligible replica, new leader elected and the
  // like are final for this proposal.
  // Any other (kUnavailable, kDeadlineExceeded, not the controller): unknown whether it was
  // carried out; the partition asks again.
  absl::Status status;
  NodeId leader = kNoNode;
  LeaderEpoch leader_epoch = kNoLeaderEpoch;
  std::vector<NodeId> isr;
  PartitionEpoch partition_epoch = kNoPartitionEpoch;
  bool leader_recovering = false;
};

class IsrUpdater {
 public:
  using Done = absl::AnyInvocable<void(const IsrOutcome&)>;
  virtual ~IsrUpdater() = default;

  // Sends `proposal`; `done` runs exactly once, later, never within the call, within a bounded time
  // (a lost call is a kDeadlineExceeded), unless the updater is destroyed first. The callee retries
  // nothing. A partition has one proposal under way, or another after a newer image made the first
  // one moot.
  virtual void Submit(IsrProposal proposal, Done done) = 0;
};

}  // namespace quorate
