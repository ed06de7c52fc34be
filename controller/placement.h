// controller/placement.h
//
// Where the replicas of new partitions go: leaders in turn over all brokers, the replicas of each
// partition over as many racks as there are.
//
// Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/ids.h"
#include "controller/image/metadata_image.h"

namespace quorate {

struct PlacementBroker {
  NodeId id;
  std::string rack;  // empty = none: such brokers are one rack
};

// Replicas of `partitions` new partitions, the preferred leader first. `start` turns the whole
// layout, so that topics of one partition do not all begin on the same broker.
// Each broker leads partitions / |brokers| of them, rounded up or down; the numbers of replicas in
// any two racks used by one partition differ by more than one only if a rack has no broker left.
// REQUIRES: partitions >= 0, replication_factor >= 1; brokers have different ids.
// ERRORS: kInvalidArgument, with both numbers, if there are fewer brokers than replicas.
absl::StatusOr<std::vector<ReplicaList>> PlaceReplicas(std::vector<PlacementBroker> brokers,
                                                       int32_t partitions,
                                                       int32_t replication_factor, uint64_t start);

}  // namespace quorate
