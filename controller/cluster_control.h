// controller/cluster_control.h
//
// ClusterControl decides about brokers: registration, broker epochs, fencing, controlled shutdown,
// producer id blocks. What it decides is in records; who is alive right now is in BrokerLeases.
//
// Thread-compatible: owned by the controller loop.
#pragma once

#include "absl/status/statusor.h"
#include "base/ids.h"
#include "controller/change_set.h"
#include "controller/controller_config.h"
#include "controller/replication_control.h"

namespace quorate {

namespace pb {
class CallerHeader;
class RegisterBrokerRequest;
}  // namespace pb

class ClusterControl {
 public:
  ClusterControl(const ControllerConfig* config, const ReplicationControl* replication)
      : config_(*config), replication_(*replication) {}

  // The one check of every message that acts for a broker (decision D11, invariant I21).
  // ERRORS: INCONSISTENT_CLUSTER_ID, BROKER_ID_NOT_REGISTERED, STALE_BROKER_EPOCH.
  absl::Status EpochGuard(const MetadataImage& image, const pb::CallerHeader& caller) const;
  // The same for calls that tools (broker id -1) may make too.
  absl::Status ClientGuard(const MetadataImage& image, const pb::CallerHeader& caller) const;

  // Registers a process as a broker, fenced at first; returns its broker epoch. Whatever an older
  // registration led or was in sync for ends; if it did not stop cleanly, or lost a log directory,
  // its replicas leave the ELRs too (scenarios B5, B15). A repeated request of the registered
  // process that changes nothing gets the same epoch again.
  // `alive`: the older registration's process is in touch with this controller.
  // ERRORS: INCONSISTENT_CLUSTER_ID, INVALID_REGISTRATION, DUPLICATE_BROKER_REGISTRATION.
  absl::StatusOr<BrokerEpoch> Register(const pb::RegisterBrokerRequest& request, bool alive,
                                       ChangeSet* changes) const;

  // Fences the broker and moves everything off it; nothing if it is fenced already.
  void Fence(NodeId broker, ChangeSet* changes) const;
  // Lets the broker in again and elects whoever can lead now; nothing if it is not fenced.
  void Unfence(NodeId broker, ChangeSet* changes) const;
  // Moves everything off a broker that wants to stop; nothing if that was done.
  void BeginShutdown(NodeId broker, ChangeSet* changes) const;
  // Does for brokers that cannot lead what a former controller may have left half done.
  void FinishRemovals(ChangeSet* changes) const;

  // Gives away the next `count` (> 0) producer ids; returns the first.
  ProducerId AllocateProducerIds(const pb::CallerHeader& caller, int32_t count,
                                 ChangeSet* changes) const;

 private:
  void SetFenced(const BrokerImage& broker, bool fenced, ChangeSet* changes) const;

  const ControllerConfig& config_;
  const ReplicationControl& replication_;
};

}  // namespace quorate
