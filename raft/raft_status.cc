#include "raft/raft_status.h"

#include <string>

#include "proto/quorate/raft.pb.h"

namespace quorate {

void ToProto(const QuorumStatus& status, pb::QuorumStatusResponse* out) {
  out->set_node_id(status.node.value());
  out->set_role(std::string(status.role));
  out->set_term(status.term.value());
  out->set_leader_id(status.leader.value());
  out->set_commit_index(status.commit_index.value());
  out->set_log_end_index(status.log_end.value());
  out->set_log_start_index(status.log_start.value());
  out->set_dynamic_voters(status.dynamic_voters);
  for (const QuorumReplicaStatus& replica : status.replicas) {
    pb::QuorumReplica* entry = out->add_replicas();
    entry->set_node_id(replica.node.value());
    entry->set_directory_id(replica.directory_id.ToBytes());
    entry->set_voter(replica.voter);
    entry->set_log_end_index(replica.log_end);
    entry->set_lag(replica.lag);
    entry->set_last_fetch_age_ms(replica.last_fetch_age_ms);
    entry->set_last_caught_up_age_ms(replica.last_caught_up_age_ms);
    if (replica.endpoint.host.empty()) continue;
    entry->mutable_address()->set_host(replica.endpoint.host);
    entry->mutable_address()->set_port(replica.endpoint.port);
  }
}

}  // namespace quorate
