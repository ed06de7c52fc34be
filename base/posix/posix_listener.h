// base/posix/posix_listener.h
//
// PosixListener accepts TCP connections on a PosixEventLoop. Only base/posix includes this.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "base/network.h"
#include "base/posix/posix_event_loop.h"
#include "base/posix/socket_address.h"

namespace quorate {

// Accepts until destroyed. When descriptors or memory run out it pauses for 100 ms: what waits in
// the kernel's queue is not lost. Loop-owned.
class PosixListener final : public Listener, private FdHandler {
 public:
  // Binds and listens. ERRORS: as Network::Listen.
  static absl::StatusOr<std::unique_ptr<PosixListener>> Make(PosixEventLoop* loop,
                                                             const SocketAddress& at,
                                                             Network::AcceptHandler on_accept);
  ~PosixListener() override;
  PosixListener(const PosixListener&) = delete;
  PosixListener& operator=(const PosixListener&) = delete;

  const Endpoint& local() const override { return local_; }

 private:
  PosixListener(PosixEventLoop* loop, int fd, Endpoint local, Network::AcceptHandler on_accept);
  void OnEvents(uint32_t events) override;
  void Pause(int error);

  PosixEventLoop* const loop_;
  const int fd_;
  const Endpoint local_;
  std::shared_ptr<Network::AcceptHandler> on_accept_;  // shared: it may destroy the listener
  bool watched_ = false;                               // false while paused
  TimerId resume_ = TimerId::kNone;                    // pending while paused
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

// Sets TCP_NODELAY and wraps the connected socket `fd`, which it takes over.
std::unique_ptr<Connection> WrapSocket(PosixEventLoop* loop, int fd, const SocketAddress& peer);

// The address that socket `fd` is bound to.
SocketAddress LocalAddress(int fd);

}  // namespace quorate
