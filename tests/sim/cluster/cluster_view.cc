#include "tests/sim/cluster/cluster_view.h"

#include "absl/strings/str_format.h"
#include "broker/broker.h"

namespace quorate::sim {

ImagePtr ClusterView::NewestImage() const {
  ImagePtr newest;
  for (const auto& node : nodes_) {
    if (!node->up()) continue;
    const ImagePtr& image = node->broker().images().image();
    if (newest == nullptr || image->index() > newest->index()) newest = image;
  }
  return newest;
}

SimNode* ClusterView::NodeOf(NodeId id) const {
  for (const auto& node : nodes_) {
    if (node->id() == id) return node.get();
  }
  return nullptr;
}

bool ClusterView::AllInSync() const {
  const ImagePtr image = NewestImage();
  if (image == nullptr) return false;
  for (const auto& node : nodes_) {
    // The image must know of this very process: an ISR may name a dead one for a while.
    const BrokerImage* broker = image->FindBroker(node->id());
    if (!node->up() || broker == nullptr || broker->fenced ||
        broker->epoch != node->broker().epoch()) {
      return false;
    }
  }
  for (const PartitionName& name : partitions_) {
    const TopicImage* topic = image->FindTopicByName(name.topic);
    if (topic == nullptr) return false;
    const PartitionState* state = topic->FindPartition(PartitionIndex(name.index));
    if (state == nullptr || state->isr.size() != state->replicas.size()) return false;
  }
  return true;
}

SimNode* ClusterView::LeaderOfSome(Random& random) const {
  const ImagePtr image = NewestImage();
  if (image == nullptr) return nullptr;
  const PartitionName& name = partitions_[random.Below(partitions_.size())];
  const TopicImage* topic = image->FindTopicByName(name.topic);
  if (topic == nullptr) return nullptr;
  const PartitionState* state = topic->FindPartition(PartitionIndex(name.index));
  return state == nullptr ? nullptr : NodeOf(state->leader);
}

std::string ClusterView::MissingOf(const PartitionName& name, const TopicPartition& tp,
                                   const PartitionState& state) const {
  if (state.leader == kNoNode) return name.ToString() + " has no leader";
  if (state.isr.size() != state.replicas.size()) {
    std::string isr;
    for (NodeId id : state.isr) isr += " " + std::to_string(id.value());
    return absl::StrFormat("the ISR of %s, led by node %d, is%s", name.ToString(),
                           state.leader.value(), isr);
  }
  const auto of_leader = NodeOf(state.leader)->broker().replicas().Positions(tp);
  if (!of_leader || !of_leader->is_leader) {
    return absl::StrFormat("node %d does not lead %s yet", state.leader.value(), name.ToString());
  }
  for (NodeId replica : state.replicas) {
    SimNode* const node = NodeOf(replica);
    const auto at = node->broker().replicas().Positions(tp);
    if (!at || at->high_watermark != of_leader->end_offset ||
        at->end_offset != of_leader->end_offset) {
      return absl::StrFormat("%s on %s is at %d (high watermark %d), its leader at %d",
                             name.ToString(), node->host(), at ? at->end_offset.value() : -1,
                             at ? at->high_watermark.value() : -1, of_leader->end_offset.value());
    }
  }
  return "";
}

std::string ClusterView::WhatIsMissing() const {
  for (const auto& node : nodes_) {
    if (!node->up()) return node->host() + " is down";
    if (!node->broker().active()) return node->host() + " is fenced";
  }
  const ImagePtr image = NewestImage();
  for (const auto& node : nodes_) {
    if (node->broker().images().image()->index() != image->index()) {
      return absl::StrFormat("%s has the metadata up to %d, others up to %d", node->host(),
                             node->broker().images().image()->index().value(),
                             image->index().value());
    }
  }
  for (const PartitionName& name : partitions_) {
    const TopicImage* topic = image->FindTopicByName(name.topic);
    if (topic == nullptr) return name.topic + " is gone";
    const PartitionState* state = topic->FindPartition(PartitionIndex(name.index));
    if (state == nullptr) return name.ToString() + " is gone";
    std::string missing = MissingOf(name, {topic->id, PartitionIndex(name.index)}, *state);
    if (!missing.empty()) return missing;
  }
  return "";
}

}  // namespace quorate::sim
