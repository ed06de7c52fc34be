#include "base/posix/posix_blocking_pool.h"

#include <pthread.h>

#include <utility>

#include "base/check.h"

namespace quorate {

PosixBlockingPool::PosixBlockingPool(int threads, std::string name) {
  QCHECK_GT(threads, 0);
  threads_.reserve(static_cast<size_t>(threads));
  for (int i = 0; i < threads; ++i) {
    threads_.emplace_back([this] { Work(); });
    pthread_setname_np(threads_.back().native_handle(), name.substr(0, 15).c_str());
  }
}

PosixBlockingPool::~PosixBlockingPool() {
  {
    std::lock_guard lock(mu_);
    closing_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void PosixBlockingPool::Run(Task work) {
  {
    std::lock_guard lock(mu_);
    queue_.push_back(std::move(work));
  }
  changed_.notify_one();
}

void PosixBlockingPool::Work() {
  std::unique_lock lock(mu_);
  while (true) {
    // Work under way may still queue more, so nobody leaves before it is done.
    changed_.wait(lock, [this] { return !queue_.empty() || (closing_ && running_ == 0); });
    if (queue_.empty()) return;
    ++running_;
    Task work = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    std::move(work)();
    work = nullptr;  // What it holds is destroyed outside the lock.
    lock.lock();
    --running_;
    if (closing_ && running_ == 0) changed_.notify_all();
  }
}

}  // namespace quorate
