// Fuzzes what a broker reads from clients: request headers and requests.
#include "proto/kafka/header.h"
#include "tests/fuzz/kafka_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace quorate;         // NOLINT
  using namespace quorate::kafka;  // NOLINT
  static const auto* kinds = new std::vector<const MessageKind*>(KindsOf({MessageRole::kRequest}));
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  FuzzMessage(*kinds, input);

  Reader in(SharedBytes::Copy(input));
  const absl::StatusOr<RequestHeader> header = DecodeRequestHeader(in);
  if (!header.ok()) return 0;
  Writer out;
  EncodeRequestHeader(out, *header);
  Reader again(SharedBytes::FromString(out.ToString()));
  const absl::StatusOr<RequestHeader> decoded = DecodeRequestHeader(again);
  QCHECK(decoded.ok() && *decoded == *header);
  return 0;
}
