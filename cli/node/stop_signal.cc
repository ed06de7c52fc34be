#include "cli/node/stop_signal.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cstdint>

#include "base/check.h"

namespace quorate {

StopSignal::StopSignal(Kind kind) {
  event_descriptor_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  QCHECK_GE(event_descriptor_, 0);
  if (kind != Kind::kProcess) return;
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  QCHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, nullptr), 0);
  signal_descriptor_ = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  QCHECK_GE(signal_descriptor_, 0);
}

StopSignal::~StopSignal() {
  close(event_descriptor_);
  if (signal_descriptor_ >= 0) close(signal_descriptor_);
}

void StopSignal::Notify() {
  const uint64_t one = 1;
  const ssize_t written = write(event_descriptor_, &one, sizeof(one));
  static_cast<void>(written);  // Only a full counter fails, and that wakes the waiter too.
}

void StopSignal::Fail(const absl::Status& why) {
  {
    const std::lock_guard<std::mutex> lock(mu_);
    if (failure_.ok()) failure_ = why;
  }
  Notify();
}

bool StopSignal::Wait(int timeout_ms) {
  // Descriptors of -1 are ignored by poll.
  pollfd entries[] = {{event_descriptor_, POLLIN, 0}, {signal_descriptor_, POLLIN, 0}};
  while (true) {
    const int ready = poll(entries, 2, timeout_ms);
    if (ready > 0) return true;
    if (ready == 0) return false;
  }
}

absl::Status StopSignal::failure() const {
  const std::lock_guard<std::mutex> lock(mu_);
  return failure_;
}

}  // namespace quorate
