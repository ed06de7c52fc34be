// base/posix/posix_connection.h
//
// PosixConnection: one TCP stream on a PosixEventLoop. Only base/posix includes this.
#pragma once

#include <sys/types.h>

#include <deque>
#include <memory>
#include <vector>

#include "base/network.h"
#include "base/posix/posix_event_loop.h"

namespace quorate {

// The socket is registered edge-triggered for both directions, once, so no epoll_ctl follows;
// `readable_` and `writable_` remember the edges. Sends are gathered and written at the end of
// the loop's turn: one sendmsg for many replies. Loop-owned.
class PosixConnection final : public Connection, private FdHandler {
 public:
  // Takes over `fd`: a connected, non-blocking socket, not watched by `loop`.
  PosixConnection(PosixEventLoop* loop, int fd, Endpoint peer, Endpoint local);
  ~PosixConnection() override;
  PosixConnection(const PosixConnection&) = delete;
  PosixConnection& operator=(const PosixConnection&) = delete;

  void Start(Handler* handler) override;
  void Send(std::vector<OutPiece> pieces) override;
  size_t unsent_bytes() const override { return unsent_; }
  void PauseReading() override { paused_ = true; }
  void ResumeReading() override;
  void Close() override;
  const Endpoint& peer() const override { return peer_; }
  const Endpoint& local() const override { return local_; }

 private:
  // What one attempt to write came to.
  enum class Written { kAll, kBlocked, kYield, kBroken };

  void OnEvents(uint32_t events) override;
  void OnDeferred() override;
  void DeferOnce();
  // The callers of these return at once if the connection was destroyed meanwhile (false).
  bool ReadSome();
  bool WriteSome();
  bool ReadOnce(size_t* budget);
  Written WriteQueued();
  ssize_t WriteFront(size_t budget);
  ssize_t WriteBytes(size_t budget);
  ssize_t WriteFile(size_t budget);
  void Consume(size_t bytes);
  absl::Status SocketError(int error) const;
  // Closes and tells the handler; the connection may be gone afterwards.
  void Ended(const absl::Status& why);

  PosixEventLoop* const loop_;
  const Endpoint peer_;
  const Endpoint local_;
  int fd_;                      // -1: closed
  Handler* handler_ = nullptr;  // null: not started, or no callback may follow
  bool watched_ = false;        // registered with loop_
  bool deferred_ = false;       // OnDeferred is due
  bool paused_ = false;
  bool readable_ = true;      // a read may succeed (the edge was not used up)
  bool writable_ = true;      // a write may succeed
  bool ending_ = false;       // the kernel showed an end or an error: read on until it comes
  bool drain_due_ = false;    // a Send was not yet followed by OnDrained
  absl::Status write_error_;  // not OK: writing failed; told once all readable bytes are read
  std::deque<OutPiece> out_;  // no empty pieces
  size_t front_done_ = 0;     // bytes of out_.front() already handed to the kernel
  size_t unsent_ = 0;
  // Copied by frames that call the handler: false there once the connection is destroyed.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace quorate
