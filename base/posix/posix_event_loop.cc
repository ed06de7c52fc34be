#include "base/posix/posix_event_loop.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace quorate {

PosixEventLoop::PosixEventLoop(const Clock* clock)
    : clock_(clock),
      epoll_fd_(epoll_create1(EPOLL_CLOEXEC)),
      wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  QCHECK_GE(epoll_fd_, 0);
  QCHECK_GE(wake_fd_, 0);
  // A null handler marks the wake-up descriptor; there is nothing to do for it.
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  QCHECK_EQ(epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, wake_fd_, &event), 0);
}

PosixEventLoop::~PosixEventLoop() {
  QCHECK(thread_.load() == std::thread::id());
  DropAll();
  close(wake_fd_);
  close(epoll_fd_);
}

void PosixEventLoop::Run() {
  QCHECK(!has_run_);
  has_run_ = true;
  thread_.store(std::this_thread::get_id());
  while (!stop_.load(std::memory_order_acquire)) {
    RunPosted();
    RunDueTimers();
    RunDeferred();
    if (!stop_.load(std::memory_order_acquire)) Poll();
  }
  DropAll();
  thread_.store(std::thread::id());
}

void PosixEventLoop::Stop() {
  stop_.store(true, std::memory_order_release);
  Wake();
}

void PosixEventLoop::Wake() {
  const uint64_t one = 1;
  // Fails only when the counter is full, and then a wake-up is pending anyway.
  [[maybe_unused]] ssize_t written = write(wake_fd_, &one, sizeof(one));
}

void PosixEventLoop::Post(Task task) {
  bool wake = false;
  {
    std::lock_guard lock(mu_);
    if (!closed_) {
      posted_.push_back(std::move(task));
      wake = std::exchange(sleeping_, false);
    }
  }
  if (wake) Wake();
}

TimerId PosixEventLoop::RunAfter(Micros delay, Task task) {
  CheckOwner();
  QCHECK_GE(delay.count(), 0);
  const MonoTime now = Now();
  const MonoTime due = delay > MonoTime::Max() - now ? MonoTime::Max() : now + delay;
  const uint64_t id = next_timer_++;
  timers_.emplace(id, std::move(task));
  heap_.push_back({due, id});
  std::push_heap(heap_.begin(), heap_.end());
  return TimerId{id};
}

bool PosixEventLoop::Cancel(TimerId timer) {
  CheckOwner();
  auto found = timers_.find(static_cast<uint64_t>(timer));
  if (found == timers_.end()) return false;
  Task dropped = std::move(found->second);  // Destroyed last: it may call back into the loop.
  timers_.erase(found);
  if (heap_.size() > 2 * timers_.size() + 64) CompactHeap();
  return true;
}

bool PosixEventLoop::OnLoop() const {
  return thread_.load(std::memory_order_relaxed) == std::this_thread::get_id();
}

void PosixEventLoop::CheckOwner() const {
  const std::thread::id owner = thread_.load(std::memory_order_relaxed);
  QCHECK(owner == std::this_thread::get_id() || owner == std::thread::id());
}

int PosixEventLoop::Watch(int fd, uint32_t events, FdHandler* handler) {
  CheckOwner();
  QCHECK(handler != nullptr);
  epoll_event event{};
  event.events = events;
  event.data.ptr = handler;
  return epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : errno;
}

void PosixEventLoop::Unwatch(int fd, FdHandler* handler) {
  CheckOwner();
  QCHECK_EQ(epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, nullptr), 0);
  for (int i = 0; i < event_count_; ++i) {
    if (events_[i].data.ptr == handler) events_[i].data.ptr = nullptr;
  }
}

void PosixEventLoop::Defer(FdHandler* handler) {
  CheckOwner();
  deferred_.push_back(handler);
}

void PosixEventLoop::CancelDeferred(FdHandler* handler) {
  CheckOwner();
  std::replace(deferred_.begin(), deferred_.end(), handler, static_cast<FdHandler*>(nullptr));
  std::replace(deferred_now_.begin(), deferred_now_.end(), handler,
               static_cast<FdHandler*>(nullptr));
}

void PosixEventLoop::RunPosted() {
  {
    std::lock_guard lock(mu_);
    batch_.swap(posted_);
  }
  for (Task& task : batch_) {
    if (stop_.load(std::memory_order_relaxed)) break;
    std::move(task)();
    task = nullptr;  // What it holds goes before the next task runs.
  }
  batch_.clear();
}

void PosixEventLoop::RunDueTimers() {
  if (heap_.empty()) return;
  const MonoTime now = Now();
  const uint64_t end = next_timer_;  // Timers set from here on wait for the next turn.
  while (!stop_.load(std::memory_order_relaxed)) {
    DropCancelledTop();
    if (heap_.empty() || heap_.front().due > now || heap_.front().id >= end) return;
    auto found = timers_.find(heap_.front().id);
    Task task = std::move(found->second);
    timers_.erase(found);
    std::pop_heap(heap_.begin(), heap_.end());
    heap_.pop_back();
    std::move(task)();
  }
}

void PosixEventLoop::DropCancelledTop() {
  while (!heap_.empty() && !timers_.contains(heap_.front().id)) {
    std::pop_heap(heap_.begin(), heap_.end());
    heap_.pop_back();
  }
}

void PosixEventLoop::CompactHeap() {
  std::erase_if(heap_, [this](const HeapEntry& entry) { return !timers_.contains(entry.id); });
  std::make_heap(heap_.begin(), heap_.end());
}

void PosixEventLoop::RunDeferred() {
  deferred_now_.swap(deferred_);
  // By index: CancelDeferred writes into the vector meanwhile.
  for (size_t i = 0; i < deferred_now_.size(); ++i) {
    if (FdHandler* handler = std::exchange(deferred_now_[i], nullptr)) handler->OnDeferred();
  }
  deferred_now_.clear();
}

void PosixEventLoop::Poll() {
  DropCancelledTop();
  Micros timeout(-1);
  if (!deferred_.empty()) {
    timeout = Micros(0);
  } else if (!heap_.empty() && heap_.front().due != MonoTime::Max()) {
    timeout = std::max(Micros(0), heap_.front().due - Now());
  }
  {
    std::lock_guard lock(mu_);
    if (!posted_.empty()) timeout = Micros(0);
    sleeping_ = timeout != Micros(0);
  }
  Wait(timeout);
  if (timeout != Micros(0)) {
    std::lock_guard lock(mu_);
    sleeping_ = false;
  }
  for (int i = 0; i < event_count_ && !stop_.load(std::memory_order_relaxed); ++i) {
    if (events_[i].data.ptr == nullptr) continue;  // the wake-up, or unwatched meanwhile
    static_cast<FdHandler*>(events_[i].data.ptr)->OnEvents(events_[i].events);
  }
  event_count_ = 0;
}

void PosixEventLoop::Wait(Micros timeout) {
  const int capacity = static_cast<int>(events_.size());
  if (use_pwait2_ && timeout > Micros(0)) {
    timespec until;
    until.tv_sec = timeout.count() / 1'000'000;
    until.tv_nsec = timeout.count() % 1'000'000 * 1000;
    event_count_ = epoll_pwait2(epoll_fd_, events_.data(), capacity, &until, nullptr);
    if (event_count_ >= 0) return;
    event_count_ = 0;
    if (errno == EINTR) return;
    // Older kernels and some sandboxes: whole milliseconds then, rounded up.
    QCHECK(errno == ENOSYS || errno == EPERM);
    use_pwait2_ = false;
  }
  constexpr int64_t kLongestMs = 1'000'000;
  const int64_t ms = timeout < Micros(0) ? -1 : (timeout.count() + 999) / 1000;
  event_count_ =
      epoll_wait(epoll_fd_, events_.data(), capacity, static_cast<int>(std::min(ms, kLongestMs)));
  if (event_count_ < 0) {
    QCHECK_EQ(errno, EINTR);
    event_count_ = 0;
  }
}

void PosixEventLoop::DropAll() {
  std::vector<Task> posted;
  {
    std::lock_guard lock(mu_);
    closed_ = true;
    posted.swap(posted_);
  }
  posted.clear();
  // Destructors may set timers; those go the same way.
  while (!timers_.empty()) {
    auto timers = std::exchange(timers_, {});
    heap_.clear();
  }
  heap_.clear();
}

}  // namespace quorate
