// base/posix/loop_thread.h
#pragma once

#include <string>
#include <thread>

#include "base/posix/posix_event_loop.h"

namespace quorate {

// A PosixEventLoop with the thread that runs it. Made by composition roots and tests only.
// Thread-compatible: owned by the thread that made it.
class LoopThread {
 public:
  // The loop takes tasks and timers at once and runs them from Start on. `name` shows in top and
  // gdb (first 15 characters). `clock` outlives this.
  LoopThread(std::string name, const Clock* clock);
  // Stops and joins.
  ~LoopThread();
  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;

  // REQUIRES: called once.
  void Start();
  // Stops the loop and waits for its thread. Objects of the loop may be destroyed afterwards by
  // the calling thread. Idempotent. REQUIRES: not on the loop.
  void StopAndJoin();

  PosixEventLoop* loop() { return &loop_; }

 private:
  const std::string name_;
  PosixEventLoop loop_;
  std::thread thread_;
};

}  // namespace quorate
