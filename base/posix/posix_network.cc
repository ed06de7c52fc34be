#include "base/posix/posix_network.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "base/check.h"
#include "base/posix/posix_error.h"
#include "base/posix/posix_listener.h"
#include "base/status_macros.h"

namespace quorate {

// One Connect under way: tries the addresses one after the other until one answers or the time is
// up. Loop-owned, by the network.
class PosixNetwork::Attempt final : private FdHandler {
 public:
  Attempt(PosixNetwork* network, uint64_t id, Endpoint to, ConnectHandler done)
      : network_(network), id_(id), to_(std::move(to)), done_(std::move(done)) {}

  ~Attempt() {
    network_->loop_->Cancel(timer_);
    CloseSocket();
  }

  void SetTimeout(Micros timeout) {
    timer_ = network_->loop_->RunAfter(timeout, [this, timeout] {
      network_->Finish(id_, absl::DeadlineExceededError(absl::StrFormat(
                                "connect to %s: no answer within %d ms", to_.ToString(),
                                std::chrono::duration_cast<Millis>(timeout).count())));
    });
  }

  // Starts on `addresses`; the attempt may be finished and gone afterwards.
  void Try(std::vector<SocketAddress> addresses) {
    addresses_ = std::move(addresses);
    TryNext();
  }

  ConnectHandler TakeDone() { return std::move(done_); }

 private:
  void TryNext() {
    while (next_ < addresses_.size()) {
      const SocketAddress& address = addresses_[next_++];
      fd_ = socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      if (fd_ < 0) {
        last_error_ = errno;
        continue;
      }
      const int result = connect(fd_, address.get(), address.length);
      if (result == 0 || errno == EINPROGRESS || errno == EINTR) {
        // Writable: connected or failed.
        last_error_ = network_->loop_->Watch(fd_, EPOLLOUT, this);
        if (last_error_ == 0) {
          watched_ = true;
          return;
        }
      } else {
        last_error_ = errno;
      }
      CloseSocket();
    }
    network_->Finish(id_, absl::UnavailableError(absl::StrFormat(
                              "connect to %s: %s", to_.ToString(), ErrnoText(last_error_))));
  }

  void OnEvents(uint32_t) override {
    int error = 0;
    socklen_t length = sizeof(error);
    if (getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &length) != 0) error = errno;
    const SocketAddress& peer = addresses_[next_ - 1];
    if (error == 0 && ConnectedToItself(peer)) error = ECONNREFUSED;
    if (error != 0) {
      last_error_ = error;
      CloseSocket();
      TryNext();
      return;
    }
    network_->loop_->Unwatch(fd_, this);
    watched_ = false;
    auto connection = WrapSocket(network_->loop_, std::exchange(fd_, -1), peer);
    network_->Finish(id_, std::move(connection));
  }

  // TCP joins a socket with itself when the kernel happens to choose the port that it connects
  // to: a dead server on an ephemeral port would seem to answer.
  bool ConnectedToItself(const SocketAddress& peer) const {
    return LocalAddress(fd_).ToEndpoint() == peer.ToEndpoint();
  }

  void CloseSocket() {
    if (fd_ < 0) return;
    if (std::exchange(watched_, false)) network_->loop_->Unwatch(fd_, this);
    close(std::exchange(fd_, -1));
  }

  PosixNetwork* const network_;
  const uint64_t id_;
  const Endpoint to_;
  ConnectHandler done_;
  TimerId timer_ = TimerId::kNone;
  std::vector<SocketAddress> addresses_;
  size_t next_ = 0;  // addresses_[next_ - 1] is being tried
  int fd_ = -1;
  bool watched_ = false;
  int last_error_ = EHOSTUNREACH;
};

PosixNetwork::PosixNetwork(PosixEventLoop* loop, BlockingPool* pool) : loop_(loop), pool_(pool) {
  signal(SIGPIPE, SIG_IGN);
}

PosixNetwork::~PosixNetwork() {
  *alive_ = false;
  // A dropped `done` may own what calls back; nothing is found any more then.
  auto attempts = std::exchange(attempts_, {});
}

absl::StatusOr<std::unique_ptr<Listener>> PosixNetwork::Listen(const Endpoint& at,
                                                               AcceptHandler on_accept) {
  if (at.port < 0 || at.port > 65535) {
    return absl::InvalidArgumentError(absl::StrFormat("listen on %s: bad port", at.ToString()));
  }
  std::vector<SocketAddress> addresses;
  if (at.host.empty()) {
    // Both families where the machine has both.
    const int probe = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    addresses.push_back(WildcardAddress(probe >= 0 ? AF_INET6 : AF_INET, at.port));
    if (probe >= 0) close(probe);
  } else {
    addresses = AddressesWithoutLookup(at);
    if (addresses.empty()) {
      auto resolved = ResolveBlocking(at);
      if (!resolved.ok()) return absl::InvalidArgumentError(resolved.status().message());
      addresses = *std::move(resolved);
    }
  }
  return PosixListener::Make(loop_, addresses.front(), std::move(on_accept));
}

void PosixNetwork::Connect(const Endpoint& to, Micros timeout, ConnectHandler done) {
  const uint64_t id = next_attempt_++;
  Attempt* attempt = attempts_.emplace(id, std::make_unique<Attempt>(this, id, to, std::move(done)))
                         .first->second.get();
  attempt->SetTimeout(timeout);
  auto begin = [this, id, alive = alive_](absl::StatusOr<std::vector<SocketAddress>> addresses) {
    if (!*alive) return;
    auto found = attempts_.find(id);
    if (found == attempts_.end()) return;  // timed out
    if (!addresses.ok()) return Finish(id, addresses.status());
    found->second->Try(*std::move(addresses));
  };
  std::vector<SocketAddress> known = AddressesWithoutLookup(to);
  if (to.port <= 0 || to.port > 65535 || to.host.empty()) {
    loop_->Post([begin, to]() mutable {
      begin(absl::UnavailableError(absl::StrFormat("connect to '%s': no address", to.ToString())));
    });
  } else if (!known.empty()) {
    loop_->Post([begin, known = std::move(known)]() mutable { begin(std::move(known)); });
  } else {
    pool_->RunThen(
        loop_, [to] { return ResolveBlocking(to); }, begin);
  }
}

void PosixNetwork::Finish(uint64_t id, absl::StatusOr<std::unique_ptr<Connection>> result) {
  auto found = attempts_.find(id);
  QCHECK(found != attempts_.end());
  ConnectHandler done;
  {
    std::unique_ptr<Attempt> attempt = std::move(found->second);
    attempts_.erase(found);
    done = attempt->TakeDone();
  }
  done(std::move(result));
}

}  // namespace quorate
