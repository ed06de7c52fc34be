// broker/net/kafka_connection.h
//
// KafkaConnection serves one client stream: it cuts frames, hands each on at once (requests are
// pipelined) and sends the answers in request order, whatever order they are completed in.
//
// It stops reading while too many requests or request bytes are outstanding, here or in the whole
// loop (RequestMemory), or while too many answer bytes are unsent. It ends a stream that is idle,
// whose peer does not take its answers, or that stalls within a frame.
//
// Thread-compatible: owned by its listener's loop.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/event_loop.h"
#include "base/network.h"
#include "broker/net/frame_handler.h"
#include "broker/net/frame_reader.h"
#include "broker/net/request_memory.h"

namespace quorate {

struct ConnectionLimits {
  FrameLimits frames;
  size_t max_outstanding_requests = 256;
  size_t max_outstanding_bytes = 64 << 20;  // of requests; one above it is let in when alone
  size_t max_unsent_bytes = 16 << 20;
  Micros max_idle = std::chrono::minutes(10);
  // A frame that was begun must grow at least this often (slow loris).
  Micros max_frame_stall = std::chrono::seconds(30);
};

class KafkaConnection final : public Connection::Handler,
                              public Responder::Sink,
                              public std::enable_shared_from_this<KafkaConnection> {
 public:
  // Called once, when the stream has ended, for whatever reason; may destroy the caller's
  // reference. `why` OK: orderly end.
  using ClosedHandler = std::function<void(uint64_t id, const absl::Status& why)>;

  KafkaConnection(EventLoop* loop, std::unique_ptr<Connection> stream,
                  std::shared_ptr<const ConnectionInfo> info, const ConnectionLimits& limits,
                  RequestMemory* memory, FrameHandler* handler, ClosedHandler on_closed);
  ~KafkaConnection() override;

  // Begins to read. Separate from construction as it needs shared_from_this.
  void Start();

  // Takes no further request; closes when all outstanding ones are answered and sent.
  void Drain();

  // Closes now; calls the ClosedHandler unless it was called.
  void Close(const absl::Status& why);

  const ConnectionInfo& connection_info() const { return *info_; }
  size_t outstanding_requests() const { return slots_.size(); }

  // Connection::Handler
  std::span<char> ReadBuffer() override { return reader_.Space(); }
  void OnRead(size_t length) override;
  void OnDrained() override;
  void OnClosed(const absl::Status& why) override { Close(why); }

  // Responder::Sink
  void Complete(uint64_t sequence, std::vector<OutPiece> reply) override;
  void Abandon(const absl::Status& why) override { Close(why); }

 private:
  // A request on its way.
  struct Slot {
    size_t request_bytes = 0;
    bool done = false;
    std::vector<OutPiece> reply;  // a whole frame; empty = none
  };

  bool MayRead() const;
  // Dispatches the frames that are there, as far as the limits allow, then reads or pauses.
  void Pump();
  void UpdateReading();
  void SendFinished();
  void MaybeFinishDrain();
  // A frame's own buffer counts against the loop's memory from its allocation on.
  void AccountLargeFrame();
  void ArmTimer();
  void OnTimer();

  EventLoop* const loop_;
  std::unique_ptr<Connection> stream_;
  const std::shared_ptr<const ConnectionInfo> info_;
  const ConnectionLimits limits_;
  RequestMemory* const memory_;
  FrameHandler* const handler_;
  ClosedHandler on_closed_;

  FrameReader reader_;
  std::deque<Slot> slots_;       // oldest first
  uint64_t first_sequence_ = 0;  // of slots_.front()
  size_t outstanding_bytes_ = 0;
  size_t large_accounted_ = 0;
  bool started_ = false;
  bool closed_ = false;
  bool draining_ = false;
  bool paused_ = false;
  bool pumping_ = false;
  bool waiting_for_memory_ = false;

  MonoTime last_progress_;  // bytes came in, or unsent bytes went out
  size_t unsent_seen_ = 0;
  TimerId timer_ = TimerId::kNone;
  MonoTime timer_due_;
};

}  // namespace quorate
