// controller/image/cause.h
//
// Cause: who asked for a change of the metadata, and why. Every batch of the metadata log carries
// one (decision D6).
//
// Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/ids.h"

namespace quorate {

struct Cause {
  std::string trigger = {};    // an API ("CreateTopics") or an event ("broker-session-broken")
  std::string principal = {};  // "User:alice", "broker:2", "controller:1"
  NodeId broker = kNoNode;     // that forwarded the request
  std::string client_id = {};  // of the client's request, if any
  int64_t request_id = 0;      // correlation id of the client's request, if any
  std::string reason = {};     // a sentence for a person

  bool operator==(const Cause&) const = default;
};

// As stored in the log: a serialised pb::Cause.
std::string EncodeCause(const Cause& cause);

// Empty bytes give the empty cause. ERRORS: kDataLoss if the bytes are no pb::Cause.
absl::StatusOr<Cause> DecodeCause(std::string_view bytes);

// "CreateTopics by User:alice: two topics", for logs and tools.
std::string ToString(const Cause& cause);

}  // namespace quorate
