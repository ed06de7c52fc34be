// broker/testing/test_loop.h
//
// TestLoop runs tasks and timers on the test's thread, on a clock that only the test moves.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <utility>

#include "base/blocking_pool.h"
#include "base/event_loop.h"

namespace quorate {

class TestLoop final : public EventLoop {
 public:
  void Post(Task task) override { tasks_.push_back(std::move(task)); }
  TimerId RunAfter(Micros delay, Task task) override {
    const uint64_t id = ++last_timer_;
    timers_.emplace(std::make_pair(clock_.now + delay, id), std::move(task));
    return TimerId{id};
  }
  bool Cancel(TimerId timer) override {
    for (auto it = timers_.begin(); it != timers_.end(); ++it) {
      if (it->first.second == static_cast<uint64_t>(timer)) {
        timers_.erase(it);
        return true;
      }
    }
    return false;
  }
  bool OnLoop() const override { return true; }
  const Clock& clock() const override { return clock_; }

  // Runs posted tasks until none is left.
  void RunPosted() {
    while (!tasks_.empty()) {
      Task task = std::move(tasks_.front());
      tasks_.pop_front();
      task();
    }
  }
  // Moves the clock on, running timers in order of their due times.
  void Advance(Micros by) {
    const MonoTime end = clock_.now + by;
    RunPosted();
    while (!timers_.empty() && timers_.begin()->first.first <= end) {
      auto node = timers_.extract(timers_.begin());
      clock_.now = std::max(clock_.now, node.key().first);
      node.mapped()();
      RunPosted();
    }
    clock_.now = end;
  }
  size_t timer_count() const { return timers_.size(); }

 private:
  struct TestClock final : Clock {
    MonoTime now{std::chrono::seconds(1000)};
    MonoTime Now() const override { return now; }
    WallMillis WallNow() const override {
      return 1'700'000'000'000 + std::chrono::duration_cast<Millis>(now.since_zero()).count();
    }
  };
  TestClock clock_;
  std::deque<Task> tasks_;
  std::map<std::pair<MonoTime, uint64_t>, Task> timers_;
  uint64_t last_timer_ = 0;
};

// Runs work as a task of a TestLoop.
class TestPool final : public BlockingPool {
 public:
  explicit TestPool(TestLoop* loop) : loop_(loop) {}
  void Run(Task work) override { loop_->Post(std::move(work)); }

 private:
  TestLoop* const loop_;
};

}  // namespace quorate
