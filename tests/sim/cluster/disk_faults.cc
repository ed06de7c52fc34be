// Faults of disks. Part of FaultInjector (fault_injector.h).
#include <algorithm>

#include "absl/strings/str_format.h"
#include "tests/sim/cluster/fault_injector.h"
#include "tests/sim/cluster/rot.h"

namespace quorate::sim {

bool FaultInjector::MayReplaceDisk() const {
  const bool others_live = std::none_of(targets_.nodes.begin(), targets_.nodes.end(),
                                        [](const auto& other) { return other->doomed(); });
  return others_live && !disk_full_ && targets_.view.AllInSync();
}

void FaultInjector::Wipe(SimNode& node, const char* what) {
  if (!MayReplaceDisk()) return;
  Fault(FaultKind::kWipe, absl::StrFormat("the data disk of %s, %s", node.host(), what),
        {node.id().value()});
  wounded_ = true;
  node.Crash(MachineEnd());
  node.ReplaceDataDisk();
  node.StartLater(RestartDelay());
}

void FaultInjector::FillDisk(SimNode& node, const char* what) {
  if (disk_full_) return;
  const Micros time = CutTime();
  Fault(FaultKind::kFullDisk,
        absl::StrFormat("%s, %s, %d ms", node.host(), what, time.count() / 1000),
        {node.id().value()});
  disk_full_ = true;
  node.SetDiskFull(true);
  RunLater(time, [this, &node] {
    disk_full_ = false;
    node.SetDiskFull(false);
    targets_.log.FaultEnds("the disk of " + node.host() + " has space again", {node.id().value()});
  });
}

void FaultInjector::RestoreOldDirectory(SimNode& node, const char* what) {
  // Now and then only a copy is made, for later.
  if (!node.has_backup() || draw_.Chance(0.2)) return node.BackUpDataDisk();
  if (!MayReplaceDisk()) return;
  Fault(FaultKind::kOldDirectory, absl::StrFormat("the partitions of %s, %s", node.host(), what),
        {node.id().value()});
  wounded_ = true;
  node.Crash(MachineEnd());
  node.RestoreDataDisk();
  node.StartLater(RestartDelay());
}

void FaultInjector::SwapDirectories() {
  const size_t one = draw_.Below(targets_.nodes.size());
  const size_t two = (one + 1 + draw_.Below(targets_.nodes.size() - 1)) % targets_.nodes.size();
  SimNode& a = *targets_.nodes[one];
  SimNode& b = *targets_.nodes[two];
  if (!a.up() || !b.up() || a.doomed() || b.doomed() || disk_full_) return;
  Fault(FaultKind::kSwap, absl::StrFormat("%s and %s", a.host(), b.host()),
        {a.id().value(), b.id().value()});
  a.Crash(SimNode::End::kProcess);
  b.Crash(SimNode::End::kProcess);
  a.TryWithDirectoryOf(b);
  a.StartLater(RestartDelay());
  b.StartLater(RestartDelay());
}

void FaultInjector::FailReads(SimNode& node, const char* what) {
  const int count = draw_.Chance(0.6) ? static_cast<int>(draw_.Between(1, 3)) : -1;
  const Micros time = CutTime();
  const std::string how = count > 0 ? absl::StrFormat("%d", count)
                                    : absl::StrFormat("all, for %d ms", time.count() / 1000);
  Fault(FaultKind::kReadError, absl::StrFormat("%s, %s, %s", node.host(), how, what),
        {node.id().value()});
  node.FailReads(count);
  RunLater(time, [this, &node] {
    node.FailReads(0);
    RestartIfNeeded(node);
  });
}

void FaultInjector::RestartIfNeeded(SimNode& node) {
  if (!node.NeedsRestart()) return;
  targets_.log.FaultEnds(node.host() + " is started again: some of its partitions are offline",
                         {node.id().value()});
  node.Crash(SimNode::End::kProcess);
  node.StartLater(std::chrono::milliseconds(50));
}

void FaultInjector::FlipBit(SimNode& node) {
  if (draw_.Chance(0.4) && FlipBitOfBatch(node)) return;
  const std::string where = node.FlipBit({".index", ".timeindex", ".snapshot"}, draw_);
  if (where.empty()) return;
  Fault(FaultKind::kFlippedBit, absl::StrFormat("%s, %s", node.host(), where), {node.id().value()});
}

bool FaultInjector::FlipBitOfBatch(SimNode& node) {
  if (Wounded() || !MayReplaceDisk()) return false;
  const auto& topics = targets_.scenario.topics;
  const TopicPlan& topic = topics[draw_.Below(topics.size())];
  const PartitionName partition{
      topic.name, static_cast<int32_t>(draw_.Below(static_cast<uint64_t>(topic.partitions)))};
  const int64_t end = NotedEnd(node, partition);
  const int64_t begin = ReadBackFrom(node, partition, end);
  if (begin >= end) return false;
  wounded_ = true;
  node.Crash(SimNode::End::kProcess);
  const std::string where = FlipBitAt(node, partition, draw_.Between(begin, end - 1), draw_);
  Fault(FaultKind::kFlippedBit, absl::StrFormat("%s is killed, %s", node.host(), where),
        {node.id().value()});
  node.StartLater(RestartDelay());
  return true;
}

}  // namespace quorate::sim
