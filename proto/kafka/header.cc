#include "proto/kafka/header.h"

#include "absl/strings/str_format.h"

namespace quorate::kafka {

absl::StatusOr<RequestHeader> DecodeRequestHeader(Reader& in) {
  RequestHeader header;
  header.api_key = in.Int16();
  header.api_version = in.Int16();
  header.correlation_id = in.Int32();
  Q_RETURN_IF_ERROR(in.status());
  if (FindApi(header.api_key) == nullptr) {
    return absl::UnimplementedError(absl::StrFormat("API key %d", header.api_key));
  }
  // Never compact: a server must be able to read it in a version it does not know.
  header.client_id = in.NullableString(/*flexible=*/false, /*null_ok=*/true);
  if (RequestHeaderVersion(header.key(), header.api_version) >= 2) in.SkipTags();
  Q_RETURN_IF_ERROR(in.status());
  return header;
}

void EncodeRequestHeader(Writer& out, const RequestHeader& header) {
  out.Int16(header.api_key);
  out.Int16(header.api_version);
  out.Int32(header.correlation_id);
  out.NullableString(header.client_id, /*flexible=*/false, /*null_ok=*/true);
  if (RequestHeaderVersion(header.key(), header.api_version) >= 2) out.Varint(0);
}

absl::StatusOr<int32_t> DecodeResponseHeader(Reader& in, ApiKey key, int16_t version) {
  const int32_t correlation_id = in.Int32();
  if (ResponseHeaderVersion(key, version) >= 1) in.SkipTags();
  Q_RETURN_IF_ERROR(in.status());
  return correlation_id;
}

void EncodeResponseHeader(Writer& out, ApiKey key, int16_t version, int32_t correlation_id) {
  out.Int32(correlation_id);
  if (ResponseHeaderVersion(key, version) >= 1) out.Varint(0);
}

}  // namespace quorate::kafka
