// base/posix/posix_network.h
#pragma once

#include <cstdint>
#include <map>
#include <memory>

#include "base/blocking_pool.h"
#include "base/network.h"
#include "base/posix/posix_event_loop.h"
#include "base/posix/socket_address.h"

namespace quorate {

// TCP over epoll: non-blocking, TCP_NODELAY, sendfile for file slices. Address literals and
// "localhost" are resolved in place, other names by getaddrinfo on the pool (in Listen: in place,
// which may block; listen to names only at start-up). Ignores SIGPIPE for the whole process.
//
// Loop-owned: made for one loop, used and destroyed on it or while it does not run. Connections
// and listeners may outlive it, the loop must not be gone before them. Connects under way are
// dropped with it, their `done` unrun.
class PosixNetwork final : public Network {
 public:
  // `loop` and `pool` outlive this.
  PosixNetwork(PosixEventLoop* loop, BlockingPool* pool);
  ~PosixNetwork() override;

  absl::StatusOr<std::unique_ptr<Listener>> Listen(const Endpoint& at,
                                                   AcceptHandler on_accept) override;
  void Connect(const Endpoint& to, Micros timeout, ConnectHandler done) override;

 private:
  class Attempt;

  // Ends attempt `id` and calls its `done`; nothing may be touched afterwards.
  void Finish(uint64_t id, absl::StatusOr<std::unique_ptr<Connection>> result);

  PosixEventLoop* const loop_;
  BlockingPool* const pool_;
  uint64_t next_attempt_ = 1;
  std::map<uint64_t, std::unique_ptr<Attempt>> attempts_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // false: tasks do nothing
};

}  // namespace quorate
