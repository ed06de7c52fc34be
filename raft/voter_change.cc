#include "raft/voter_change.h"

#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "proto/quorate/raft.pb.h"

namespace quorate {
namespace {

using raft::Voter;
using raft::VoterSet;

pb::ChangeVotersRequest::Kind KindOf(VoterChange::Kind kind) {
  switch (kind) {
    case VoterChange::Kind::kAdd:
      return pb::ChangeVotersRequest::ADD;
    case VoterChange::Kind::kRemove:
      return pb::ChangeVotersRequest::REMOVE;
    case VoterChange::Kind::kUpdate:
      return pb::ChangeVotersRequest::UPDATE;
    case VoterChange::Kind::kUpgrade:
      return pb::ChangeVotersRequest::UPGRADE;
  }
  return pb::ChangeVotersRequest::UNKNOWN;
}

absl::StatusOr<VoterChange::Kind> KindOf(pb::ChangeVotersRequest::Kind kind) {
  switch (kind) {
    case pb::ChangeVotersRequest::ADD:
      return VoterChange::Kind::kAdd;
    case pb::ChangeVotersRequest::REMOVE:
      return VoterChange::Kind::kRemove;
    case pb::ChangeVotersRequest::UPDATE:
      return VoterChange::Kind::kUpdate;
    case pb::ChangeVotersRequest::UPGRADE:
      return VoterChange::Kind::kUpgrade;
    default:
      return absl::InvalidArgumentError("a change of voters of an unknown kind");
  }
}

absl::Status CheckComplete(const VoterChange& change) {
  if (change.voter.node < NodeId(0)) return absl::InvalidArgumentError("no voter id");
  if (change.kind == VoterChange::Kind::kRemove) return absl::OkStatus();
  if (change.voter.directory.is_zero()) {
    return absl::InvalidArgumentError(
        "the directory id of the voter is missing: it is in its metadata directory's "
        "meta.properties");
  }
  if (change.endpoint.host.empty() || change.endpoint.port <= 0 || change.endpoint.port > 65535) {
    return absl::InvalidArgumentError(
        "the address of the voter's controller listener is missing or impossible");
  }
  return absl::OkStatus();
}

absl::StatusOr<VoterSet> Add(const VoterSet& voters, const VoterChange& change) {
  const NodeId node = change.voter.node;
  if (const Voter* known = voters.Find(node); known != nullptr) {
    if (known->directory == change.voter.directory) {
      return absl::AlreadyExistsError(absl::StrFormat("node %d votes already", node.value()));
    }
    return absl::AlreadyExistsError(
        absl::StrFormat("node %d votes already with directory %s: remove that voter first",
                        node.value(), known->directory.ToString()));
  }
  if (change.automatic && voters.WasRemoved(change.voter)) {
    return absl::FailedPreconditionError(absl::StrFormat(
        "node %d was removed and does not join again on its own: `quorate quorum add-voter`",
        node.value()));
  }
  return voters.With(change.voter, change.endpoint);
}

}  // namespace

absl::StatusOr<VoterSet> VotersAfter(const VoterSet& voters, const VoterChange& change) {
  Q_RETURN_IF_ERROR(CheckComplete(change));
  if (change.kind == VoterChange::Kind::kAdd) return Add(voters, change);
  const Voter* known = voters.Find(change.voter.node);
  const bool any = change.voter.directory.is_zero();
  if (known == nullptr || (!any && known->directory != change.voter.directory)) {
    return absl::NotFoundError(absl::StrFormat(
        "no voter %d%s; the voters are %s", change.voter.node.value(),
        any ? "" : absl::StrFormat(" with directory %s", change.voter.directory.ToString()),
        voters.ToString()));
  }
  if (change.kind == VoterChange::Kind::kUpdate) return voters.With(change.voter, change.endpoint);
  return voters.Without(change.voter.node);
}

void ToProto(const VoterChange& change, pb::ChangeVotersRequest* out) {
  out->set_kind(KindOf(change.kind));
  out->mutable_voter()->set_node_id(change.voter.node.value());
  if (!change.voter.directory.is_zero()) {
    out->mutable_voter()->set_directory_id(change.voter.directory.ToBytes());
  }
  out->mutable_address()->set_host(change.endpoint.host);
  out->mutable_address()->set_port(change.endpoint.port);
  out->set_automatic(change.automatic);
  out->set_passed_on(change.passed_on);
}

absl::StatusOr<VoterChange> FromProto(const pb::ChangeVotersRequest& request) {
  VoterChange change;
  Q_ASSIGN_OR_RETURN(change.kind, KindOf(request.kind()));
  if (request.voter().node_id() >= 0) change.voter.node = NodeId(request.voter().node_id());
  const std::string& directory = request.voter().directory_id();
  if (!directory.empty() && directory.size() != 16) {
    return absl::InvalidArgumentError("a directory id that is not of 16 bytes");
  }
  if (!directory.empty()) change.voter.directory = Uuid::FromBytes(directory);
  change.endpoint = {request.address().host(), request.address().port()};
  change.automatic = request.automatic();
  change.passed_on = request.passed_on();
  return change;
}

}  // namespace quorate
