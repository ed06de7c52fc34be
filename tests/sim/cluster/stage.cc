#include "tests/sim/cluster/stage.h"

#include <algorithm>

#include "broker/broker.h"
#include "raft/raft_node.h"

namespace quorate::sim {

void Stage::RunFor(Micros time) {
  const MonoTime end = p_.world.now() + time;
  while (p_.world.now() < end && ok()) {
    p_.world.RunUntil(std::min(end, p_.world.now() + Millis(20)));
  }
}

bool Stage::Wait(const std::string& what, const std::function<bool()>& condition, Micros patience) {
  const MonoTime end = p_.world.now() + patience;
  while (ok() && !condition()) {
    if (p_.world.now() >= end) {
      p_.verdict.Add("scenario", "in vain waited for: " + what);
      return false;
    }
    p_.world.RunUntil(p_.world.now() + Millis(1));
  }
  return ok();
}

bool Stage::WaitForAllInSync() {
  return Wait("all replicas in sync", [this] { return p_.view.AllInSync(); });
}

void Stage::Expect(bool holds, const std::string& what) {
  if (!holds && ok()) p_.verdict.Add("scenario", "not so: " + what);
}

SimNode* Stage::ActiveController() {
  SimNode* active = nullptr;
  Term term(-1);
  for (const auto& node : p_.nodes) {
    if (!node->IsActiveController() || node->raft().leader().term <= term) continue;
    active = node.get();
    term = node->raft().leader().term;
  }
  return active;
}

TopicPartition Stage::Id(size_t partition) {
  image_ = p_.view.NewestImage();
  const PartitionName& name = p_.partitions[partition];
  const TopicImage* topic = image_ == nullptr ? nullptr : image_->FindTopicByName(name.topic);
  return {topic == nullptr ? Uuid() : topic->id, PartitionIndex(name.index)};
}

const PartitionState* Stage::State(size_t partition) {
  const TopicPartition id = Id(partition);
  return image_ == nullptr ? nullptr : image_->FindPartition(id);
}

SimNode* Stage::LeaderOf(size_t partition) {
  const PartitionState* state = State(partition);
  return state == nullptr ? nullptr : p_.view.NodeOf(state->leader);
}

SimNode* Stage::Follower(size_t partition) {
  const PartitionState* state = State(partition);
  if (state == nullptr) return nullptr;
  SimNode* second_best = nullptr;
  for (NodeId id : state->replicas) {
    SimNode* const node = p_.view.NodeOf(id);
    if (id == state->leader || !node->up()) continue;
    if (node != ActiveController()) return node;
    second_best = node;
  }
  return second_best;
}

std::optional<PartitionPositions> Stage::At(SimNode& node, size_t partition) {
  if (!node.up()) return std::nullopt;
  return node.broker().replicas().Positions(Id(partition));
}

bool Stage::InIsr(const SimNode& node, size_t partition) {
  const PartitionState* state = State(partition);
  return state != nullptr && Contains(state->isr, node.id());
}

int32_t Stage::QuorumTerm() {
  int32_t term = 0;
  for (const auto& node : p_.nodes) {
    if (node->up()) term = std::max(term, node->raft().leader().term.value());
  }
  return term;
}

uint64_t Stage::Acked() const {
  uint64_t acked = 0;
  for (const auto& producer : p_.producers) acked += producer->acked();
  return acked;
}

void Stage::CutBoth(const SimNode& a, const SimNode& b) {
  CutOneWay(a, b);
  CutOneWay(b, a);
}

void Stage::CutOneWay(const SimNode& from, const SimNode& to) {
  p_.log.Fault(0, "cut link", from.host() + " to " + to.host(),
               {from.id().value(), to.id().value()});
  p_.links.Cut(from.host(), to.host());
}

void Stage::Isolate(const SimNode& node) {
  for (const auto& other : p_.nodes) {
    if (other->id() != node.id()) CutBoth(node, *other);
  }
}

void Stage::Restart(SimNode& node, SimNode::End end, Micros after) {
  p_.log.Fault(0, end == SimNode::End::kProcess ? "process crash" : "machine crash", node.host(),
               {node.id().value()});
  node.Crash(end);
  node.StartLater(after);
}

void Stage::PauseProducers(bool paused) {
  for (const auto& producer : p_.producers) producer->Pause(paused);
}

void Stage::Hang(SimNode& node, Micros time) {
  p_.log.Fault(0, "pause", node.host(), {node.id().value()});
  node.Pause();
  if (time > Links::kPatience) {
    RunFor(Links::kPatience);
    node.TellPeersOfHang(p_.exchange);
    RunFor(time - Links::kPatience);
  } else {
    RunFor(time);
  }
  node.Resume();
}

}  // namespace quorate::sim
