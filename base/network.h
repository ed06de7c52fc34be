// base/network.h
//
// Network: byte streams between nodes and clients. The real one (base/posix) is epoll over TCP,
// the simulated one delays, cuts and resets.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/event_loop.h"

namespace quorate {

class File;

// Host (name or address literal without brackets) and TCP port (0..65535).
struct Endpoint {
  std::string host;
  int port = 0;
  auto operator<=>(const Endpoint&) const = default;
  std::string ToString() const;  // "host:port", IPv6 hosts in brackets
};

// `length` bytes of `file` from `offset`; sent by sendfile where possible. The bytes must not be
// truncated away before they are sent (appending behind them is fine).
struct FileSlice {
  std::shared_ptr<const File> file;
  int64_t offset = 0;
  size_t length = 0;
};

using OutPiece = std::variant<SharedBytes, FileSlice>;

// One end of a stream. Owned by its user and by one loop: every call and callback happens there.
// Destroying it closes the stream at once (unsent bytes are lost) and ends the callbacks; that is
// allowed inside a callback too.
class Connection {
 public:
  // Receives what happens to a connection.
  class Handler {
   public:
    virtual ~Handler() = default;
    // Where the next bytes shall be put; not empty. Must stay valid until OnRead or OnClosed.
    virtual std::span<char> ReadBuffer() = 0;
    // `length` (> 0) bytes were put at the start of the last ReadBuffer.
    virtual void OnRead(size_t length) = 0;
    // All bytes given to Send so far have been handed to the kernel.
    virtual void OnDrained() {}
    // The stream ended: OK = orderly end by the peer, else why. Last callback; never called after
    // Close or destruction.
    virtual void OnClosed(const absl::Status& why) = 0;
  };

  virtual ~Connection() = default;

  // Starts delivering to `handler`, which outlives the connection. Call once.
  virtual void Start(Handler* handler) = 0;

  // Queues the pieces behind all earlier ones. Never fails here: a broken stream shows as OnClosed.
  virtual void Send(std::vector<OutPiece> pieces) = 0;

  // Bytes queued and not yet handed to the kernel.
  virtual size_t unsent_bytes() const = 0;

  // Stops and resumes reading (back pressure, throttling). Starts resumed.
  virtual void PauseReading() = 0;
  virtual void ResumeReading() = 0;

  // Closes now; unsent bytes are lost. No callback follows.
  virtual void Close() = 0;

  virtual const Endpoint& peer() const = 0;
  virtual const Endpoint& local() const = 0;
};

// Accepts until destroyed.
class Listener {
 public:
  virtual ~Listener() = default;
  // The bound endpoint (with the chosen port when 0 was asked for).
  virtual const Endpoint& local() const = 0;
};

// One per loop.
class Network {
 public:
  virtual ~Network() = default;

  using AcceptHandler = absl::AnyInvocable<void(std::unique_ptr<Connection>)>;
  using ConnectHandler = absl::AnyInvocable<void(absl::StatusOr<std::unique_ptr<Connection>>)>;

  // Listens on `at` (empty host = all interfaces, port 0 = any free one).
  // ERRORS: kAlreadyExists (in use), kInvalidArgument (no such address), kPermissionDenied.
  virtual absl::StatusOr<std::unique_ptr<Listener>> Listen(const Endpoint& at,
                                                           AcceptHandler on_accept) = 0;

  // Connects and calls `done` once, later, on the loop.
  // ERRORS to `done`: kUnavailable (refused, unreachable, unknown host), kDeadlineExceeded.
  virtual void Connect(const Endpoint& to, Micros timeout, ConnectHandler done) = 0;
};

}  // namespace quorate
