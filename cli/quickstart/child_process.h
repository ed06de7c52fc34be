// cli/quickstart/child_process.h
//
// ChildProcess: one server process of a quickstart cluster.
//
// Composition root code: it uses the operating system directly.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace quorate {

// A child of this process. Thread-compatible. It is killed when this process dies, however that
// happens.
class ChildProcess {
 public:
  // `arguments[0]` is the program's path; its output is appended to `log_path`.
  ChildProcess(std::vector<std::string> arguments, std::string log_path);
  ~ChildProcess();  // kills it if it runs
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  // ERRORS: kFailedPrecondition if it runs; kInternal with errno's text.
  absl::Status Start();

  bool running() const { return pid_ > 0; }
  pid_t pid() const { return pid_; }
  const std::string& log_path() const { return log_path_; }

  // Sends a signal; nothing happens if it does not run.
  void Signal(int signal_number);

  // Tells whether the process has ended; if so returns how ("exited with 1", "killed by signal 9")
  // once and running() turns false.
  std::optional<std::string> Reap();

  // Waits for the end, at most `timeout_ms`, then kills. Returns how it ended.
  std::string WaitOrKill(int timeout_ms);

 private:
  std::vector<std::string> arguments_;
  std::string log_path_;
  pid_t pid_ = -1;
};

}  // namespace quorate
