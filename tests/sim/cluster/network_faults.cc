// Faults of links, streams and calls. Part of FaultInjector (fault_injector.h).
#include <algorithm>
#include <set>

#include "absl/strings/str_format.h"
#include "tests/sim/cluster/fault_injector.h"

namespace quorate::sim {

void FaultInjector::HealBetween(const std::vector<std::pair<std::string, std::string>>& links,
                                Micros after, const char* what) {
  RunLater(after, [this, links, what] {
    for (const auto& [from, to] : links) targets_.links.Heal(from, to);
    targets_.log.FaultEnds(what, {});
  });
}

void FaultInjector::Isolate() {
  const SimNode& node = *targets_.nodes[draw_.Below(targets_.nodes.size())];
  const bool in = draw_.Chance(0.7);
  const bool out = !in || draw_.Chance(0.7);
  const Micros time = CutTime();
  const char* way = in && out ? "both ways" : in ? "inbound" : "outbound";
  Fault(FaultKind::kIsolate,
        absl::StrFormat("%s, %s, %d ms", node.host(), way, time.count() / 1000),
        {node.id().value()});
  std::vector<std::pair<std::string, std::string>> cut;
  for (const auto& other : targets_.nodes) {
    if (other.get() == &node) continue;
    if (in) cut.emplace_back(other->host(), node.host());
    if (out) cut.emplace_back(node.host(), other->host());
  }
  for (const auto& [from, to] : cut) targets_.links.Cut(from, to);
  HealBetween(cut, time, "an isolation ends");
}

void FaultInjector::CutLink() {
  const size_t from = draw_.Below(targets_.nodes.size());
  const size_t to = (from + 1 + draw_.Below(targets_.nodes.size() - 1)) % targets_.nodes.size();
  const Micros time = CutTime();
  const std::string a = targets_.nodes[from]->host();
  const std::string b = targets_.nodes[to]->host();
  Fault(FaultKind::kCutLink, absl::StrFormat("%s to %s, %d ms", a, b, time.count() / 1000),
        {targets_.nodes[from]->id().value(), targets_.nodes[to]->id().value()});
  targets_.links.Cut(a, b);
  HealBetween({{a, b}}, time, "a cut link is well");
}

// Three nodes: each reaches the next only. More: each reaches its two neighbours only. Or a bridge:
// two halves that share one node.
void FaultInjector::Ring() {
  const size_t count = targets_.nodes.size();
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
      if (!reaches) cut.emplace_back(targets_.nodes[from]->host(), targets_.nodes[to]->host());
    }
  }
  const Micros time = CutTime();
  const std::string shape = is_bridge ? "only " + targets_.nodes[bridge]->host() + " reaches all"
                                      : "each reaches its neighbours";
  Fault(FaultKind::kRing, absl::StrFormat("%s, %d ms", shape, time.count() / 1000), {});
  for (const auto& [from, to] : cut) targets_.links.Cut(from, to);
  HealBetween(cut, time, "a ring ends");
}

void FaultInjector::Storm() {
  LinkBehaviour storm = targets_.scenario.links;
  storm.high = Micros(draw_.Between(5'000, 80'000));
  storm.stall = static_cast<double>(draw_.Below(50)) / 1000.0;
  storm.reset = static_cast<double>(draw_.Below(20)) / 1000.0;
  const Micros time = CutTime();
  Fault(FaultKind::kStorm,
        absl::StrFormat("delays up to %d ms, resets %.3f, stalls %.3f, %d ms",
                        storm.high.count() / 1000, storm.reset, storm.stall, time.count() / 1000),
        {});
  targets_.links.set_behaviour(storm);
  RunLater(time, [this] { targets_.links.set_behaviour(targets_.scenario.links); });
}

void FaultInjector::LateCalls() {
  LinkBehaviour late = targets_.scenario.links;
  late.late = static_cast<double>(draw_.Between(10, 200)) / 1000.0;
  const Micros time = CutTime();
  Fault(FaultKind::kLateCalls,
        absl::StrFormat("%.3f of the calls, %d ms", late.late, time.count() / 1000), {});
  targets_.links.set_behaviour(late);
  RunLater(time, [this] { targets_.links.set_behaviour(targets_.scenario.links); });
}

void FaultInjector::Twice() {
  LinkBehaviour twice = targets_.scenario.links;
  twice.twice = static_cast<double>(draw_.Between(10, 300)) / 1000.0;
  const Micros time = CutTime();
  Fault(FaultKind::kTwice,
        absl::StrFormat("%.3f of the calls, %d ms", twice.twice, time.count() / 1000), {});
  targets_.links.set_behaviour(twice);
  RunLater(time, [this] { targets_.links.set_behaviour(targets_.scenario.links); });
}

void FaultInjector::DisturbStream(FaultKind kind, StreamFault fault) {
  std::set<std::string> hosts;
  for (const auto& node : targets_.nodes) hosts.insert(node->host());
  // Consumers check what they read: what is damaged on its way to them says nothing of the brokers.
  for (const Process* producer : targets_.producers) hosts.insert(producer->host());
  const std::string which = targets_.internet.Disturb(fault, hosts, draw_);
  if (!which.empty()) Fault(kind, which, {});
}

}  // namespace quorate::sim
