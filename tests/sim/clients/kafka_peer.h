// tests/sim/clients/kafka_peer.h
//
// KafkaPeer: the client's end of one Kafka connection, for simulated clients. Requests are
// pipelined; responses come in their order.
//
// Owned by its client's process; callbacks come on its loop.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/check.h"
#include "base/event_loop.h"
#include "base/network.h"
#include "proto/kafka/header.h"

namespace quorate::sim {

class KafkaPeer final : public Connection::Handler {
 public:
  KafkaPeer(EventLoop* loop, Network* network, const Endpoint& to, std::string client_id);
  ~KafkaPeer() override;

  // Sends `request`; `done` gets the response, or why none came. Not called inside Call. Dropped
  // if the peer is destroyed.
  template <typename Request, typename Response>
  void Call(int16_t version, const Request& request, Micros timeout,
            absl::AnyInvocable<void(absl::StatusOr<Response>)> done) {
    kafka::RequestHeader header;
    header.api_version = version;
    header.correlation_id = ++last_correlation_;
    header.client_id = client_id_;
    auto decode = [version, expected = header.correlation_id,
                   done = std::move(done)](absl::StatusOr<SharedBytes> frame) mutable {
      if (!frame.ok()) return done(frame.status());
      kafka::Reader in(*std::move(frame));
      const auto id =
          kafka::DecodeResponseHeader(in, static_cast<kafka::ApiKey>(Request::kApiKey), version);
      if (!id.ok()) return done(id.status());
      QCHECK_EQ(*id, expected);  // responses come in the order of their requests (scenario L7)
      done(kafka::DecodeMessage<Response>(in, version));
    };
    Submit(kafka::RequestFrame(header, request), timeout, std::move(decode));
  }

  // The connection is gone: every call fails.
  bool broken() const { return !failure_.ok(); }

  std::span<char> ReadBuffer() override { return buffer_; }
  void OnRead(size_t length) override;
  void OnClosed(const absl::Status& why) override;

 private:
  using Done = absl::AnyInvocable<void(absl::StatusOr<SharedBytes>)>;
  struct Pending {
    MonoTime deadline;
    Done done;
  };

  void Submit(std::vector<OutPiece> frame, Micros timeout, Done done);
  void OnConnected(absl::StatusOr<std::unique_ptr<Connection>> connection);
  void Fail(const absl::Status& why);
  void CheckDeadlines();

  EventLoop* const loop_;
  const std::string client_id_;
  std::unique_ptr<Connection> connection_;
  std::vector<OutPiece> unsent_;  // before it is connected
  std::deque<Pending> pending_;
  int32_t last_correlation_ = 0;
  absl::Status failure_;
  std::vector<char> buffer_;
  std::string inbox_;
  TimerId timer_ = TimerId::kNone;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace quorate::sim
