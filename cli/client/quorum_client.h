// cli/client/quorum_client.h
//
// Asks controllers how the metadata quorum is (method Raft.Status), blocking, for tools.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/network.h"

namespace quorate {

struct QuorumReplicaView {
  int32_t node_id = -1;
  std::string directory_id;
  bool voter = false;
  int64_t log_end = -1;
  int64_t lag = 0;
  int64_t last_fetch_age_ms = -1;
  int64_t last_caught_up_age_ms = -1;
};

struct QuorumView {
  std::string cluster_id;
  int32_t node_id = -1;  // who answered
  std::string role;
  int32_t term = 0;
  int32_t leader_id = -1;
  int64_t commit_index = 0;
  int64_t log_start = 0;
  int64_t log_end = 0;
  std::vector<QuorumReplicaView> replicas;  // from the leader only
};

// Asks all `controllers` and returns the leader's view, else that of the highest term.
// ERRORS: kUnavailable if none answers within `timeout_ms`.
absl::StatusOr<QuorumView> QueryQuorum(const std::vector<Endpoint>& controllers, int timeout_ms);

}  // namespace quorate
