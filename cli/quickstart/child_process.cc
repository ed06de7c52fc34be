#include "cli/quickstart/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_format.h"

namespace quorate {
namespace {

std::string Ending(int wait_status) {
  if (WIFSIGNALED(wait_status)) {
    return absl::StrFormat("killed by signal %d (%s)", WTERMSIG(wait_status),
                           strsignal(WTERMSIG(wait_status)));
  }
  return absl::StrFormat("exited with %d", WEXITSTATUS(wait_status));
}

// In the child: only async-signal-safe calls.
[[noreturn]] void Exec(char* const* argv, int log_descriptor, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);  // The parent died before the request took effect.
  setpgid(0, 0);                        // Ctrl-C reaches the supervisor alone.
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  dup2(log_descriptor, STDOUT_FILENO);
  dup2(log_descriptor, STDERR_FILENO);
  const int null_descriptor = open("/dev/null", O_RDONLY);
  if (null_descriptor >= 0) dup2(null_descriptor, STDIN_FILENO);
  execv(argv[0], argv);
  _exit(127);
}

}  // namespace

ChildProcess::ChildProcess(std::vector<std::string> arguments, std::string log_path)
    : arguments_(std::move(arguments)), log_path_(std::move(log_path)) {}

ChildProcess::~ChildProcess() {
  if (!running()) return;
  Signal(SIGKILL);
  int wait_status = 0;
  waitpid(pid_, &wait_status, 0);
}

absl::Status ChildProcess::Start() {
  if (running()) return absl::FailedPreconditionError("the process runs already");
  const int log_descriptor =
      open(log_path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (log_descriptor < 0) {
    return absl::InternalError(absl::StrFormat("%s: %s", log_path_, strerror(errno)));
  }
  std::vector<char*> argv;
  for (std::string& argument : arguments_) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child == 0) Exec(argv.data(), log_descriptor, parent);
  const int error = errno;
  close(log_descriptor);
  if (child < 0) return absl::InternalError(absl::StrFormat("fork: %s", strerror(error)));
  pid_ = child;
  return absl::OkStatus();
}

void ChildProcess::Signal(int signal_number) {
  if (running()) kill(pid_, signal_number);
}

std::optional<std::string> ChildProcess::Reap() {
  if (!running()) return std::nullopt;
  int wait_status = 0;
  if (waitpid(pid_, &wait_status, WNOHANG) != pid_) return std::nullopt;
  pid_ = -1;
  return Ending(wait_status);
}

std::string ChildProcess::WaitOrKill(int timeout_ms) {
  if (!running()) return "not running";
  const int descriptor = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
  if (descriptor >= 0) {
    pollfd poll_entry{descriptor, POLLIN, 0};
    const int ready = poll(&poll_entry, 1, timeout_ms);
    close(descriptor);
    if (ready == 0) Signal(SIGKILL);
  } else {
    Signal(SIGKILL);
  }
  int wait_status = 0;
  waitpid(pid_, &wait_status, 0);
  pid_ = -1;
  return Ending(wait_status);
}

}  // namespace quorate
