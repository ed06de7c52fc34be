#include "cli/quickstart/signal_watch.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/check.h"

namespace quorate {

SignalWatch::SignalWatch() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  QCHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, nullptr), 0);
  descriptor_ = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  QCHECK_GE(descriptor_, 0);
}

SignalWatch::~SignalWatch() { close(descriptor_); }

bool SignalWatch::Wait(int timeout_ms) {
  if (seen_) return true;
  pollfd entry{descriptor_, POLLIN, 0};
  if (poll(&entry, 1, timeout_ms) > 0) {
    signalfd_siginfo info;
    seen_ = read(descriptor_, &info, sizeof(info)) == sizeof(info);
  }
  return seen_;
}

}  // namespace quorate
