// base/posix/posix_event_loop.h
//
// PosixEventLoop: the real EventLoop, one thread around epoll. Each turn runs the tasks posted so
// far, then the timers that are due, then the deferred handlers, then waits for descriptors.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/event_loop.h"

namespace quorate {

// What a PosixEventLoop calls for a watched descriptor. Loop-owned.
class FdHandler {
 public:
  // `events` is the epoll bit set. May unwatch or destroy any handler, itself included.
  virtual void OnEvents(uint32_t events) = 0;
  // After Defer: once, at the end of a turn.
  virtual void OnDeferred() {}

 protected:
  ~FdHandler() = default;
};

// Post, Stop and OnLoop are thread-safe; the rest is for the loop's thread, or for one thread
// while the loop does not run.
class PosixEventLoop final : public EventLoop {
 public:
  // `clock` outlives the loop.
  explicit PosixEventLoop(const Clock* clock);
  // REQUIRES: not running.
  ~PosixEventLoop() override;

  // Runs the loop on the calling thread until Stop, then destroys all tasks and timers left.
  // REQUIRES: called once.
  void Run();
  // Makes Run return after the task under way. From any thread, also before Run. What is posted
  // afterwards is destroyed unrun by the posting thread.
  void Stop();

  void Post(Task task) override;
  TimerId RunAfter(Micros delay, Task task) override;
  bool Cancel(TimerId timer) override;
  bool OnLoop() const override;
  const Clock& clock() const override { return *clock_; }

  // For base/posix: calls handler->OnEvents when `events` (EPOLLIN, EPOLLET, ...) show on `fd`.
  // Returns 0 or an errno. `handler` lives until Unwatch.
  int Watch(int fd, uint32_t events, FdHandler* handler);
  // No OnEvents for `fd` follows. REQUIRES: watched, not yet closed.
  void Unwatch(int fd, FdHandler* handler);
  // Calls handler->OnDeferred once at the end of this turn (at the end of the next one if called
  // inside an OnDeferred). REQUIRES: not deferred yet.
  void Defer(FdHandler* handler);
  // Takes a Defer back.
  void CancelDeferred(FdHandler* handler);

 private:
  struct HeapEntry {
    MonoTime due;
    uint64_t id;
    // For a heap with the earliest on top; equal times in order of the calls.
    bool operator<(const HeapEntry& other) const {
      return due != other.due ? due > other.due : id > other.id;
    }
  };

  void CheckOwner() const;  // on the loop, or the loop does not run
  void RunPosted();
  void RunDueTimers();
  void RunDeferred();
  void Poll();
  void Wait(Micros timeout);  // < 0: for ever; fills events_
  void DropCancelledTop();
  void CompactHeap();
  void DropAll();
  void Wake();

  const Clock* const clock_;
  int epoll_fd_;
  int wake_fd_;                            // eventfd, edge-triggered: written, never read
  std::atomic<std::thread::id> thread_{};  // of Run; empty while not running
  std::atomic<bool> stop_{false};

  std::mutex mu_;
  std::vector<Task> posted_;  // guarded by mu_
  bool sleeping_ = false;     // a Post must wake the loop; guarded by mu_
  bool closed_ = false;       // posts are dropped; guarded by mu_

  // Loop-owned from here.
  bool has_run_ = false;
  bool use_pwait2_ = true;  // false once the kernel refused epoll_pwait2
  std::vector<Task> batch_;
  // A cancelled timer leaves `timers_` at once and `heap_` when it surfaces or on compaction.
  uint64_t next_timer_ = 1;
  std::vector<HeapEntry> heap_;
  absl::flat_hash_map<uint64_t, Task> timers_;
  std::vector<FdHandler*> deferred_;      // null: cancelled
  std::vector<FdHandler*> deferred_now_;  // being run
  std::array<epoll_event, 256> events_;
  int event_count_ = 0;  // events_[0, event_count_) are being dispatched
};

}  // namespace quorate
