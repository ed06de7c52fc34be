// cli/client/quorum_client.h
//
// Asks how the metadata quorum is, blocking, for tools: controllers themselves (method
// Raft.Status), or a broker, which has the active controller answer (Kafka's DescribeQuorum).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/network.h"
#include "raft/voter_change.h"

namespace quorate {

struct QuorumReplicaView {
  int32_t node_id = -1;
  std::string directory_id;
  bool voter = false;
  std::string address;  // host:port of a voter's controller listener; empty: not told
  int64_t log_end = -1;
  int64_t lag = 0;
  int64_t last_fetch_age_ms = -1;
  int64_t last_caught_up_age_ms = -1;
};

struct QuorumView {
  std::string cluster_id;
  int32_t node_id = -1;  // whose view it is
  std::string role;
  int32_t term = 0;
  int32_t leader_id = -1;
  int64_t commit_index = 0;
  std::optional<int64_t> log_start;  // brokers do not tell it
  int64_t log_end = 0;
  std::optional<bool> dynamic_voters;       // they can be changed; brokers do not tell it
  std::vector<QuorumReplicaView> replicas;  // from the leader only
};

// Asks all `controllers` and returns the leader's view, else that of the highest term.
// ERRORS: kUnavailable if none answers within `timeout_ms`.
absl::StatusOr<QuorumView> QueryQuorum(const std::vector<Endpoint>& controllers, int timeout_ms);

// Asks the first broker of "host:port,..." that can be reached; the view is the leader's. Its ages
// are those on the leader's clock.
// ERRORS: as AdminClient; a KafkaStatus that names what the broker answered: kDeadlineExceeded if
// no controller is active.
absl::StatusOr<QuorumView> QueryQuorumOfBroker(std::string_view bootstrap, int timeout_ms);

// Has the leader change the voters; OK once the change is committed. The leader is found through
// `controllers`, voters or not, or through a broker of "host:port,...".
// ERRORS: kUnavailable if no leader is found; else the leader's (MetadataQuorum::ChangeVoters),
// from a broker as a KafkaStatus. kInvalidArgument: brokers pass on neither kUpgrade nor kUpdate.
absl::Status ChangeVoters(const std::vector<Endpoint>& controllers, const VoterChange& change,
                          int timeout_ms);
absl::Status ChangeVotersByBroker(std::string_view bootstrap, const VoterChange& change,
                                  int timeout_ms);

}  // namespace quorate
