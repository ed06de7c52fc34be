// Fuzzes what a broker reads from other brokers and from internal topics: responses and records.
#include "proto/kafka/header.h"
#include "tests/fuzz/kafka_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace quorate::kafka;  // NOLINT
  static const auto* kinds = new std::vector<const MessageKind*>(
      KindsOf({MessageRole::kResponse, MessageRole::kKey, MessageRole::kValue}));
  FuzzMessage(*kinds, {reinterpret_cast<const char*>(data), size});
  return 0;
}
