// broker/replica/kafka_client_connection.h
//
// KafkaClientConnection: the client's end of one Kafka connection to another broker. Sends whole
// request frames and hands back response frames in the order of the requests.
//
// Thread-compatible: owned by one loop.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "base/bytes.h"
#include "base/event_loop.h"
#include "base/network.h"

namespace quorate {

class KafkaClientConnection final : public Connection::Handler {
 public:
  // Receives what comes back. Either method may destroy the connection.
  class Owner {
   public:
    virtual ~Owner() = default;
    // A response, without its 4-byte size.
    virtual void OnResponse(SharedBytes frame) = 0;
    // The stream ended, a frame was malformed, or a response did not come in time. Last call.
    virtual void OnDisconnected(const absl::Status& why) = 0;
  };

  // Takes a connected stream. A response above `max_frame_bytes` ends it, before memory is taken.
  KafkaClientConnection(EventLoop* loop, std::unique_ptr<Connection> stream,
                        int32_t max_frame_bytes, Owner* owner);
  ~KafkaClientConnection() override;

  // Begins to read. Once, before Send.
  void Start();
  // Sends a request that expects a response within `timeout`.
  void Send(std::vector<OutPiece> frame, Micros timeout);
  // Ends it; the owner hears no more.
  void Close();

  // Connection::Handler
  std::span<char> ReadBuffer() override;
  void OnRead(size_t length) override;
  void OnClosed(const absl::Status& why) override;

 private:
  void Fail(const absl::Status& why);
  void ArmTimer();

  EventLoop* const loop_;
  std::unique_ptr<Connection> stream_;
  const int32_t max_frame_bytes_;
  Owner* const owner_;
  std::deque<MonoTime> deadlines_;  // of the outstanding requests
  TimerId timer_ = TimerId::kNone;

  std::array<char, 4> size_bytes_{};
  std::shared_ptr<char[]> body_;  // null while the size is read
  size_t body_size_ = 0;
  size_t filled_ = 0;  // of the size or of the body
};

}  // namespace quorate
