// proto/kafka/testing/all_messages.h
//
// Every message of the codec behind one signature, for tests and fuzz targets that treat them all.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "base/bytes.h"
#include "base/random.h"

namespace quorate::kafka {

enum class MessageRole { kRequest, kResponse, kKey, kValue };

// One message type; what its functions take and give are encoded messages without header.
struct MessageKind {
  std::string_view name;
  int16_t key;  // API key, or record type
  MessageRole role;
  int16_t min_version;
  int16_t max_version;
  int16_t first_flexible_version;

  // A message with all fields at their defaults.
  std::function<std::string(int16_t version)> default_bytes;
  // A random message of `version`.
  std::function<std::string(Random&, int16_t version)> random_bytes;
  // Decodes; `bytes` must be used up.
  std::function<absl::Status(SharedBytes bytes, int16_t version)> decode;
  // Whether `bytes`, if they decode, encode to something that decodes to an equal message.
  std::function<bool(SharedBytes bytes, int16_t version)> survives_round_trip;
  // Whether a random message decodes from its encoding to an equal one.
  std::function<bool(Random&, int16_t version)> random_round_trip;
};

// In a fixed order.
const std::vector<MessageKind>& AllMessages();

}  // namespace quorate::kafka
