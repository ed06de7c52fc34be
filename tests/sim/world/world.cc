#include "tests/sim/world/world.h"

#include <algorithm>

#include "base/check.h"

namespace quorate::sim {
namespace {

// 2026-01-01T00:00:00Z: where the wall clocks of all runs begin.
constexpr WallMillis kWallStart = 1767225600000;

// Longer delays mean "never".
constexpr Micros kNever = std::chrono::hours(24 * 365);

}  // namespace

World::World(uint64_t seed) : random_(seed) {}

World::~World() = default;

EventKey World::Schedule(MonoTime due, Process* owner, Task task) {
  const EventKey key{std::max(due, now_), next_sequence_++};
  if (owner != nullptr && !owner->alive()) return key;  // A dead process schedules nothing.
  events_.emplace(key, Event{owner, std::move(task)});
  return key;
}

bool World::Cancel(const EventKey& key) {
  const auto it = events_.find(key);
  if (it == events_.end()) return false;
  const Event dropped = std::move(it->second);  // Destroyed once the map is consistent again.
  events_.erase(it);
  return true;
}

void World::DropEventsOf(const Process* owner) {
  std::vector<Event> dropped;
  for (auto it = events_.begin(); it != events_.end();) {
    if (it->second.owner == owner) {
      dropped.push_back(std::move(it->second));
      it = events_.erase(it);
    } else {
      ++it;
    }
  }
}

bool World::RunOne() {
  if (events_.empty()) return false;
  const auto it = events_.begin();
  const EventKey key = it->first;
  Event event = std::move(it->second);
  events_.erase(it);
  QCHECK_GE(key.due.since_zero().count(), now_.since_zero().count());
  now_ = key.due;
  ++events_run_;
  Trace(static_cast<uint64_t>(key.due.since_zero().count()));
  Trace(key.sequence);
  if (event.owner != nullptr && !event.owner->alive()) return true;
  current_ = event.owner;
  event.task();
  event.task = nullptr;  // What it holds is destroyed while its process is current.
  current_ = nullptr;
  return true;
}

void World::RunAs(Process& process, Task task) {
  Process* const outer = std::exchange(current_, &process);
  task();
  task = nullptr;
  current_ = outer;
}

void World::RunUntil(MonoTime until) {
  while (!events_.empty() && events_.begin()->first.due <= until) RunOne();
  now_ = std::max(now_, until);
}

void World::Trace(uint64_t word) {
  trace_hash_ = (trace_hash_ ^ word) * 0x9e3779b97f4a7c15u;
  trace_hash_ ^= trace_hash_ >> 32;
}

WallMillis SimClock::WallNow() const {
  return kWallStart + wall_skew_.count() +
         std::chrono::duration_cast<Millis>(world_.now().since_zero()).count();
}

void SimEventLoop::Post(Task task) { world_.Schedule(world_.now(), &process_, std::move(task)); }

TimerId SimEventLoop::RunAfter(Micros delay, Task task) {
  QCHECK_GE(delay.count(), 0);
  const uint64_t id = next_timer_++;
  timers_[id] = world_.ScheduleIn(std::min(delay, kNever), &process_,
                                  [this, id, task = std::move(task)]() mutable {
                                    timers_.erase(id);
                                    task();
                                  });
  return static_cast<TimerId>(id);
}

bool SimEventLoop::Cancel(TimerId timer) {
  const auto it = timers_.find(static_cast<uint64_t>(timer));
  if (it == timers_.end()) return false;
  const EventKey key = it->second;
  timers_.erase(it);
  return world_.Cancel(key);
}

Process::Process(World& world, std::string host, uint64_t seed, Millis wall_skew)
    : world_(world),
      host_(std::move(host)),
      clock_(world, wall_skew),
      loop_(world, *this, clock_),
      random_(seed) {}

Process::~Process() { Kill(); }

void Process::Kill(bool silently) {
  Freeze(silently);
  world_.DropEventsOf(this);
}

void Process::Freeze(bool silently) {
  if (!alive_) return;
  alive_ = false;
  died_silently_ = silently;
}

}  // namespace quorate::sim
