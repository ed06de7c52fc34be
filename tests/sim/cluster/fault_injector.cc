#include "tests/sim/cluster/fault_injector.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_format.h"

namespace quorate::sim {

void FaultInjector::Start() {
  if (!targets_.scenario.faults.kinds.empty()) Next();
}

void FaultInjector::RunLater(Micros delay, std::function<void()> task) {
  targets_.world.ScheduleIn(delay, nullptr, [this, task = std::move(task)] {
    if (!healed_) task();
  });
}

void FaultInjector::Next() {
  // Exponential pauses, so that faults also come close together.
  const double uniform = static_cast<double>(plan_.Below(1'000'000) + 1) / 1e6;
  const double mean = static_cast<double>(targets_.scenario.faults.pause_mean.count());
  const Micros pause(static_cast<int64_t>(-std::log(uniform) * mean) + 1000);
  const auto& kinds = targets_.scenario.faults.kinds;
  const FaultKind kind = kinds[plan_.Below(kinds.size())];
  const uint64_t stream = plan_.Next();
  RunLater(pause, [this, kind, stream] {
    ++number_;
    draw_ = SeededRandom(stream);
    if (!IsLeftOut(number_, kind)) Inject(kind);
    Next();
  });
}

bool FaultInjector::IsLeftOut(int number, FaultKind kind) const {
  if (targets_.scenario.faults.without.contains(kind)) return true;
  return std::any_of(
      targets_.scenario.faults.skipped.begin(), targets_.scenario.faults.skipped.end(),
      [number](const auto& range) { return range.first <= number && number <= range.second; });
}

void FaultInjector::Fault(FaultKind kind, std::string text, std::vector<int32_t> nodes) {
  targets_.log.Fault(number_, FaultName(kind), std::move(text), std::move(nodes));
}

Micros FaultInjector::RestartDelay() {
  return Micros(draw_.Between(50'000, targets_.scenario.faults.restart_high.count()));
}

Micros FaultInjector::CutTime() {
  return Micros(draw_.Between(50'000, targets_.scenario.faults.cut_high.count()));
}

SimNode::End FaultInjector::MachineEnd() {
  return draw_.Chance(0.5) ? SimNode::End::kMachine : SimNode::End::kMachineNoticed;
}

SimNode* FaultInjector::Victim(const char** what) {
  if (draw_.Chance(targets_.scenario.faults.aimed)) {
    if (draw_.Chance(0.5)) {
      *what = "the active controller";
      for (const auto& node : targets_.nodes) {
        if (node->IsActiveController()) return node.get();
      }
    }
    *what = "a partition leader";
    if (SimNode* node = targets_.view.LeaderOfSome(draw_); node != nullptr && node->up())
      return node;
  }
  *what = "just anyone";
  SimNode& node = *targets_.nodes[draw_.Below(targets_.nodes.size())];
  return node.up() ? &node : nullptr;
}

bool FaultInjector::MayLosePages() const {
  return !targets_.scenario.has_os_topic || (!disk_full_ && targets_.view.AllInSync());
}

bool FaultInjector::Wounded() {
  if (beyond_) return true;
  if (wounded_ && targets_.view.AllInSync()) wounded_ = false;
  return wounded_;
}

void FaultInjector::Inject(FaultKind kind) {
  switch (kind) {
    case FaultKind::kAllCrash:
      // Rare: it also ends what other faults are after.
      if (draw_.Chance(0.3) && !Wounded()) CrashAll();
      return;
    case FaultKind::kIsolate:
      return Isolate();
    case FaultKind::kCutLink:
      return CutLink();
    case FaultKind::kRing:
      return Ring();
    case FaultKind::kStorm:
      return Storm();
    case FaultKind::kLateCalls:
      return LateCalls();
    case FaultKind::kClockJump:
      return JumpClock();
    case FaultKind::kClockDrift:
      return DriftClock();
    case FaultKind::kTwice:
      return Twice();
    case FaultKind::kHalfOpen:
      return DisturbStream(kind, StreamFault::kHalfOpen);
    case FaultKind::kCutFrame:
      return DisturbStream(kind, StreamFault::kCutFrame);
    case FaultKind::kCorruptFrame:
      return DisturbStream(kind, StreamFault::kFlipBit);
    case FaultKind::kAdminStorm:
      return BlowStorm();
    case FaultKind::kZombie:
      return PauseProducer();
    case FaultKind::kSwap:
      if (!Wounded()) SwapDirectories();
      return;
    case FaultKind::kVoters:
      if (!beyond_) ChangeVoters();
      return;
    default:
      break;
  }
  const char* what = "";
  SimNode* node = Victim(&what);
  if (node != nullptr && !(EndsAProcess(kind) && Wounded())) InjectInto(kind, *node, what);
}

bool FaultInjector::EndsAProcess(FaultKind kind) const {
  return kind != FaultKind::kSlowDisk && kind != FaultKind::kPause &&
         kind != FaultKind::kFlippedBit;
}

void FaultInjector::InjectInto(FaultKind kind, SimNode& node, const char* what) {
  const std::string whom = absl::StrFormat("%s, %s", node.host(), what);
  const std::vector<int32_t> id = {node.id().value()};
  switch (kind) {
    case FaultKind::kProcessCrash:
      Fault(kind, whom, id);
      node.Crash(SimNode::End::kProcess);
      node.StartLater(RestartDelay());
      break;
    case FaultKind::kMachineCrash:
      if (MayLosePages()) CrashMachine(node, what);
      break;
    case FaultKind::kCrashInWrite: {
      // The moment of the crash is not known beforehand: too late for the atlas.
      if (targets_.scenario.has_os_topic) return;
      const auto changes = static_cast<int64_t>(draw_.Below(40));
      Fault(kind, absl::StrFormat("%s, after %d changes, %s", node.host(), changes, what), id);
      node.CrashInWrite(changes, MachineEnd());
      break;
    }
    case FaultKind::kCleanRestart:
      if (node.stopping() || node.paused()) return;
      Fault(kind, whom, id);
      node.ShutDown(std::chrono::seconds(6));
      node.StartLater(std::chrono::seconds(7));
      break;
    case FaultKind::kSlowDisk: {
      const Micros time = CutTime();
      const int64_t slowest = draw_.Between(20'000, 700'000);
      Fault(kind,
            absl::StrFormat("%s, up to %d ms, for %d ms", node.host(), slowest / 1000,
                            time.count() / 1000),
            id);
      node.SlowDown({Micros(1000), Micros(slowest)});
      RunLater(time, [this, &node] { node.SlowDown(targets_.scenario.pool); });
      break;
    }
    case FaultKind::kFailedSync:
      Fault(kind, whom, id);
      node.FailNextSync();
      break;
    case FaultKind::kPause:
      return Pause(node, what);
    case FaultKind::kFullDisk:
      return FillDisk(node, what);
    case FaultKind::kWipe:
      return Wipe(node, what);
    case FaultKind::kOldDirectory:
      return RestoreOldDirectory(node, what);
    case FaultKind::kCrashAtPoint:
      return CrashAtPoint(node, what);
    case FaultKind::kCrashLoop:
      return CrashLoop(node, what);
    case FaultKind::kReadError:
      return FailReads(node, what);
    case FaultKind::kFlippedBit:
      return FlipBit(node);
    default:
      break;
  }
}

void FaultInjector::Heal() {
  healed_ = true;
  targets_.log.FaultEnds("all is healed", {});
  targets_.links.HealAll();
  targets_.links.set_behaviour(targets_.scenario.links);
  for (const auto& node : targets_.nodes) {
    node->HealDisk();
    node->Resume();
    node->Start();
    RestartIfNeeded(*node);
  }
  for (Process* producer : targets_.producers) producer->Resume();
  for (const auto& storm : targets_.storms) storm->Stop();
  targets_.points.Stop();
}

}  // namespace quorate::sim
