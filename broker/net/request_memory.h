// broker/net/request_memory.h
//
// RequestMemory bounds the bytes of requests that were received and not yet answered, over all
// connections of one loop. Over the bound connections stop reading until others are done.
//
// Thread-compatible: owned by one loop.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <utility>

#include "base/check.h"
#include "base/event_loop.h"
#include "base/task.h"

namespace quorate {

class RequestMemory {
 public:
  RequestMemory(EventLoop* loop, size_t limit_bytes) : loop_(loop), limit_(limit_bytes) {}
  ~RequestMemory() { *alive_ = false; }
  RequestMemory(const RequestMemory&) = delete;
  RequestMemory& operator=(const RequestMemory&) = delete;

  // Always granted: a request of any size makes progress when it is alone, so the use may pass the
  // limit by one read of each connection.
  void Take(size_t bytes) { used_ += bytes; }

  // Gives back. Waiters run later, in a task of their own.
  void Release(size_t bytes) {
    QCHECK_LE(bytes, used_);
    used_ -= bytes;
    MaybeWake();
  }

  bool full() const { return used_ >= limit_; }
  size_t used() const { return used_; }

  // Runs `task` once there is room, in the order of the calls. At most one per connection.
  void Wait(Task task) { waiters_.push_back(std::move(task)); }

 private:
  void MaybeWake() {
    if (wake_posted_ || full() || waiters_.empty()) return;
    wake_posted_ = true;
    loop_->Post([this, alive = alive_] {
      if (!*alive) return;
      wake_posted_ = false;
      while (!full() && !waiters_.empty()) {
        Task next = std::move(waiters_.front());
        waiters_.pop_front();
        next();
      }
    });
  }

  EventLoop* const loop_;
  const size_t limit_;
  size_t used_ = 0;
  std::deque<Task> waiters_;
  bool wake_posted_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace quorate
