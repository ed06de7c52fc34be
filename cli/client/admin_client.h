// cli/client/admin_client.h
//
// AdminClient: one blocking connection to a cluster for the admin commands, on Quorate's own wire
// codec. Requests use the newest version the codec knows.
//
// Thread-compatible; composition root code.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/network.h"
#include "base/status_macros.h"
#include "proto/kafka/header.h"
#include "proto/kafka/reader.h"

namespace quorate {

class AdminClient {
 public:
  // Connects to the first server of "host:port,host:port" that answers.
  // ERRORS: kInvalidArgument (malformed list); kUnavailable naming each server and what it said.
  static absl::StatusOr<std::unique_ptr<AdminClient>> Connect(std::string_view bootstrap,
                                                              int timeout_ms);
  ~AdminClient();
  AdminClient(const AdminClient&) = delete;
  AdminClient& operator=(const AdminClient&) = delete;

  // Sends `request` and waits for its answer, at most `timeout_ms`. After an error the client is
  // unusable.
  // ERRORS: kUnavailable, kDeadlineExceeded, kInvalidArgument (malformed answer).
  template <typename Response, typename Request>
  absl::StatusOr<Response> Call(const Request& request, int timeout_ms,
                                int16_t version = Request::kMaxVersion) {
    kafka::RequestHeader header;
    header.api_version = version;
    header.correlation_id = ++correlation_;
    header.client_id = "quorate-cli";
    Q_ASSIGN_OR_RETURN(SharedBytes frame,
                       Exchange(kafka::RequestFrame(header, request), timeout_ms));
    kafka::Reader in(std::move(frame));
    Q_ASSIGN_OR_RETURN(
        int32_t correlation,
        kafka::DecodeResponseHeader(in, static_cast<kafka::ApiKey>(Request::kApiKey), version));
    if (correlation != header.correlation_id) {
      return absl::InvalidArgumentError("the answer belongs to another request");
    }
    return kafka::DecodeMessage<Response>(in, version);
  }

  const Endpoint& server() const { return server_; }

 private:
  AdminClient(int descriptor, Endpoint server)
      : descriptor_(descriptor), server_(std::move(server)) {}
  absl::StatusOr<SharedBytes> Exchange(const std::vector<OutPiece>& request, int timeout_ms);
  absl::Status SendAll(std::string_view bytes);
  absl::Status ReceiveAll(char* out, size_t length);

  int descriptor_;
  Endpoint server_;
  int32_t correlation_ = 0;
};

}  // namespace quorate
