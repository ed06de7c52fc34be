// tests/sim/cluster/cluster_view.h
//
// ClusterView answers questions about all nodes of a run at one moment: is every replica in sync,
// who leads, what is missing until the cluster is well.
//
// Reads only.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "controller/image/metadata_image.h"
#include "tests/sim/clients/record_name.h"
#include "tests/sim/cluster/sim_node.h"

namespace quorate::sim {

class ClusterView {
 public:
  ClusterView(const std::vector<std::unique_ptr<SimNode>>& nodes,
              const std::vector<PartitionName>& partitions)
      : nodes_(nodes), partitions_(partitions) {}

  // Of all nodes that are up; nullptr if none is.
  ImagePtr NewestImage() const;
  // nullptr if there is no such node.
  SimNode* NodeOf(NodeId id) const;
  // Every node is up, known as this very process and active, and every ISR is full.
  bool AllInSync() const;
  // The leader of a random partition; nullptr if it has none.
  SimNode* LeaderOfSome(Random& random) const;
  // Leaders, full ISRs, all nodes at the same state, all replicas at their leader's end. Says what
  // is missing, or "" if it is well.
  std::string WhatIsMissing() const;

 private:
  std::string MissingOf(const PartitionName& name, const TopicPartition& tp,
                        const PartitionState& state) const;

  const std::vector<std::unique_ptr<SimNode>>& nodes_;
  const std::vector<PartitionName>& partitions_;
};

}  // namespace quorate::sim
