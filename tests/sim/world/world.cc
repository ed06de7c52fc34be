#include "tests/sim/world/world.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace quorate::sim {
namespace {

// 2026-01-01T00:00:00Z: where the wall clocks of all runs begin.
constexpr WallMillis kWallStart = 1767225600000;

// Longer delays mean "never".
constexpr Micros kNever = std::chrono::hours(24 * 365);

// Timer ids are a slot and the low bits of a sequence number.
constexpr int kSequenceBits = 40;
constexpr uint64_t kSequenceMask = (uint64_t{1} << kSequenceBits) - 1;

}  // namespace

World::World(uint64_t seed) : random_(seed) {}

World::~World() = default;

EventKey World::Schedule(MonoTime due, Process* owner, Task task) {
  const uint64_t sequence = next_sequence_++;
  if (owner != nullptr && !owner->alive()) return {};  // A dead process schedules nothing.
  uint32_t slot = 0;
  if (free_.empty()) {
    slot = static_cast<uint32_t>(events_.size());
    events_.emplace_back();
  } else {
    slot = free_.back();
    free_.pop_back();
  }
  Event& event = events_[slot];
  event.owner = owner;
  event.sequence = sequence;
  event.local_due = MonoTime();
  event.task = std::move(task);
  if (due <= now_) {
    posted_.push_back({now_, sequence, slot});
  } else {
    later_.push_back({due, sequence, slot});
    std::push_heap(later_.begin(), later_.end());
  }
  return {sequence, slot};
}

EventKey World::ScheduleTimer(Micros delay, Process* owner, Task task) {
  const EventKey key = ScheduleIn(owner->clock().WorldTimeFor(delay), owner, std::move(task));
  if (key.sequence != 0) events_[key.slot].local_due = owner->clock().Now() + delay;
  return key;
}

Task World::FreeSlot(uint32_t slot) {
  Event& event = events_[slot];
  event.owner = nullptr;
  event.sequence = 0;
  free_.push_back(slot);
  return std::move(event.task);
}

bool World::Cancel(const EventKey& key) {
  if (key.sequence == 0 || events_[key.slot].sequence != key.sequence) return false;
  const Task dropped = FreeSlot(key.slot);  // Destroyed once all is consistent again.
  ++dropped_;
  MaybeForgetDropped();
  return true;
}

void World::MaybeForgetDropped() {
  if (later_.size() < 256 || dropped_ * 2 < later_.size()) return;
  std::erase_if(later_, [this](const Turn& turn) { return !IsLive(turn); });
  std::make_heap(later_.begin(), later_.end());
  dropped_ = 0;
}

void World::DropEventsOf(Process* owner) {
  std::vector<Task> dropped;
  for (uint32_t slot = 0; slot < events_.size(); ++slot) {
    if (events_[slot].sequence == 0 || events_[slot].owner != owner) continue;
    dropped.push_back(FreeSlot(slot));
    ++dropped_;
  }
  owner->held_.clear();
}

void World::Release(Process* owner) {
  for (const Turn& turn : std::exchange(owner->held_, {})) {
    later_.push_back(turn);
    std::push_heap(later_.begin(), later_.end());
  }
}

bool World::TakeNext(MonoTime until, Turn* next) {
  while (!posted_.empty() || !later_.empty()) {
    // Turns in the past are those of a process that was paused.
    if (posted_.empty() || (!later_.empty() && posted_.front() < later_.front())) {
      if (later_.front().due > until) return false;
      *next = later_.front();
      std::pop_heap(later_.begin(), later_.end());
      later_.pop_back();
      if (!IsLive(*next) && dropped_ > 0) --dropped_;
    } else {
      *next = posted_.front();
      posted_.pop_front();
    }
    if (!IsLive(*next)) continue;
    Process* const owner = events_[next->slot].owner;
    if (owner != nullptr && owner->paused()) {
      owner->held_.push_back(*next);
      continue;
    }
    const MonoTime local_due = events_[next->slot].local_due;
    if (owner == nullptr || local_due == MonoTime()) return true;
    // The process' clock became slower since it asked for this timer: it is not yet due there.
    now_ = std::max(now_, next->due);
    const MonoTime local = owner->clock().Now();
    if (local >= local_due) return true;
    later_.push_back(
        {now_ + owner->clock().WorldTimeFor(local_due - local), next->sequence, next->slot});
    std::push_heap(later_.begin(), later_.end());
  }
  return false;
}

void World::RunTurn(const Turn& turn) {
  Process* const owner = events_[turn.slot].owner;
  Task task = FreeSlot(turn.slot);
  now_ = std::max(now_, turn.due);
  if (std::exchange(moment_, now_) != now_) at_once_ = 0;
  ++events_run_;
  most_at_once_ = std::max(most_at_once_, ++at_once_);
  const uint64_t scheduled = next_sequence_;
  Trace(static_cast<uint64_t>(now_.since_zero().count()));
  Trace(turn.sequence);
  if (owner != nullptr && !owner->alive()) return;
  current_ = owner;
  task();
  task = nullptr;  // What it holds is destroyed while its process is current.
  current_ = nullptr;
  most_by_one_ = std::max(most_by_one_, next_sequence_ - scheduled);
}

bool World::RunOne() {
  Turn turn;
  if (!TakeNext(MonoTime::Max(), &turn)) return false;
  RunTurn(turn);
  return true;
}

void World::RunAs(Process& process, Task task) {
  Process* const outer = std::exchange(current_, &process);
  task();
  task = nullptr;
  current_ = outer;
}

void World::RunUntil(MonoTime until) {
  Turn turn;
  while (at_once_ < kStuck && TakeNext(until, &turn)) RunTurn(turn);
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

MonoTime SimClock::DriftedNow() const {
  const int64_t elapsed = (world_.now() - world_base_).count();
  return local_base_ + Micros(elapsed + elapsed * drift_ppm_ / 1'000'000);
}

void SimClock::SetDrift(int64_t ppm) {
  local_base_ = Now();
  world_base_ = world_.now();
  drift_ppm_ = ppm;
}

Micros SimClock::WorldTimeFor(Micros local) const {
  if (drift_ppm_ == 0) return local;
  const int64_t rate = 1'000'000 + drift_ppm_;
  // Two more for the roundings down of both readings.
  return Micros(
      static_cast<int64_t>(static_cast<double>(local.count()) * 1e6 / static_cast<double>(rate)) +
      2);
}

void SimEventLoop::Post(Task task) {
  world_.Schedule(world_.now() + process_.post_delay(), &process_, std::move(task));
}

TimerId SimEventLoop::RunAfter(Micros delay, Task task) {
  QCHECK_GE(delay.count(), 0);
  delay = std::min(delay, kNever);
  const EventKey key = clock_.drifts() ? world_.ScheduleTimer(delay, &process_, std::move(task))
                                       : world_.ScheduleIn(delay, &process_, std::move(task));
  if (key.sequence == 0) return TimerId::kNone;
  return static_cast<TimerId>(uint64_t{key.slot} << kSequenceBits | key.sequence);
}

bool SimEventLoop::Cancel(TimerId timer) {
  const uint64_t id = static_cast<uint64_t>(timer);
  return world_.Cancel({id & kSequenceMask, static_cast<uint32_t>(id >> kSequenceBits)});
}

Process::Process(World& world, std::string host, uint64_t seed, Millis wall_skew)
    : world_(world),
      host_(std::move(host)),
      clock_(world, wall_skew),
      loop_(world, *this, clock_),
      random_(seed),
      born_(world.now()) {}

Process::~Process() { Kill(); }

void Process::Kill(bool silently) {
  Freeze(silently);
  world_.DropEventsOf(this);
}

void Process::Freeze(bool silently) {
  if (!alive_) return;
  alive_ = false;
  died_silently_ = silently;
  Resume();
}

void Process::Resume() {
  if (!paused_) return;
  paused_ = false;
  world_.Release(this);
  for (Task& task : std::exchange(boundary_, {})) {
    world_.ScheduleIn(Micros(0), nullptr, std::move(task));
  }
}

}  // namespace quorate::sim
