// cli/node/stop_signal.h
#pragma once

#include <mutex>

#include "absl/status/status.h"

namespace quorate {

// Something to wait for: a signal of the process (SIGINT, SIGTERM), or a call of Notify or Fail
// from any thread. Composition root code. Thread-safe.
class StopSignal {
 public:
  enum class Kind {
    kProcess,   // SIGINT and SIGTERM count; blocks them for this thread and those made after it
    kInternal,  // only Notify and Fail
  };
  explicit StopSignal(Kind kind);
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  void Notify();
  // Notify, with the reason of a failure; the first one counts.
  void Fail(const absl::Status& why);
  // Waits at most `timeout_ms` (-1 = for ever); true once it came, now or earlier.
  bool Wait(int timeout_ms);
  absl::Status failure() const;

 private:
  int signal_descriptor_ = -1;
  int event_descriptor_ = -1;
  mutable std::mutex mu_;
  absl::Status failure_;  // guarded by mu_
};

}  // namespace quorate
