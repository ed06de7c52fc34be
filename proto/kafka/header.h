// proto/kafka/header.h
//
// The headers before every request and response, and whole frames. A frame is: int32 size of what
// follows, header, message; big-endian.
//
// Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/network.h"
#include "base/status_macros.h"
#include "proto/kafka/api.h"
#include "proto/kafka/reader.h"
#include "proto/kafka/writer.h"

namespace quorate::kafka {

struct RequestHeader {
  int16_t api_key = 0;  // as sent; on decoding one of ApiTable()
  int16_t api_version = 0;
  int32_t correlation_id = 0;
  std::optional<std::string> client_id;

  ApiKey key() const { return static_cast<ApiKey>(api_key); }
  bool operator==(const RequestHeader&) const = default;
};

// Reads the header; `in` then stands at the message. The version is not checked: see
// ApiVersionRange::Decodes, and answer ApiVersions of any version.
// ERRORS: kUnimplemented for a key not in ApiTable(), kInvalidArgument for a malformed header.
absl::StatusOr<RequestHeader> DecodeRequestHeader(Reader& in);
void EncodeRequestHeader(Writer& out, const RequestHeader& header);

// Reads the response header of a request that had `key` and `version`; returns the correlation id.
// ERRORS: kInvalidArgument.
absl::StatusOr<int32_t> DecodeResponseHeader(Reader& in, ApiKey key, int16_t version);
void EncodeResponseHeader(Writer& out, ApiKey key, int16_t version, int32_t correlation_id);

// A whole response, ready to send.
template <typename Response>
std::vector<OutPiece> ResponseFrame(int32_t correlation_id, int16_t version,
                                    const Response& response) {
  Writer out;
  EncodeResponseHeader(out, static_cast<ApiKey>(Response::kApiKey), version, correlation_id);
  response.Encode(out, version);
  return out.FinishFrame();
}

// A whole request, ready to send; `header.api_key` is set by this.
template <typename Request>
std::vector<OutPiece> RequestFrame(RequestHeader header, const Request& request) {
  Writer out;
  header.api_key = Request::kApiKey;
  EncodeRequestHeader(out, header);
  request.Encode(out, header.api_version);
  return out.FinishFrame();
}

// Reads a message that must fill the rest of the frame.
// ERRORS: kInvalidArgument, kUnimplemented (version).
template <typename Message>
absl::StatusOr<Message> DecodeMessage(Reader& in, int16_t version) {
  Message message;
  Q_RETURN_IF_ERROR(message.Decode(in, version));
  Q_RETURN_IF_ERROR(in.ExpectEnd());
  return message;
}

}  // namespace quorate::kafka
