#include "tests/sim/cluster/sim_points.h"

#include <set>
#include <utility>

namespace quorate::sim {
namespace {

// FNV-1a: equal in all builds.
uint64_t HashOf(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return hash;
}

}  // namespace

SimPoints::SimPoints(World& world, uint64_t seed, double share, double rate)
    : world_(world),
      seed_(seed),
      share_(share),
      rate_(rate),
      random_(seed * 0x9e3779b97f4a7c15u + 11),
      states_(FaultPoints().size()),
      previous_(SetFaultDecider(this)) {}

SimPoints::~SimPoints() { SetFaultDecider(previous_); }

SimPoints::State& SimPoints::StateOf(const FaultPoint& point) {
  State& state = states_[point.number];
  if (!state.decided) {
    state.decided = true;
    state.on = IsOn(point.name);
  }
  return state;
}

bool SimPoints::IsOn(std::string_view name) const {
  return SeededRandom(seed_ ^ HashOf(name)).Chance(share_);
}

bool SimPoints::Fires(const FaultPoint& point, double p) {
  const Process* const process = world_.current();
  if (stopped_ || process == nullptr || !process->alive()) return false;
  State& state = StateOf(point);
  if (!state.on || !random_.Chance(p * rate_)) return false;
  ++state.count;
  return true;
}

void SimPoints::Reached(const FaultPoint& point) {
  const Process* const process = world_.current();
  if (process == nullptr || !process->alive()) return;
  ++states_[point.number].count;
  if (armed_.victim != process || armed_.name != point.name || --armed_.skip >= 0) return;
  armed_.victim = nullptr;
  std::exchange(armed_.die, nullptr)();
}

void SimPoints::Stop() {
  stopped_ = true;
  Disarm();
}

void SimPoints::Arm(const Process* victim, std::string name, int skip, Task die) {
  armed_ = Armed{victim, std::move(name), skip, std::move(die)};
}

std::vector<std::string> SimPoints::reached() const {
  std::set<std::string> names;
  for (const FaultPoint* point : FaultPoints()) {
    if (point->kind == FaultPoint::Kind::kFailpoint && states_[point->number].count > 0) {
      names.insert(std::string(point->name));
    }
  }
  return {names.begin(), names.end()};
}

std::map<std::string, uint64_t> SimPoints::Counts() const {
  std::map<std::string, uint64_t> counts;
  for (const FaultPoint* point : FaultPoints()) {
    counts[std::string(point->name)] += states_[point->number].count;
  }
  return counts;
}

}  // namespace quorate::sim
