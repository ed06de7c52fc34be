#include "base/posix/loop_thread.h"

#include <pthread.h>
#include <sys/prctl.h>

#include <utility>

#include "base/check.h"

namespace quorate {

LoopThread::LoopThread(std::string name, const Clock* clock)
    : name_(std::move(name)), loop_(clock) {}

LoopThread::~LoopThread() { StopAndJoin(); }

void LoopThread::Start() {
  QCHECK(!thread_.joinable());
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), name_.substr(0, 15).c_str());
    // The kernel rounds waits up by 50 us unless told otherwise.
    constexpr unsigned long kSlackNanos = 1000;
    prctl(PR_SET_TIMERSLACK, kSlackNanos);
    loop_.Run();
  });
}

void LoopThread::StopAndJoin() {
  QCHECK(!loop_.OnLoop());
  loop_.Stop();
  if (thread_.joinable()) thread_.join();
}

}  // namespace quorate
