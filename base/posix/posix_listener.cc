#include "base/posix/posix_listener.h"

#include <errno.h>
#include <glog/logging.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_format.h"
#include "base/check.h"
#include "base/posix/posix_connection.h"
#include "base/posix/posix_error.h"

namespace quorate {
namespace {

constexpr int kAcceptsPerTurn = 64;
constexpr Millis kPause{100};

absl::Status ListenError(int error, const SocketAddress& at) {
  const std::string text =
      absl::StrFormat("listen on %s: %s", at.ToEndpoint().ToString(), ErrnoText(error));
  switch (error) {
    case EADDRINUSE:
      return absl::AlreadyExistsError(text);
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
    case EINVAL:
      return absl::InvalidArgumentError(text);
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(text);
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
      return absl::ResourceExhaustedError(text);
    default:
      return absl::InternalError(text);
  }
}

bool OutOfResources(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

}  // namespace

SocketAddress LocalAddress(int fd) {
  SocketAddress address;
  address.length = sizeof(address.storage);
  if (getsockname(fd, address.get(), &address.length) != 0) return SocketAddress();
  return address;
}

std::unique_ptr<Connection> WrapSocket(PosixEventLoop* loop, int fd, const SocketAddress& peer) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));  // Fails only on a dead socket.
  return std::make_unique<PosixConnection>(loop, fd, peer.ToEndpoint(),
                                           LocalAddress(fd).ToEndpoint());
}

absl::StatusOr<std::unique_ptr<PosixListener>> PosixListener::Make(
    PosixEventLoop* loop, const SocketAddress& at, Network::AcceptHandler on_accept) {
  const int fd = socket(at.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return ListenError(errno, at);
  const int on = 1;
  const int off = 0;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (at.family() == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
  if (bind(fd, at.get(), at.length) != 0 || listen(fd, SOMAXCONN) != 0) {
    const int error = errno;
    close(fd);
    return ListenError(error, at);
  }
  std::unique_ptr<PosixListener> listener(
      new PosixListener(loop, fd, LocalAddress(fd).ToEndpoint(), std::move(on_accept)));
  if (const int error = loop->Watch(fd, EPOLLIN, listener.get()); error != 0) {
    return ListenError(error, at);
  }
  listener->watched_ = true;
  return listener;
}

PosixListener::PosixListener(PosixEventLoop* loop, int fd, Endpoint local,
                             Network::AcceptHandler on_accept)
    : loop_(loop),
      fd_(fd),
      local_(std::move(local)),
      on_accept_(std::make_shared<Network::AcceptHandler>(std::move(on_accept))) {}

PosixListener::~PosixListener() {
  *alive_ = false;
  if (watched_) loop_->Unwatch(fd_, this);
  loop_->Cancel(resume_);
  close(fd_);
}

void PosixListener::OnEvents(uint32_t) {
  const std::shared_ptr<bool> alive = alive_;
  const std::shared_ptr<Network::AcceptHandler> on_accept = on_accept_;
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    SocketAddress peer;
    peer.length = sizeof(peer.storage);
    const int fd = accept4(fd_, peer.get(), &peer.length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EAGAIN || errno == EWOULDBLOCK) return;
      if (OutOfResources(errno)) return Pause(errno);
      continue;  // That one connection failed before it was accepted.
    }
    (*on_accept)(WrapSocket(loop_, fd, peer));
    if (!*alive) return;
  }
}

void PosixListener::Pause(int error) {
  LOG(WARNING) << "accepting on " << local_.ToString()
               << " pauses for 100 ms: " << ErrnoText(error);
  if (std::exchange(watched_, false)) loop_->Unwatch(fd_, this);
  resume_ = loop_->RunAfter(kPause, [this] {
    resume_ = TimerId::kNone;
    const int error = loop_->Watch(fd_, EPOLLIN, this);
    watched_ = error == 0;
    if (!watched_) Pause(error);
  });
}

}  // namespace quorate
