#include "raft/raft_wire.h"

#include <limits>
#include <memory>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "proto/quorate/raft.pb.h"
#include "raft/metadata_batch_codec.h"

namespace quorate {
namespace {

void SetKey(const raft::ReplicaKey& key, pb::ReplicaKey* out) {
  out->set_node_id(key.node.value());
  out->set_directory_id(key.directory.ToBytes());
}

absl::Status GetKey(const pb::ReplicaKey& key, raft::ReplicaKey* out) {
  if (key.node_id() < 0) return absl::InvalidArgumentError("a replica without node id");
  out->node = NodeId(key.node_id());
  if (key.directory_id().empty()) return absl::OkStatus();
  if (key.directory_id().size() != 16) {
    return absl::InvalidArgumentError("a directory id that is not of 16 bytes");
  }
  out->directory = Uuid::FromBytes(key.directory_id());
  return absl::OkStatus();
}

void SetAddress(const Endpoint& endpoint, pb::NodeAddress* out) {
  out->set_host(endpoint.host);
  out->set_port(endpoint.port);
}

// An address of a peer is a hint: one that makes no sense is none.
Endpoint GetAddress(const pb::NodeAddress& address) {
  if (address.host().empty() || address.port() <= 0 || address.port() > 65535) return {};
  return {address.host(), address.port()};
}

template <typename Message>
absl::Status ParseMessage(std::string_view bytes, Message* message) {
  if (bytes.size() > static_cast<size_t>(std::numeric_limits<int>::max()) ||
      !message->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return absl::InvalidArgumentError(
        absl::StrFormat("malformed %s", message->GetDescriptor()->name()));
  }
  return absl::OkStatus();
}

template <typename Message>
absl::Status ParseRequest(std::string_view bytes, const std::string& cluster_id, Message* message) {
  Q_RETURN_IF_ERROR(ParseMessage(bytes, message));
  if (message->cluster_id() != cluster_id) {
    return absl::FailedPreconditionError(absl::StrFormat("%s is for cluster %s, this is %s",
                                                         message->GetDescriptor()->name(),
                                                         message->cluster_id(), cluster_id));
  }
  return absl::OkStatus();
}

absl::Status NotNegative(int64_t value, const char* what) {
  if (value >= 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrFormat("%s is %d", what, value));
}

// Far above all terms that elections reach, far below where counting would overflow.
constexpr int32_t kMaxTerm = 1 << 30;

absl::Status CheckTerm(int32_t value, const char* what) {
  if (value >= 0 && value <= kMaxTerm) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrFormat("%s is %d", what, value));
}

NodeId NodeOrNone(int32_t value) { return value < 0 ? kNoNode : NodeId(value); }

pb::FetchResponse::Outcome OutcomeOf(raft::FetchOutcome outcome) {
  switch (outcome) {
    case raft::FetchOutcome::kOk:
      return pb::FetchResponse::OK;
    case raft::FetchOutcome::kNotLeader:
      return pb::FetchResponse::NOT_LEADER;
    case raft::FetchOutcome::kDiverging:
      return pb::FetchResponse::DIVERGING;
    case raft::FetchOutcome::kFencedTerm:
      return pb::FetchResponse::FENCED_TERM;
    case raft::FetchOutcome::kWrongCluster:
      return pb::FetchResponse::WRONG_CLUSTER;
    case raft::FetchOutcome::kSnapshotNeeded:
      return pb::FetchResponse::SNAPSHOT_NEEDED;
  }
  return pb::FetchResponse::NOT_LEADER;
}

absl::StatusOr<raft::FetchOutcome> OutcomeOf(pb::FetchResponse::Outcome outcome) {
  switch (outcome) {
    case pb::FetchResponse::OK:
      return raft::FetchOutcome::kOk;
    case pb::FetchResponse::NOT_LEADER:
      return raft::FetchOutcome::kNotLeader;
    case pb::FetchResponse::DIVERGING:
      return raft::FetchOutcome::kDiverging;
    case pb::FetchResponse::FENCED_TERM:
      return raft::FetchOutcome::kFencedTerm;
    case pb::FetchResponse::WRONG_CLUSTER:
      return raft::FetchOutcome::kWrongCluster;
    case pb::FetchResponse::SNAPSHOT_NEEDED:
      return raft::FetchOutcome::kSnapshotNeeded;
    default:
      return absl::InvalidArgumentError("an unknown fetch outcome");
  }
}

void SetSnapshot(const raft::SnapshotId& id, pb::SnapshotId* out) {
  out->set_end_index(id.end.value());
  out->set_term(id.term.value());
}

absl::Status GetSnapshot(const pb::SnapshotId& in, raft::SnapshotId* out) {
  Q_RETURN_IF_ERROR(NotNegative(in.end_index(), "snapshot.end_index"));
  Q_RETURN_IF_ERROR(CheckTerm(in.term(), "snapshot.term"));
  *out = {LogIndex(in.end_index()), Term(in.term())};
  return absl::OkStatus();
}

pb::FetchSnapshotResponse::Outcome OutcomeOf(raft::SnapshotOutcome outcome) {
  switch (outcome) {
    case raft::SnapshotOutcome::kOk:
      return pb::FetchSnapshotResponse::OK;
    case raft::SnapshotOutcome::kNotLeader:
      return pb::FetchSnapshotResponse::NOT_LEADER;
    case raft::SnapshotOutcome::kFencedTerm:
      return pb::FetchSnapshotResponse::FENCED_TERM;
    case raft::SnapshotOutcome::kNotFound:
      return pb::FetchSnapshotResponse::NOT_FOUND;
  }
  return pb::FetchSnapshotResponse::NOT_FOUND;
}

absl::StatusOr<raft::SnapshotOutcome> OutcomeOf(pb::FetchSnapshotResponse::Outcome outcome) {
  switch (outcome) {
    case pb::FetchSnapshotResponse::OK:
      return raft::SnapshotOutcome::kOk;
    case pb::FetchSnapshotResponse::NOT_LEADER:
      return raft::SnapshotOutcome::kNotLeader;
    case pb::FetchSnapshotResponse::FENCED_TERM:
      return raft::SnapshotOutcome::kFencedTerm;
    case pb::FetchSnapshotResponse::NOT_FOUND:
      return raft::SnapshotOutcome::kNotFound;
    default:
      return absl::InvalidArgumentError("an unknown outcome of a fetch of a snapshot");
  }
}

}  // namespace

std::string Serialise(const raft::VoteRequest& message, const std::string& cluster_id) {
  pb::VoteRequest out;
  out.set_cluster_id(cluster_id);
  out.set_term(message.term.value());
  SetKey(message.candidate, out.mutable_candidate());
  if (message.voter.node != kNoNode) SetKey(message.voter, out.mutable_voter());
  out.set_log_end_index(message.log_end.value());
  out.set_last_log_term(message.last_log_term.value());
  out.set_pre_vote(message.pre_vote);
  return out.SerializeAsString();
}

std::string Serialise(const raft::FetchRequest& message, const std::string& cluster_id) {
  pb::FetchRequest out;
  out.set_cluster_id(cluster_id);
  out.set_term(message.term.value());
  SetKey(message.replica, out.mutable_replica());
  out.set_fetch_index(message.fetch_index.value());
  out.set_last_fetched_term(message.last_fetched_term.value());
  out.set_known_commit_index(message.known_commit.value());
  out.set_max_wait_ms(message.max_wait_ms);
  out.set_max_bytes(message.max_bytes);
  out.set_observer_only(message.observer_only);
  out.set_read_round(message.read_round);
  return out.SerializeAsString();
}

std::string Serialise(const raft::BeginTermRequest& message, const std::string& cluster_id) {
  pb::BeginTermRequest out;
  out.set_cluster_id(cluster_id);
  out.set_term(message.term.value());
  out.set_leader_id(message.leader.value());
  SetAddress(message.leader_endpoint, out.mutable_leader_address());
  return out.SerializeAsString();
}

std::string Serialise(const raft::EndTermRequest& message, const std::string& cluster_id) {
  pb::EndTermRequest out;
  out.set_cluster_id(cluster_id);
  out.set_term(message.term.value());
  out.set_leader_id(message.leader.value());
  for (NodeId node : message.preferred) out.add_preferred_candidates(node.value());
  return out.SerializeAsString();
}

std::string Serialise(const raft::VoteResponse& message) {
  pb::VoteResponse out;
  out.set_term(message.term.value());
  out.set_leader_id(message.leader.value());
  out.set_vote_granted(message.granted);
  out.set_pre_vote(message.pre_vote);
  if (!message.leader_endpoint.host.empty()) {
    SetAddress(message.leader_endpoint, out.mutable_leader_address());
  }
  return out.SerializeAsString();
}

std::string Serialise(const raft::FetchResponse& message, std::string_view batches) {
  pb::FetchResponse out;
  if (!message.leader_endpoint.host.empty()) {
    SetAddress(message.leader_endpoint, out.mutable_leader_address());
  }
  out.set_outcome(OutcomeOf(message.outcome));
  out.set_term(message.term.value());
  out.set_leader_id(message.leader.value());
  out.set_diverging_term(message.diverging_term.value());
  out.set_diverging_end(message.diverging_end.value());
  out.set_commit_index(message.commit_index.value());
  out.set_log_start_index(message.log_start.value());
  out.set_read_round(message.read_round);
  if (message.snapshot.end > LogIndex(0)) SetSnapshot(message.snapshot, out.mutable_snapshot());
  out.set_batches(batches.data(), batches.size());
  return out.SerializeAsString();
}

std::string Serialise(const raft::FetchSnapshotRequest& message, const std::string& cluster_id) {
  pb::FetchSnapshotRequest out;
  out.set_cluster_id(cluster_id);
  out.set_term(message.term.value());
  SetKey(message.replica, out.mutable_replica());
  SetSnapshot(message.snapshot, out.mutable_snapshot());
  out.set_position(message.position);
  out.set_max_bytes(message.max_bytes);
  return out.SerializeAsString();
}

std::string Serialise(const raft::FetchSnapshotResponse& message, std::string_view piece) {
  pb::FetchSnapshotResponse out;
  out.set_outcome(OutcomeOf(message.outcome));
  out.set_term(message.term.value());
  out.set_leader_id(message.leader.value());
  SetSnapshot(message.snapshot, out.mutable_snapshot());
  out.set_size(message.size);
  out.set_position(message.position);
  out.set_piece(piece.data(), piece.size());
  return out.SerializeAsString();
}

std::string Serialise(const raft::BeginTermResponse& message) {
  pb::BeginTermResponse out;
  out.set_term(message.term.value());
  out.set_leader_id(message.leader.value());
  return out.SerializeAsString();
}

std::string Serialise(const raft::EndTermResponse& message) {
  pb::EndTermResponse out;
  out.set_term(message.term.value());
  return out.SerializeAsString();
}

absl::Status Parse(std::string_view bytes, const std::string& cluster_id, raft::VoteRequest* out) {
  pb::VoteRequest in;
  Q_RETURN_IF_ERROR(ParseRequest(bytes, cluster_id, &in));
  Q_RETURN_IF_ERROR(CheckTerm(in.term(), "term"));
  Q_RETURN_IF_ERROR(NotNegative(in.log_end_index(), "log_end_index"));
  Q_RETURN_IF_ERROR(CheckTerm(in.last_log_term(), "last_log_term"));
  Q_RETURN_IF_ERROR(GetKey(in.candidate(), &out->candidate));
  if (in.has_voter()) Q_RETURN_IF_ERROR(GetKey(in.voter(), &out->voter));
  out->term = Term(in.term());
  out->log_end = LogIndex(in.log_end_index());
  out->last_log_term = Term(in.last_log_term());
  out->pre_vote = in.pre_vote();
  return absl::OkStatus();
}

absl::Status Parse(std::string_view bytes, const std::string& cluster_id, raft::FetchRequest* out) {
  pb::FetchRequest in;
  Q_RETURN_IF_ERROR(ParseRequest(bytes, cluster_id, &in));
  Q_RETURN_IF_ERROR(CheckTerm(in.term(), "term"));
  Q_RETURN_IF_ERROR(NotNegative(in.fetch_index(), "fetch_index"));
  Q_RETURN_IF_ERROR(CheckTerm(in.last_fetched_term(), "last_fetched_term"));
  Q_RETURN_IF_ERROR(GetKey(in.replica(), &out->replica));
  out->term = Term(in.term());
  out->fetch_index = LogIndex(in.fetch_index());
  out->last_fetched_term = Term(in.last_fetched_term());
  out->known_commit = LogIndex(in.known_commit_index());
  out->max_wait_ms = in.max_wait_ms();
  out->max_bytes = in.max_bytes();
  out->observer_only = in.observer_only();
  out->read_round = in.read_round();
  return absl::OkStatus();
}

absl::Status Parse(std::string_view bytes, const std::string& cluster_id,
                   raft::BeginTermRequest* out) {
  pb::BeginTermRequest in;
  Q_RETURN_IF_ERROR(ParseRequest(bytes, cluster_id, &in));
  Q_RETURN_IF_ERROR(CheckTerm(in.term(), "term"));
  out->leader_endpoint = GetAddress(in.leader_address());
  out->term = Term(in.term());
  out->leader = NodeOrNone(in.leader_id());
  return absl::OkStatus();
}

absl::Status Parse(std::string_view bytes, const std::string& cluster_id,
                   raft::EndTermRequest* out) {
  pb::EndTermRequest in;
  Q_RETURN_IF_ERROR(ParseRequest(bytes, cluster_id, &in));
  Q_RETURN_IF_ERROR(CheckTerm(in.term(), "term"));
  out->term = Term(in.term());
  out->leader = NodeOrNone(in.leader_id());
  for (int32_t node : in.preferred_candidates()) out->preferred.push_back(NodeOrNone(node));
  return absl::OkStatus();
}

absl::Status Parse(std::string_view bytes, raft::VoteResponse* out) {
  pb::VoteResponse in;
  Q_RETURN_IF_ERROR(ParseMessage(bytes, &in));
  Q_RETURN_IF_ERROR(CheckTerm(in.term(), "term"));
  *out = {Term(in.term()), NodeOrNone(in.leader_id()), in.vote_granted(), in.pre_vote(),
          GetAddress(in.leader_address())};
  return absl::OkStatus();
}

absl::Status Parse(std::string_view bytes, raft::FetchResponse* out, SharedBytes* batches) {
  auto in = std::make_shared<pb::FetchResponse>();
  Q_RETURN_IF_ERROR(ParseMessage(bytes, in.get()));
  Q_RETURN_IF_ERROR(CheckTerm(in->term(), "term"));
  Q_ASSIGN_OR_RETURN(out->outcome, OutcomeOf(in->outcome()));
  out->term = Term(in->term());
  out->leader = NodeOrNone(in->leader_id());
  out->diverging_term = Term(in->diverging_term());
  out->diverging_end = LogIndex(in->diverging_end());
  out->commit_index = LogIndex(in->commit_index());
  out->log_start = LogIndex(in->log_start_index());
  out->leader_endpoint = GetAddress(in->leader_address());
  out->read_round = in->read_round();
  Q_RETURN_IF_ERROR(GetSnapshot(in->snapshot(), &out->snapshot));
  Q_ASSIGN_OR_RETURN(out->batches, SpansOf(in->batches()));
  const std::string_view view = in->batches();
  *batches = SharedBytes(std::move(in), view);
  return absl::OkStatus();
}

absl::Status Parse(std::string_view bytes, const std::string& cluster_id,
                   raft::FetchSnapshotRequest* out) {
  pb::FetchSnapshotRequest in;
  Q_RETURN_IF_ERROR(ParseRequest(bytes, cluster_id, &in));
  Q_RETURN_IF_ERROR(CheckTerm(in.term(), "term"));
  Q_RETURN_IF_ERROR(GetKey(in.replica(), &out->replica));
  Q_RETURN_IF_ERROR(GetSnapshot(in.snapshot(), &out->snapshot));
  Q_RETURN_IF_ERROR(NotNegative(in.position(), "position"));
  out->term = Term(in.term());
  out->position = in.position();
  out->max_bytes = in.max_bytes();
  return absl::OkStatus();
}

absl::Status Parse(std::string_view bytes, raft::FetchSnapshotResponse* out, SharedBytes* piece) {
  auto in = std::make_shared<pb::FetchSnapshotResponse>();
  Q_RETURN_IF_ERROR(ParseMessage(bytes, in.get()));
  Q_RETURN_IF_ERROR(CheckTerm(in->term(), "term"));
  Q_ASSIGN_OR_RETURN(out->outcome, OutcomeOf(in->outcome()));
  Q_RETURN_IF_ERROR(GetSnapshot(in->snapshot(), &out->snapshot));
  Q_RETURN_IF_ERROR(NotNegative(in->size(), "size"));
  Q_RETURN_IF_ERROR(NotNegative(in->position(), "position"));
  out->term = Term(in->term());
  out->leader = NodeOrNone(in->leader_id());
  out->size = in->size();
  out->position = in->position();
  out->length = static_cast<int64_t>(in->piece().size());
  const std::string_view view = in->piece();
  *piece = SharedBytes(std::move(in), view);
  return absl::OkStatus();
}

absl::Status Parse(std::string_view bytes, raft::BeginTermResponse* out) {
  pb::BeginTermResponse in;
  Q_RETURN_IF_ERROR(ParseMessage(bytes, &in));
  Q_RETURN_IF_ERROR(CheckTerm(in.term(), "term"));
  *out = {Term(in.term()), NodeOrNone(in.leader_id())};
  return absl::OkStatus();
}

absl::Status Parse(std::string_view bytes, raft::EndTermResponse* out) {
  pb::EndTermResponse in;
  Q_RETURN_IF_ERROR(ParseMessage(bytes, &in));
  Q_RETURN_IF_ERROR(CheckTerm(in.term(), "term"));
  *out = {Term(in.term())};
  return absl::OkStatus();
}

}  // namespace quorate
