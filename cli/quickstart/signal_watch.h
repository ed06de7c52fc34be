// cli/quickstart/signal_watch.h
#pragma once

namespace quorate {

// Blocks SIGINT and SIGTERM for this process from construction on and tells when one came. One
// per process, made before threads start. Composition root code.
class SignalWatch {
 public:
  SignalWatch();
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

  // Waits at most `timeout_ms` (>= 0; -1 = for ever); true if a signal came, now or earlier.
  bool Wait(int timeout_ms);
  bool stopped() { return Wait(0); }

 private:
  int descriptor_;
  bool seen_ = false;
};

}  // namespace quorate
