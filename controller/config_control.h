// controller/config_control.h
//
// ConfigControl changes dynamic configs: those of topics, and on brokers and the cluster's default
// the broker synonyms of topic configs. Each resource of a request succeeds or fails on its own.
//
// Thread-compatible: owned by the controller loop.
#pragma once

#include "absl/status/status.h"
#include "controller/change_set.h"
#include "controller/replication_control.h"

namespace quorate {

namespace pb {
class AlterConfigsRequest;
class AlterConfigsRequest_Resource;
class AlterConfigsResponse;
}  // namespace pb

class ConfigControl {
 public:
  explicit ConfigControl(const ReplicationControl* replication) : replication_(*replication) {}

  // Fills one response entry per resource. What follows from a change of min.insync.replicas or
  // unclean.leader.election.enable (scenario B10) is in the same unit or right behind it.
  void Alter(const pb::AlterConfigsRequest& request, ChangeSet* changes,
             pb::AlterConfigsResponse* response) const;

 private:
  absl::Status AlterOne(const pb::AlterConfigsRequest_Resource& resource, ChangeSet* changes) const;

  const ReplicationControl& replication_;
};

}  // namespace quorate
