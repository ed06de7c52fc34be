// broker/handlers/request_context.h
//
// What a handler gets beside the decoded request: where it came from, and where its answer goes.
//
// Values of the connection's loop.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "base/clock.h"
#include "broker/net/frame_handler.h"
#include "proto/kafka/header.h"

namespace quorate {

struct RequestContext {
  std::shared_ptr<const ConnectionInfo> connection;
  kafka::RequestHeader header;
  MonoTime received;

  int16_t version() const { return header.api_version; }
  const std::string& listener() const { return connection->listener; }
  bool internal() const { return connection->internal; }
  const std::string& principal() const { return connection->principal; }
  std::string client_id() const { return header.client_id.value_or(""); }
};

// Where the answer of one request goes; answers once, now or later.
template <typename Response>
class Reply {
 public:
  Reply(Responder responder, int32_t correlation_id, int16_t version)
      : responder_(std::move(responder)), correlation_id_(correlation_id), version_(version) {}

  void Send(const Response& response) {
    responder_.Reply(kafka::ResponseFrame(correlation_id_, version_, response));
  }
  // For acks = 0.
  void SendNothing() { responder_.NoReply(); }
  // Ends the connection; `why` is logged.
  void CloseConnection(const absl::Status& why) { responder_.Close(why); }
  // False if nobody waits for the answer any more.
  bool wanted() const { return responder_.wanted(); }

 private:
  Responder responder_;
  int32_t correlation_id_;
  int16_t version_;
};

}  // namespace quorate
