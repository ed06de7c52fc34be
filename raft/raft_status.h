// raft/raft_status.h
//
// How a node sees the quorum, for DescribeQuorum, the console and tools.
//
// Pure.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/network.h"
#include "base/uuid.h"

namespace quorate {

namespace pb {
class QuorumStatusResponse;
}  // namespace pb

// One replica of the metadata log, as the leader knows it.
struct QuorumReplicaStatus {
  NodeId node;
  Uuid directory_id;
  bool voter = false;
  int64_t log_end = -1;                // exclusive; -1 = never fetched in this term
  int64_t lag = 0;                     // records behind the leader's end
  int64_t last_fetch_age_ms = -1;      // -1 = never
  int64_t last_caught_up_age_ms = -1;  // -1 = never
  Endpoint endpoint = {};              // of a voter; an empty host: not known
};

struct QuorumStatus {
  NodeId node;
  std::string_view role;  // leader follower candidate prospective unattached observer resigned
  Term term;
  NodeId leader = kNoNode;
  LogIndex commit_index;
  LogIndex log_start;
  LogIndex log_end;
  bool dynamic_voters = false;                // they can be changed (kraft.version 1)
  std::vector<QuorumReplicaStatus> replicas;  // filled by the leader only; itself included
};

// `status` as the message of proto/quorate/raft.proto; the cluster's id is the caller's to fill in.
void ToProto(const QuorumStatus& status, pb::QuorumStatusResponse* out);

}  // namespace quorate
