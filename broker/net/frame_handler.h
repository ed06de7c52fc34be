// broker/net/frame_handler.h
//
// The border between connections, which know frames, and handlers, which know requests.
//
// All of it belongs to the connection's loop.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/bytes.h"
#include "base/network.h"

namespace quorate {

// What is known of the connection a request came on. Immutable.
struct ConnectionInfo {
  uint64_t id = 0;        // unique within the broker, never reused
  std::string listener;   // name of the listener, e.g. "PLAINTEXT"
  bool internal = false;  // the replication listener of decision D3
  Endpoint peer;
  Endpoint local;
  std::string principal = "User:ANONYMOUS";
};

// The place of one request's answer. Move-only; answers once. Dropped unanswered it closes the
// connection, since the answers behind it could never be sent.
class Responder {
 public:
  // Implemented by the connection.
  class Sink {
   public:
    virtual ~Sink() = default;
    virtual void Complete(uint64_t sequence, std::vector<OutPiece> reply) = 0;
    virtual void Abandon(const absl::Status& why) = 0;
  };

  Responder() = default;
  Responder(std::weak_ptr<Sink> sink, uint64_t sequence)
      : sink_(std::move(sink)), sequence_(sequence), armed_(true) {}
  Responder(Responder&& other) noexcept
      : sink_(std::move(other.sink_)),
        sequence_(other.sequence_),
        armed_(std::exchange(other.armed_, false)) {}
  Responder& operator=(Responder&& other) noexcept {
    if (this != &other) {
      Drop();
      sink_ = std::move(other.sink_);
      sequence_ = other.sequence_;
      armed_ = std::exchange(other.armed_, false);
    }
    return *this;
  }
  ~Responder() { Drop(); }

  // Sends the response `frame` (its 4-byte size included) once all earlier requests of the
  // connection are answered.
  void Reply(std::vector<OutPiece> frame) { Finish(std::move(frame)); }

  // The request is done and gets no answer (acks = 0).
  void NoReply() { Finish({}); }

  // Closes the connection now; `why` goes to the log.
  void Close(const absl::Status& why) {
    if (!std::exchange(armed_, false)) return;
    if (auto sink = sink_.lock()) sink->Abandon(why);
  }

  // False once the connection is gone: nobody waits for the answer.
  bool wanted() const { return armed_ && !sink_.expired(); }

 private:
  void Finish(std::vector<OutPiece> pieces) {
    if (!std::exchange(armed_, false)) return;
    if (auto sink = sink_.lock()) sink->Complete(sequence_, std::move(pieces));
  }
  void Drop() {
    if (armed_) Close(absl::InternalError("a request was dropped unanswered"));
  }

  std::weak_ptr<Sink> sink_;
  uint64_t sequence_ = 0;
  bool armed_ = false;
};

// Receives the frames of all connections of a listener.
class FrameHandler {
 public:
  virtual ~FrameHandler() = default;
  // A number for the next connection, never given before by this handler.
  virtual uint64_t NewConnectionId() = 0;
  // One request. It may be answered inside the call or at any time later.
  virtual void HandleFrame(std::shared_ptr<const ConnectionInfo> connection, SharedBytes frame,
                           Responder responder) = 0;
  // No further frame of this connection comes, and no answer reaches it.
  virtual void OnConnectionClosed(const ConnectionInfo& connection) { (void)connection; }
};

}  // namespace quorate
