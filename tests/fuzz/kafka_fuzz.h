// tests/fuzz/kafka_fuzz.h
//
// The common part of the Kafka codec's fuzz targets.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"
#include "proto/kafka/testing/all_messages.h"

namespace quorate::kafka {

// `input` is a byte that selects one of `kinds`, a byte that selects a version, and an encoded
// message. Decoding must not crash, and what decodes must survive encoding.
inline void FuzzMessage(const std::vector<const MessageKind*>& kinds, std::string_view input) {
  if (input.size() < 2) return;
  const MessageKind& kind = *kinds[static_cast<uint8_t>(input[0]) % kinds.size()];
  const int versions = kind.max_version - kind.min_version + 1;
  const int version = kind.min_version + static_cast<uint8_t>(input[1]) % versions;
  QCHECK(
      kind.survives_round_trip(SharedBytes::Copy(input.substr(2)), static_cast<int16_t>(version)));
}

// The messages whose role is one of `roles`.
inline std::vector<const MessageKind*> KindsOf(std::initializer_list<MessageRole> roles) {
  std::vector<const MessageKind*> kinds;
  for (const MessageKind& kind : AllMessages()) {
    if (std::find(roles.begin(), roles.end(), kind.role) != roles.end()) kinds.push_back(&kind);
  }
  return kinds;
}

}  // namespace quorate::kafka
