#include "tests/sim/cluster/excess.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "broker/broker.h"
#include "tests/sim/cluster/rot.h"

namespace quorate::sim {

Excess::Excess(const FaultTargets& targets, const std::vector<PartitionName>& partitions)
    : targets_(targets),
      partitions_(partitions),
      kind_(*targets.scenario.faults.excess),
      draw_(targets.scenario.seed + 17) {}

void Excess::Log(std::string text) {
  targets_.log.Fault(0, ExcessName(kind_), std::move(text), {});
}

void Excess::Begin(const RecordsChecker& records) {
  for (const auto& node : targets_.nodes) node->ExpectHalt();
  if (kind_ == ExcessKind::kPowerCut) return;
  for (const PartitionName& partition : partitions_) {
    tails_[partition] = partition.topic == "os"
                            ? std::min(SyncedByAll(partition), records.acked_end(partition))
                            : records.acked_end(partition);
  }
  if (kind_ != ExcessKind::kLyingSyncs) return;
  Log("on all nodes");
  for (const auto& node : targets_.nodes) node->LieAboutSyncs();
}

void Excess::Strike() {
  switch (kind_) {
    case ExcessKind::kWipedVoters:
      return WipeVoters();
    case ExcessKind::kReplacedDisks:
      return ReplaceDisks();
    case ExcessKind::kRot:
      return Rot();
    case ExcessKind::kPowerCut:
      for (const PartitionName& partition : partitions_) {
        if (partition.topic == "os") tails_[partition] = SyncedByAll(partition);
      }
      Log("of all machines");
      return CutPower();
    case ExcessKind::kLyingSyncs:
      return CutPower();
  }
}

int64_t Excess::TailOf(const PartitionName& partition) const {
  const auto it = tails_.find(partition);
  return !costs_tail() || it == tails_.end() ? INT64_MAX : it->second;
}

int64_t Excess::SyncedByAll(const PartitionName& partition) const {
  const ImagePtr image = targets_.view.NewestImage();
  const TopicImage* topic = image == nullptr ? nullptr : image->FindTopicByName(partition.topic);
  if (topic == nullptr) return 0;
  int64_t synced = INT64_MAX;
  for (const auto& node : targets_.nodes) {
    if (!node->up()) return 0;
    const auto at =
        node->broker().replicas().Positions({topic->id, PartitionIndex(partition.index)});
    synced = std::min(synced, at ? at->flushed_end_offset.value() : 0);
  }
  return synced;
}

void Excess::StartAgain(SimNode& node) {
  node.StartLater(Micros(draw_.Between(50'000, targets_.scenario.faults.restart_high.count())));
}

void Excess::WipeVoters() {
  // A power cut of more than one machine is another excess while a topic trusts the page cache.
  const SimNode::End end =
      targets_.scenario.has_os_topic ? SimNode::End::kProcess : SimNode::End::kMachine;
  const size_t majority = targets_.nodes.size() / 2 + 1;
  Log(absl::StrFormat("%d of %d", majority, targets_.nodes.size()));
  for (size_t i = 0; i < majority; ++i) {
    SimNode& node = *targets_.nodes[i];
    node.Crash(end);
    node.WipeMetadata();
    StartAgain(node);
  }
}

void Excess::ReplaceDisks() {
  Log("on all nodes");
  for (const auto& node : targets_.nodes) {
    node->Crash(SimNode::End::kMachine);
    node->ReplaceDataDisk();
    StartAgain(*node);
  }
}

void Excess::Rot() {
  const bool killed = draw_.Chance(0.7);
  for (const auto& node : targets_.nodes) {
    if (killed) node->Crash(SimNode::End::kProcess);
  }
  for (const PartitionName& partition : partitions_) {
    int64_t end = INT64_MAX;
    for (const auto& node : targets_.nodes) end = std::min(end, NotedEnd(*node, partition));
    if (end <= 0) continue;
    // Mostly near the end, where a recovery reads.
    const int64_t offset =
        draw_.Between(draw_.Chance(0.7) ? std::max<int64_t>(0, end - 20) : 0, end - 1);
    std::string where;
    for (const auto& node : targets_.nodes) {
      where += ", " + node->host() + " " + FlipBitAt(*node, partition, offset, draw_);
    }
    Log(absl::StrFormat("offset %d of %s, %s%s", offset, partition.ToString(),
                        killed ? "all killed" : "all go on", where));
  }
  for (const auto& node : targets_.nodes) StartAgain(*node);
}

void Excess::CutPower() {
  for (const auto& node : targets_.nodes) {
    node->Crash(SimNode::End::kMachine);
    node->HealDisk();
    StartAgain(*node);
  }
}

}  // namespace quorate::sim
