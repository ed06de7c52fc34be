#include "tests/sim/cluster/fault_injector.h"

#include <cmath>
#include <string>
#include <utility>

#include "absl/strings/str_format.h"

namespace quorate::sim {

void FaultInjector::Start() {
  if (!scenario_.faults.kinds.empty()) Next();
}

void FaultInjector::RunLater(Micros delay, std::function<void()> task) {
  world_.ScheduleIn(delay, nullptr, [this, task = std::move(task)] {
    if (!healed_) task();
  });
}

void FaultInjector::Next() {
  // Exponential pauses, so that faults also come close together.
  const double uniform = static_cast<double>(world_.random().Below(1'000'000) + 1) / 1e6;
  const double mean = static_cast<double>(scenario_.faults.pause_mean.count());
  const Micros pause(static_cast<int64_t>(-std::log(uniform) * mean) + 1000);
  RunLater(pause, [this] {
    const auto& kinds = scenario_.faults.kinds;
    Inject(kinds[world_.random().Below(kinds.size())]);
    Next();
  });
}

Micros FaultInjector::RestartDelay() {
  return Micros(world_.random().Between(50'000, scenario_.faults.restart_high.count()));
}

Micros FaultInjector::CutTime() {
  return Micros(world_.random().Between(50'000, scenario_.faults.cut_high.count()));
}

SimNode::End FaultInjector::MachineEnd() {
  return world_.random().Chance(0.5) ? SimNode::End::kMachine : SimNode::End::kMachineNoticed;
}

SimNode* FaultInjector::Victim(const char** what) {
  if (world_.random().Chance(scenario_.faults.aimed)) {
    if (world_.random().Chance(0.5)) {
      *what = "the active controller";
      for (const auto& node : nodes_) {
        if (node->IsActiveController()) return node.get();
      }
    }
    *what = "a partition leader";
    if (SimNode* node = leader_of_some_(); node != nullptr && node->up()) return node;
  }
  *what = "just anyone";
  SimNode& node = *nodes_[world_.random().Below(nodes_.size())];
  return node.up() ? &node : nullptr;
}

bool FaultInjector::MayLosePages() const { return !scenario_.has_os_topic || all_in_sync_(); }

bool FaultInjector::Wounded() {
  if (wounded_ && all_in_sync_()) wounded_ = false;
  return wounded_;
}

void FaultInjector::CrashMachine(SimNode& node, const char* what) {
  log_.Fault(FaultName(FaultKind::kMachineCrash), absl::StrFormat("%s, %s", node.host(), what));
  wounded_ = scenario_.has_os_topic;
  node.Crash(MachineEnd());
  node.StartLater(RestartDelay());
}

void FaultInjector::CrashAll() {
  log_.Fault(FaultName(FaultKind::kAllCrash), "");
  for (const auto& node : nodes_) {
    node->Crash(MachineEnd());
    node->StartLater(RestartDelay());
  }
}

void FaultInjector::Isolate() {
  const SimNode& node = *nodes_[world_.random().Below(nodes_.size())];
  const bool in = world_.random().Chance(0.7);
  const bool out = !in || world_.random().Chance(0.7);
  const Micros time = CutTime();
  log_.Fault(FaultName(FaultKind::kIsolate), absl::StrFormat("%s, %s, %d ms", node.host(),
                                                             in && out ? "both ways"
                                                             : in      ? "inbound"
                                                                       : "outbound",
                                                             time.count() / 1000));
  for (const auto& other : nodes_) {
    if (other.get() == &node) continue;
    if (in) links_.Cut(other->host(), node.host());
    if (out) links_.Cut(node.host(), other->host());
  }
  RunLater(time, [this, host = node.host()] {
    for (const auto& other : nodes_) {
      links_.Heal(other->host(), host);
      links_.Heal(host, other->host());
    }
    log_.Line(host + " is connected again");
  });
}

void FaultInjector::CutLink() {
  const size_t from = world_.random().Below(nodes_.size());
  const size_t to = (from + 1 + world_.random().Below(nodes_.size() - 1)) % nodes_.size();
  const Micros time = CutTime();
  const std::string a = nodes_[from]->host();
  const std::string b = nodes_[to]->host();
  log_.Fault(FaultName(FaultKind::kCutLink),
             absl::StrFormat("%s to %s, %d ms", a, b, time.count() / 1000));
  links_.Cut(a, b);
  RunLater(time, [this, a, b] { links_.Heal(a, b); });
}

void FaultInjector::Storm() {
  LinkBehaviour storm = scenario_.links;
  storm.high = Micros(world_.random().Between(5'000, 80'000));
  storm.stall = static_cast<double>(world_.random().Below(50)) / 1000.0;
  storm.reset = static_cast<double>(world_.random().Below(20)) / 1000.0;
  const Micros time = CutTime();
  log_.Fault(
      FaultName(FaultKind::kStorm),
      absl::StrFormat("delays up to %d ms, resets %.3f, stalls %.3f, %d ms",
                      storm.high.count() / 1000, storm.reset, storm.stall, time.count() / 1000));
  links_.set_behaviour(storm);
  RunLater(time, [this] { links_.set_behaviour(scenario_.links); });
}

void FaultInjector::Inject(FaultKind kind) {
  switch (kind) {
    case FaultKind::kAllCrash:
      // Rare: it also ends what other faults are after.
      if (world_.random().Chance(0.3)) CrashAll();
      return;
    case FaultKind::kIsolate:
      return Isolate();
    case FaultKind::kCutLink:
      return CutLink();
    case FaultKind::kStorm:
      return Storm();
    default:
      break;
  }
  const char* what = "";
  SimNode* node = Victim(&what);
  if (node == nullptr) return;
  if (kind != FaultKind::kSlowDisk && Wounded()) return;
  switch (kind) {
    case FaultKind::kProcessCrash:
      log_.Fault(FaultName(kind), absl::StrFormat("%s, %s", node->host(), what));
      node->Crash(SimNode::End::kProcess);
      node->StartLater(RestartDelay());
      break;
    case FaultKind::kMachineCrash:
      if (MayLosePages()) CrashMachine(*node, what);
      break;
    case FaultKind::kCrashInWrite: {
      // The moment of the crash is not known beforehand: too late for the atlas.
      if (scenario_.has_os_topic) return;
      const auto changes = static_cast<int64_t>(world_.random().Below(40));
      log_.Fault(FaultName(kind),
                 absl::StrFormat("%s, after %d changes, %s", node->host(), changes, what));
      node->CrashInWrite(changes, MachineEnd());
      break;
    }
    case FaultKind::kCleanRestart:
      if (node->stopping()) return;
      log_.Fault(FaultName(kind), absl::StrFormat("%s, %s", node->host(), what));
      node->ShutDown(std::chrono::seconds(6));
      node->StartLater(std::chrono::seconds(7));
      break;
    case FaultKind::kSlowDisk: {
      const Micros time = CutTime();
      const int64_t slowest = world_.random().Between(20'000, 700'000);
      log_.Fault(FaultName(kind), absl::StrFormat("%s, up to %d ms, for %d ms", node->host(),
                                                  slowest / 1000, time.count() / 1000));
      node->SlowDown({Micros(1000), Micros(slowest)});
      RunLater(time, [this, node] { node->SlowDown(scenario_.pool); });
      break;
    }
    case FaultKind::kFailedSync:
      log_.Fault(FaultName(kind), absl::StrFormat("%s, %s", node->host(), what));
      node->FailNextSync();
      break;
    default:
      break;
  }
}

void FaultInjector::Heal() {
  healed_ = true;
  log_.Line("all is healed");
  links_.HealAll();
  links_.set_behaviour(scenario_.links);
  for (const auto& node : nodes_) {
    node->HealDisk();
    node->Start();
  }
}

}  // namespace quorate::sim
