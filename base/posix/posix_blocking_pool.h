// base/posix/posix_blocking_pool.h
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/blocking_pool.h"

namespace quorate {

// A fixed number of threads that take work from one queue, oldest first. Made by composition
// roots only; destroy it before the loops that its work posts to. Thread-safe.
class PosixBlockingPool final : public BlockingPool {
 public:
  // REQUIRES: threads > 0. `name` shows in top and gdb (first 15 characters).
  PosixBlockingPool(int threads, std::string name);
  // Runs all queued work, also what that work queues, then joins the threads.
  // BLOCKS: as long as the work does.
  ~PosixBlockingPool() override;

  void Run(Task work) override;

 private:
  void Work();

  std::mutex mu_;
  std::condition_variable changed_;   // queue_, running_ or closing_ changed
  std::deque<Task> queue_;            // guarded by mu_
  int running_ = 0;                   // pieces of work under way; guarded by mu_
  bool closing_ = false;              // guarded by mu_
  std::vector<std::thread> threads_;  // constant after construction
};

}  // namespace quorate
