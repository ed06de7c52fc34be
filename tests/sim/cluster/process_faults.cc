// Faults of processes, machines and their clocks. Part of FaultInjector (fault_injector.h).
#include <algorithm>

#include "absl/strings/str_format.h"
#include "tests/sim/cluster/fault_injector.h"

namespace quorate::sim {

void FaultInjector::CrashMachine(SimNode& node, const char* what) {
  Fault(FaultKind::kMachineCrash, absl::StrFormat("%s, %s", node.host(), what),
        {node.id().value()});
  wounded_ = targets_.scenario.has_os_topic;
  node.Crash(MachineEnd());
  node.StartLater(RestartDelay());
}

void FaultInjector::CrashAll() {
  Fault(FaultKind::kAllCrash, "all nodes", {});
  for (const auto& node : targets_.nodes) {
    node->Crash(MachineEnd());
    node->StartLater(RestartDelay());
  }
}

void FaultInjector::Pause(SimNode& node, const char* what) {
  if (node.paused()) return;
  const Micros time(draw_.Between(
      100'000, std::max<int64_t>(targets_.scenario.faults.cut_high.count(), 6'000'000)));
  Fault(FaultKind::kPause, absl::StrFormat("%s, %s, %d ms", node.host(), what, time.count() / 1000),
        {node.id().value()});
  node.Pause();
  const uint64_t incarnation = node.incarnation();
  const auto is_it = [&node, incarnation] {
    return node.incarnation() == incarnation && node.up() && node.paused();
  };
  RunLater(Links::kPatience, [this, &node, is_it] {
    if (is_it()) node.TellPeersOfHang(targets_.exchange);
  });
  RunLater(time, [this, &node, is_it] {
    if (!is_it()) return;
    targets_.log.FaultEnds(node.host() + " goes on", {node.id().value()});
    node.Resume();
  });
}

void FaultInjector::JumpClock() {
  SimNode& node = *targets_.nodes[draw_.Below(targets_.nodes.size())];
  if (!node.up()) return;
  const Millis by(draw_.Chance(0.5) ? draw_.Between(-1'800'000, 1'800'000)
                                    : draw_.Between(-3'000, 3'000));
  const bool for_good = draw_.Chance(0.5);
  Fault(FaultKind::kClockJump,
        absl::StrFormat("%s by %d ms%s", node.host(), by.count(), for_good ? "" : ", for a while"),
        {node.id().value()});
  node.JumpClock(by);
  if (!for_good) RunLater(CutTime(), [&node, by] { node.JumpClock(-by); });
}

void FaultInjector::CrashAtPoint(SimNode& node, const char* what) {
  const std::vector<std::string> reached = targets_.points.reached();
  if (reached.empty() || node.doomed() || targets_.points.armed()) return;
  const std::string point = reached[draw_.Below(reached.size())];
  const int skip = static_cast<int>(draw_.Below(4));
  // While a topic trusts the page cache a machine's end is chosen by the atlas, not by a point.
  const SimNode::End end =
      targets_.scenario.has_os_topic || draw_.Chance(0.4) ? SimNode::End::kProcess : MachineEnd();
  const std::string text =
      absl::StrFormat("%s, %s, at %s, %s", node.host(), what, point,
                      end == SimNode::End::kProcess ? "the process" : "the machine");
  const int number = number_;
  targets_.points.Arm(node.process(), point, skip, [this, &node, end, text, number] {
    if (Wounded() || node.doomed()) return;
    targets_.log.Fault(number, FaultName(FaultKind::kCrashAtPoint), text, {node.id().value()});
    node.DieHere(end);
  });
  RunLater(std::chrono::seconds(5), [this, number] {
    if (number_ <= number + 20) targets_.points.Disarm();
  });
}

void FaultInjector::CrashLoop(SimNode& node, const char* what) {
  const int rounds = static_cast<int>(draw_.Between(3, 8));
  Fault(FaultKind::kCrashLoop, absl::StrFormat("%s, %d times, %s", node.host(), rounds, what),
        {node.id().value()});
  CrashAgain(node, rounds, draw_.Next());
}

void FaultInjector::CrashAgain(SimNode& node, int rounds, uint64_t stream) {
  SeededRandom draw(stream);
  if (node.up() && !Wounded()) {
    node.Crash(SimNode::End::kProcess);
    node.StartLater(Micros(draw.Between(10'000, 100'000)));
  }
  if (rounds <= 1) return;
  RunLater(Micros(draw.Between(120'000, 900'000)),
           [this, &node, rounds, next = draw.Next()] { CrashAgain(node, rounds - 1, next); });
}

void FaultInjector::DriftClock() {
  SimNode& node = *targets_.nodes[draw_.Below(targets_.nodes.size())];
  if (!node.up()) return;
  const int64_t high = targets_.scenario.clock_drift_ppm;
  const int64_t ppm = draw_.Between(-high, high);
  Fault(FaultKind::kClockDrift,
        absl::StrFormat("%s, %.2f %%", node.host(), static_cast<double>(ppm) / 1e4),
        {node.id().value()});
  node.SetClockDrift(ppm);
}

void FaultInjector::BlowStorm() {
  const Micros time = CutTime();
  Fault(FaultKind::kAdminStorm,
        absl::StrFormat("%d clients, %d ms", targets_.storms.size(), time.count() / 1000), {});
  for (const auto& storm : targets_.storms) storm->BlowUntil(targets_.world.now() + time);
}

void FaultInjector::PauseProducer() {
  if (targets_.producers.empty()) return;
  Process* const producer = targets_.producers[draw_.Below(targets_.producers.size())];
  if (producer->paused()) return;
  const Micros time(draw_.Between(2'000'000, 30'000'000));
  Fault(FaultKind::kZombie, absl::StrFormat("%s, %d ms", producer->host(), time.count() / 1000),
        {});
  producer->Pause();
  RunLater(time, [producer] { producer->Resume(); });
}

}  // namespace quorate::sim
