// tests/sim/world/world.h
//
// World: a whole cluster's time, machines and links on one thread, decided by one seed. Everything
// that happens is an event with a time; the earliest runs next. Equal seeds give equal runs, which
// the trace hash shows.
//
// A Process is one running incarnation of a node: it has a loop, a clock and randomness. Killing
// it drops all its events unrun. Streams and calls remember their processes, so a killed process
// is kept until the world's end.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/random.h"
#include "base/task.h"

namespace quorate::sim {

class Process;

// Names a scheduled event.
struct EventKey {
  uint64_t sequence = 0;  // 0 = none; later ones have higher numbers
  uint32_t slot = 0;
};

class World {
 public:
  explicit World(uint64_t seed);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  MonoTime now() const { return now_; }
  // Decides about faults and delays; nodes have their own streams.
  Random& random() { return random_; }

  // Runs `task` at `due` (not before now). It is dropped if `owner` (may be null) dies first.
  EventKey Schedule(MonoTime due, Process* owner, Task task);
  EventKey ScheduleIn(Micros delay, Process* owner, Task task) {
    return Schedule(now_ + delay, owner, std::move(task));
  }
  // A timer of `owner`, whose clock may drift: not before that clock has gone on by `delay`.
  EventKey ScheduleTimer(Micros delay, Process* owner, Task task);
  // True if it had not run.
  bool Cancel(const EventKey& key);
  // Drops all events of a process.
  void DropEventsOf(Process* owner);
  // A process that was paused goes on: what was due meanwhile runs now, in its order.
  void Release(Process* owner);

  // Runs the next event; false if there is none.
  bool RunOne();
  // More events than this at one moment are a mistake: RunUntil returns before it is done.
  static constexpr uint64_t kStuck = 1'000'000;
  // Runs all events up to `until`, then sets the time to it.
  void RunUntil(MonoTime until);

  // The process whose event runs, or null.
  Process* current() const { return current_; }
  // Runs `task` now, inside another event or none, as an event of `process` would run.
  void RunAs(Process& process, Task task);

  // Folds a word into the trace hash.
  void Trace(uint64_t word);
  uint64_t trace_hash() const { return trace_hash_; }
  uint64_t events_run() const { return events_run_; }
  // The most events so far that ran one after the other while no time passed, and the most that one
  // of them scheduled.
  uint64_t most_at_once() const { return most_at_once_; }
  uint64_t most_by_one() const { return most_by_one_; }

 private:
  friend class Process;

  struct Event {
    Process* owner = nullptr;
    uint64_t sequence = 0;  // 0 = the slot is free
    MonoTime local_due;     // of a timer of a process whose clock drifts; else zero
    Task task;
  };
  // An event's turn. Those of dropped events stay until they come up.
  struct Turn {
    MonoTime due;
    uint64_t sequence = 0;
    uint32_t slot = 0;
    // For std::*_heap, which have the largest in front.
    bool operator<(const Turn& other) const {
      return due != other.due ? due > other.due : sequence > other.sequence;
    }
  };

  bool IsLive(const Turn& turn) const { return events_[turn.slot].sequence == turn.sequence; }
  // The next live turn not later than `until`, taken out; false if there is none.
  bool TakeNext(MonoTime until, Turn* next);
  Task FreeSlot(uint32_t slot);
  void MaybeForgetDropped();
  void RunTurn(const Turn& turn);

  SeededRandom random_;
  MonoTime now_{Micros(1)};  // never the meaningless zero point
  uint64_t next_sequence_ = 1;
  std::vector<Event> events_;   // by slot
  std::vector<uint32_t> free_;  // slots
  std::vector<Turn> later_;     // a heap
  std::deque<Turn> posted_;     // due at the moment they were scheduled, in order
  size_t dropped_ = 0;          // turns in later_ whose events are gone, about
  Process* current_ = nullptr;
  uint64_t trace_hash_ = 0xcbf29ce484222325u;
  uint64_t events_run_ = 0;
  MonoTime moment_;       // of the latest event
  uint64_t at_once_ = 0;  // events at this moment
  uint64_t most_at_once_ = 0;
  uint64_t most_by_one_ = 0;
};

// The clock of one process: the world's time, with its own idea of the wall clock.
class SimClock final : public Clock {
 public:
  SimClock(const World& world, Millis wall_skew) : world_(world), wall_skew_(wall_skew) {}
  MonoTime Now() const override {
    if (drift_ppm_ == 0 && world_base_ == local_base_) return world_.now();
    return DriftedNow();
  }
  WallMillis WallNow() const override;
  // Somebody set the wall clock.
  void Jump(Millis by) { wall_skew_ += by; }
  // From now on it runs `ppm` millionths fast (> 0) or slow. REQUIRES: |ppm| < 500,000.
  void SetDrift(int64_t ppm);
  bool drifts() const { return drift_ppm_ != 0 || world_base_ != local_base_; }
  // How long the world takes until this clock has gone on by `local`, rounded up.
  Micros WorldTimeFor(Micros local) const;

 private:
  MonoTime DriftedNow() const;

  const World& world_;
  Millis wall_skew_;
  // Of a quartz that is off: local time is local_base_ at world_base_ and goes on at this rate.
  int64_t drift_ppm_ = 0;
  MonoTime world_base_;
  MonoTime local_base_;
};

class SimEventLoop final : public EventLoop {
 public:
  SimEventLoop(World& world, Process& process, const SimClock& clock)
      : world_(world), process_(process), clock_(clock) {}

  void Post(Task task) override;
  TimerId RunAfter(Micros delay, Task task) override;
  bool Cancel(TimerId timer) override;
  bool OnLoop() const override { return world_.current() == &process_; }
  Process& process() { return process_; }
  const Clock& clock() const override { return clock_; }

 private:
  World& world_;
  Process& process_;
  const SimClock& clock_;
};

// One incarnation of one machine's server process. `host` names the machine.
class Process {
 public:
  Process(World& world, std::string host, uint64_t seed, Millis wall_skew = Millis(0));
  ~Process();  // kills it
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  World& world() { return world_; }
  const std::string& host() const { return host_; }
  EventLoop& loop() { return loop_; }
  const SimClock& clock() const { return clock_; }
  Random& random() { return random_; }
  MonoTime born() const { return born_; }
  // What is posted now comes that much later: for the end of work that took effect before it ended.
  void set_post_delay(Micros delay) { post_delay_ = delay; }
  Micros post_delay() const { return post_delay_; }
  void JumpClock(Millis by) { clock_.Jump(by); }
  void SetClockDrift(int64_t ppm) { clock_.SetDrift(ppm); }

  // Stops it as SIGSTOP does: time goes on, its events wait. Resume runs them in their order.
  void Pause() { paused_ = alive_; }
  void Resume();
  bool paused() const { return paused_; }
  // Runs `task` once the process goes on, or is dead: for what its machine does with messages on
  // its behalf. REQUIRES: paused().
  void WhenResumed(Task task) { boundary_.push_back(std::move(task)); }

  bool alive() const { return alive_; }
  // True if its machine lost power: no kernel is left to tell its peers.
  bool died_silently() const { return died_silently_; }
  // From now on nothing of it runs, and what it sends while its objects are destroyed goes
  // nowhere. Peers see it at once, or, if `silently`, when their patience ends.
  void Kill(bool silently = false);
  // As Kill, but events are dropped by a later Kill: for death in the middle of its own event.
  void Freeze(bool silently);

 private:
  World& world_;
  const std::string host_;
  SimClock clock_;
  SimEventLoop loop_;
  SeededRandom random_;
  const MonoTime born_;
  Micros post_delay_{0};
  bool alive_ = true;
  bool died_silently_ = false;
  bool paused_ = false;
  std::vector<World::Turn> held_;  // came up while paused; the world's
  std::vector<Task> boundary_;     // WhenResumed

  friend class World;
};

}  // namespace quorate::sim
