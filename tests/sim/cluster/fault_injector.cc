#include "tests/sim/cluster/fault_injector.h"

#include <algorithm>
#include <cmath>

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
  const double uniform = static_cast<double>(plan_.Below(1'000'000) + 1) / 1e6;
  const double mean = static_cast<double>(scenario_.faults.pause_mean.count());
  const Micros pause(static_cast<int64_t>(-std::log(uniform) * mean) + 1000);
  const auto& kinds = scenario_.faults.kinds;
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
  if (scenario_.faults.without.contains(kind)) return true;
  return std::any_of(
      scenario_.faults.skipped.begin(), scenario_.faults.skipped.end(),
      [number](const auto& range) { return range.first <= number && number <= range.second; });
}

void FaultInjector::Fault(FaultKind kind, std::string text, std::vector<int32_t> nodes) {
  log_.Fault(number_, FaultName(kind), std::move(text), std::move(nodes));
}

Micros FaultInjector::RestartDelay() {
  return Micros(draw_.Between(50'000, scenario_.faults.restart_high.count()));
}

Micros FaultInjector::CutTime() {
  return Micros(draw_.Between(50'000, scenario_.faults.cut_high.count()));
}

SimNode::End FaultInjector::MachineEnd() {
  return draw_.Chance(0.5) ? SimNode::End::kMachine : SimNode::End::kMachineNoticed;
}

SimNode* FaultInjector::Victim(const char** what) {
  if (draw_.Chance(scenario_.faults.aimed)) {
    if (draw_.Chance(0.5)) {
      *what = "the active controller";
      for (const auto& node : nodes_) {
        if (node->IsActiveController()) return node.get();
      }
    }
    *what = "a partition leader";
    if (SimNode* node = view_.LeaderOfSome(draw_); node != nullptr && node->up()) return node;
  }
  *what = "just anyone";
  SimNode& node = *nodes_[draw_.Below(nodes_.size())];
  return node.up() ? &node : nullptr;
}

bool FaultInjector::MayLosePages() const {
  return !scenario_.has_os_topic || (!disk_full_ && view_.AllInSync());
}

bool FaultInjector::Wounded() {
  if (wounded_ && view_.AllInSync()) wounded_ = false;
  return wounded_;
}

void FaultInjector::CrashMachine(SimNode& node, const char* what) {
  Fault(FaultKind::kMachineCrash, absl::StrFormat("%s, %s", node.host(), what),
        {node.id().value()});
  wounded_ = scenario_.has_os_topic;
  node.Crash(MachineEnd());
  node.StartLater(RestartDelay());
}

void FaultInjector::CrashAll() {
  Fault(FaultKind::kAllCrash, "all nodes", {});
  for (const auto& node : nodes_) {
    node->Crash(MachineEnd());
    node->StartLater(RestartDelay());
  }
}

void FaultInjector::Wipe(SimNode& node, const char* what) {
  const bool others_live =
      std::none_of(nodes_.begin(), nodes_.end(), [](const auto& other) { return other->doomed(); });
  if (!others_live || disk_full_ || !view_.AllInSync()) return;
  Fault(FaultKind::kWipe, absl::StrFormat("the data disk of %s, %s", node.host(), what),
        {node.id().value()});
  wounded_ = true;
  node.Crash(MachineEnd());
  node.ReplaceDataDisk();
  node.StartLater(RestartDelay());
}

void FaultInjector::HealBetween(const std::vector<std::pair<std::string, std::string>>& links,
                                Micros after, const char* what) {
  RunLater(after, [this, links, what] {
    for (const auto& [from, to] : links) links_.Heal(from, to);
    log_.FaultEnds(what, {});
  });
}

void FaultInjector::Isolate() {
  const SimNode& node = *nodes_[draw_.Below(nodes_.size())];
  const bool in = draw_.Chance(0.7);
  const bool out = !in || draw_.Chance(0.7);
  const Micros time = CutTime();
  const char* way = in && out ? "both ways" : in ? "inbound" : "outbound";
  Fault(FaultKind::kIsolate,
        absl::StrFormat("%s, %s, %d ms", node.host(), way, time.count() / 1000),
        {node.id().value()});
  std::vector<std::pair<std::string, std::string>> cut;
  for (const auto& other : nodes_) {
    if (other.get() == &node) continue;
    if (in) cut.emplace_back(other->host(), node.host());
    if (out) cut.emplace_back(node.host(), other->host());
  }
  for (const auto& [from, to] : cut) links_.Cut(from, to);
  HealBetween(cut, time, "an isolation ends");
}

void FaultInjector::CutLink() {
  const size_t from = draw_.Below(nodes_.size());
  const size_t to = (from + 1 + draw_.Below(nodes_.size() - 1)) % nodes_.size();
  const Micros time = CutTime();
  const std::string a = nodes_[from]->host();
  const std::string b = nodes_[to]->host();
  Fault(FaultKind::kCutLink, absl::StrFormat("%s to %s, %d ms", a, b, time.count() / 1000),
        {nodes_[from]->id().value(), nodes_[to]->id().value()});
  links_.Cut(a, b);
  HealBetween({{a, b}}, time, "a cut link is well");
}

// Three nodes: each reaches the next only. More: each reaches its two neighbours only. Or a bridge:
// two halves that share one node.
void FaultInjector::Ring() {
  const size_t count = nodes_.size();
  const size_t bridge = draw_.Below(count);
  const bool is_bridge = draw_.Chance(0.5);
  std::vector<std::pair<std::string, std::string>> cut;
  for (size_t from = 0; from < count; ++from) {
    for (size_t to = 0; to < count; ++to) {
      if (from == to) continue;
      const size_t ahead = (to + count - from) % count;
      bool reaches = ahead == 1 || (count > 3 && ahead == count - 1);
      if (is_bridge) {
        const auto side = [&](size_t i) {
          return ((i + count - bridge) % count - 1) * 2 < count - 1;
        };
        reaches = from == bridge || to == bridge || side(from) == side(to);
      }
      if (!reaches) cut.emplace_back(nodes_[from]->host(), nodes_[to]->host());
    }
  }
  const Micros time = CutTime();
  const std::string shape =
      is_bridge ? "only " + nodes_[bridge]->host() + " reaches all" : "each reaches its neighbours";
  Fault(FaultKind::kRing, absl::StrFormat("%s, %d ms", shape, time.count() / 1000), {});
  for (const auto& [from, to] : cut) links_.Cut(from, to);
  HealBetween(cut, time, "a ring ends");
}

void FaultInjector::Storm() {
  LinkBehaviour storm = scenario_.links;
  storm.high = Micros(draw_.Between(5'000, 80'000));
  storm.stall = static_cast<double>(draw_.Below(50)) / 1000.0;
  storm.reset = static_cast<double>(draw_.Below(20)) / 1000.0;
  const Micros time = CutTime();
  Fault(FaultKind::kStorm,
        absl::StrFormat("delays up to %d ms, resets %.3f, stalls %.3f, %d ms",
                        storm.high.count() / 1000, storm.reset, storm.stall, time.count() / 1000),
        {});
  links_.set_behaviour(storm);
  RunLater(time, [this] { links_.set_behaviour(scenario_.links); });
}

void FaultInjector::LateCalls() {
  LinkBehaviour late = scenario_.links;
  late.late = static_cast<double>(draw_.Between(10, 200)) / 1000.0;
  const Micros time = CutTime();
  Fault(FaultKind::kLateCalls,
        absl::StrFormat("%.3f of the calls, %d ms", late.late, time.count() / 1000), {});
  links_.set_behaviour(late);
  RunLater(time, [this] { links_.set_behaviour(scenario_.links); });
}

void FaultInjector::Pause(SimNode& node, const char* what) {
  if (node.paused()) return;
  const Micros time(
      draw_.Between(100'000, std::max<int64_t>(scenario_.faults.cut_high.count(), 6'000'000)));
  Fault(FaultKind::kPause, absl::StrFormat("%s, %s, %d ms", node.host(), what, time.count() / 1000),
        {node.id().value()});
  node.Pause();
  const uint64_t incarnation = node.incarnation();
  const auto is_it = [&node, incarnation] {
    return node.incarnation() == incarnation && node.up() && node.paused();
  };
  RunLater(Links::kPatience, [this, &node, is_it] {
    if (is_it()) node.TellPeersOfHang(exchange_);
  });
  RunLater(time, [this, &node, is_it] {
    if (!is_it()) return;
    log_.FaultEnds(node.host() + " goes on", {node.id().value()});
    node.Resume();
  });
}

void FaultInjector::JumpClock() {
  SimNode& node = *nodes_[draw_.Below(nodes_.size())];
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
    log_.FaultEnds("the disk of " + node.host() + " has space again", {node.id().value()});
  });
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
    default:
      break;
  }
  const char* what = "";
  SimNode* node = Victim(&what);
  if (node != nullptr && !(EndsAProcess(kind) && Wounded())) InjectInto(kind, *node, what);
}

bool FaultInjector::EndsAProcess(FaultKind kind) const {
  return kind != FaultKind::kSlowDisk && kind != FaultKind::kPause;
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
      if (scenario_.has_os_topic) return;
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
      RunLater(time, [this, &node] { node.SlowDown(scenario_.pool); });
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
    default:
      break;
  }
}

void FaultInjector::Heal() {
  healed_ = true;
  log_.FaultEnds("all is healed", {});
  links_.HealAll();
  links_.set_behaviour(scenario_.links);
  for (const auto& node : nodes_) {
    node->HealDisk();
    node->Resume();
    node->Start();
  }
}

}  // namespace quorate::sim
