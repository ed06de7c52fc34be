// controller/testing/test_loop.h
//
// TestLoop: an event loop on the test's thread whose clock the test moves.
#pragma once

#include <map>
#include <utility>

#include "base/event_loop.h"

namespace quorate::testing {

class TestLoop final : public EventLoop, public Clock {
 public:
  void Post(Task task) override { Add(now_, std::move(task)); }
  TimerId RunAfter(Micros delay, Task task) override { return Add(now_ + delay, std::move(task)); }
  bool Cancel(TimerId timer) override {
    for (auto it = tasks_.begin(); it != tasks_.end(); ++it) {
      if (it->first.second != timer) continue;
      tasks_.erase(it);
      return true;
    }
    return false;
  }
  bool OnLoop() const override { return true; }
  const Clock& clock() const override { return *this; }
  MonoTime Now() const override { return now_; }
  WallMillis WallNow() const override { return now_.since_zero().count() / 1000; }

  // Runs what is due now.
  void Run() { Advance(Micros(0)); }
  // Lets time pass and runs what becomes due, each at its time.
  void Advance(Micros duration) {
    const MonoTime end = now_ + duration;
    while (!tasks_.empty() && tasks_.begin()->first.first <= end) {
      auto node = tasks_.extract(tasks_.begin());
      now_ = std::max(now_, node.key().first);
      node.mapped()();
    }
    now_ = end;
  }
  // Time passes while the loop is held up: what was due runs late, all at the end.
  void Stall(Micros duration) { now_ = now_ + duration; }

 private:
  TimerId Add(MonoTime due, Task task) {
    const TimerId id{next_id_++};
    tasks_.emplace(std::make_pair(due, id), std::move(task));
    return id;
  }

  MonoTime now_{Micros(1000000)};
  uint64_t next_id_ = 1;
  std::map<std::pair<MonoTime, TimerId>, Task> tasks_;
};

}  // namespace quorate::testing
