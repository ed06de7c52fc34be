// base/blocking_pool.h
//
// BlockingPool runs what may block (fsync, cold reads, recovery) away from the loops. It owns
// nothing: work gets what it needs by value or shared pointer, and its result is posted back.
#pragma once

#include <memory>
#include <utility>

#include "base/event_loop.h"
#include "base/task.h"

namespace quorate {

// Thread-safe. Bounded threads; the queue is bounded by its callers, each of which has at most a
// stated number of pieces of work outstanding (e.g. one fdatasync per log).
class BlockingPool {
 public:
  virtual ~BlockingPool() = default;

  // Runs `work` on some pool thread. Pieces of work may run at the same time and in any order.
  virtual void Run(Task work) = 0;

  // Runs `work()` on the pool, then `done(result)` on `loop`. R must be movable, not void.
  template <typename Work, typename Done>
  void RunThen(EventLoop* loop, Work work, Done done) {
    Run([loop, work = std::move(work), done = std::move(done)]() mutable {
      auto result = work();
      loop->Post([done = std::move(done), result = std::move(result)]() mutable {
        done(std::move(result));
      });
    });
  }
};

}  // namespace quorate
