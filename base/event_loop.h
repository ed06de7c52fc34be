// base/event_loop.h
//
// EventLoop runs tasks and timers one after the other. Objects belong to one loop and are touched
// by it alone; loops talk by posting tasks that carry values. See ARCHITECTURE.md, "Loops and
// threads".
#pragma once

#include <cstdint>

#include "base/check.h"
#include "base/clock.h"
#include "base/task.h"

namespace quorate {

// Names a pending timer of one loop; 0 is "no timer".
enum class TimerId : uint64_t { kNone = 0 };

class EventLoop {
 public:
  virtual ~EventLoop() = default;

  // Runs `task` on this loop, after all tasks posted before it by the same thread. Never runs it
  // inside the call. Tasks still queued when the loop stops are destroyed unrun.
  // Thread-safe.
  virtual void Post(Task task) = 0;

  // Runs `task` on this loop once `delay` (>= 0) has passed. Equal due times run in the order of
  // the calls.
  // REQUIRES: OnLoop(), or the loop has not started.
  virtual TimerId RunAfter(Micros delay, Task task) = 0;

  // Takes a timer back; true if it had not run. kNone and timers that ran are ignored.
  // REQUIRES: OnLoop(), or the loop has not started.
  virtual bool Cancel(TimerId timer) = 0;

  // True on the thread that runs this loop (in a simulation: while one of its tasks runs).
  virtual bool OnLoop() const = 0;
  void AssertOnLoop() const { QCHECK(OnLoop()); }

  virtual const Clock& clock() const = 0;
  MonoTime Now() const { return clock().Now(); }
};

}  // namespace quorate
